"""The gateway's keeper: keeps one gateway process running and its routes up to date."""

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lepton_ai.core.clock import Clock
from lepton_ai.core.errors import Conflict, Unavailable
from lepton_ai.core.failpoints import failpoint
from lepton_ai.core.ids import NewId
from lepton_ai.infrastructure.compute.port import Executor, WorkerSpec
from lepton_ai.infrastructure.network.port import EndpointStats, GatewayDriver
from lepton_ai.infrastructure.network.routes import RouteTable

KIND = "gateway"
_PAUSE_S = 0.5
_APPLY_PAUSE_S = 0.02
_START_TIMEOUT_S = 20.0
_LONGEST_RESTART_PAUSE_S = 5.0
_HEALTHY_AFTER_S = 1.0
"""How long a gateway must have run for its next end to count as the first one."""


@dataclass(frozen=True)
class GatewayStatus:
    """How the gateway is.

    Args:
        driver: `envoy` or `python_proxy`.
        why: Why that one.
        ready: Whether it answers.
        worker_id: Its worker, to find its log by.
    """

    driver: str
    why: str
    ready: bool
    worker_id: str | None


@dataclass(frozen=True)
class _Written:
    """A route table that the gateway was given, and whom requests reach by it."""

    version: str
    table: RouteTable
    replica_ids: frozenset[str]


class GatewayKeeper:
    """Runs in the control plane; the gateway itself outlives it and is adopted by the next one.

    Args:
        driver: What kind of gateway.
        why: Why this kind, for `lepton status`.
        executor: What runs its process.
        read_table: Makes the route table of now.
        routed_changed: Called when the gateway has taken over a table.
        clock: Where the time comes from.
        new_id: Where ids come from.
        report: Called with an exception of a pass; the next pass tries again.
    """

    def __init__(
        self,
        driver: GatewayDriver,
        why: str,
        executor: Executor,
        read_table: Callable[[], RouteTable],
        routed_changed: Callable[[], None],
        clock: Clock,
        new_id: NewId,
        report: Callable[[str, Exception], None],
    ) -> None:
        self._driver = driver
        self._why = why
        self._executor = executor
        self._read_table = read_table
        self._routed_changed = routed_changed
        self._clock = clock
        self._new_id = new_id
        self._report = report
        self._worker_id: str | None = None
        self._tables: tuple[_Written | None, ...] = (None,)
        """The one in force (None: it is not known yet), then those that were written after it; replaced as a whole,
        because other threads look."""
        self._restart_pause_s = 0.0
        self._restart_at_s = 0.0
        self._restarted_at_s = 0.0
        self._hinted = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateway-keeper", daemon=True)

    def start(self) -> None:
        """Adopt the gateway that runs, or start one, and wait until it answers.

        Raises:
            Conflict: Somebody else listens on one of its ports.
            Unavailable: It does not come up.
        """
        self._write()
        if not self._adopt():
            assert self._tables[-1] is not None
            check_ports_free(self._tables[-1].table)
            self._submit()
        deadline_s = self._clock.monotonic_s() + _START_TIMEOUT_S
        while not self._driver.is_ready():
            if self._worker_id is not None and (state := self._executor.observe(self._worker_id)).is_over:
                raise Unavailable(f"the gateway ended at its start: {state.ending}", hint=self._log_hint())
            if self._clock.monotonic_s() > deadline_s:
                raise Unavailable("the gateway does not answer", hint=self._log_hint())
            self._stopping.wait(_APPLY_PAUSE_S)
        self._thread.start()

    def hint(self) -> None:
        """The routes may have changed: look soon."""
        self._hinted.set()

    def is_routed(self, replica_id: str) -> bool | None:
        """Whether the gateway sends requests to a replica.

        Returns:
            None while that changes: the table in force and those on their way differ in it, or it is not known yet
            what an adopted gateway does.
        """
        tables = self._tables
        known = {table is not None and replica_id in table.replica_ids for table in tables}
        return None if tables[0] is None or len(known) > 1 else known.pop()

    def status(self) -> GatewayStatus:
        """How the gateway is."""
        return GatewayStatus(self._driver.name, self._why, self._driver.is_ready(), self._worker_id)

    def stats(self) -> Mapping[str, EndpointStats]:
        """What each endpoint was asked, by `<workspace>/<name>`."""
        return self._driver.stats()

    def stop(self) -> None:
        """Stop looking after it. The gateway runs on."""
        self._stopping.set()
        self._hinted.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        pause_s = 0.0
        while not self._stopping.is_set():
            self._hinted.wait(pause_s)
            self._hinted.clear()
            try:
                self._keep_running()
                self._write()
                pause_s = _PAUSE_S if self._confirm() else _APPLY_PAUSE_S
            except Exception as error:  # noqa: BLE001 - the gateway serves on; the next pass tries again
                self._report("gateway", error)
                pause_s = _PAUSE_S

    def _keep_running(self) -> None:
        now_s = self._clock.monotonic_s()
        if self._worker_id is not None and not self._executor.observe(self._worker_id).is_over:
            if self._restart_pause_s and now_s >= self._restarted_at_s + _HEALTHY_AFTER_S and self._driver.is_ready():
                self._restart_pause_s = self._restart_at_s = 0.0
            return
        if now_s < self._restart_at_s:
            return
        self._restart_pause_s = min(_LONGEST_RESTART_PAUSE_S, max(0.1, 2 * self._restart_pause_s))
        self._restarted_at_s = now_s
        self._restart_at_s = now_s + self._restart_pause_s
        if self._worker_id is not None:
            self._executor.release(self._worker_id)
        self._submit()

    def _write(self) -> None:
        table, newest = self._read_table(), self._tables[-1]
        if newest is None or table != newest.table:
            failpoint("gateway.before_write")
            version = self._driver.write(table)
            failpoint("gateway.after_write")
            self._tables = (*self._tables, _Written(version, table, _replica_ids(table)))

    def _confirm(self) -> bool:
        """Whether the gateway works by what was written last."""
        if len(self._tables) == 1:
            return True
        version = self._driver.applied_version()
        # The newest first: where routes change all the time, one before it may be in force.
        for place in range(len(self._tables) - 1, 0, -1):
            table = self._tables[place]
            if table is not None and table.version == version:
                self._tables = self._tables[place:]
                self._routed_changed()
                break
        return len(self._tables) == 1

    def _adopt(self) -> bool:
        wanted = self._spec("")
        for worker_id, spec in self._executor.adopt().items():
            if spec.kind != KIND:
                continue
            state = self._executor.observe(worker_id)
            if not state.is_over and spec.argv == wanted.argv and spec.env == wanted.env and self._worker_id is None:
                self._worker_id = worker_id
                continue
            self._executor.stop(worker_id)
            deadline_s = self._clock.monotonic_s() + spec.grace_s + 5
            while not self._executor.observe(worker_id).is_over and self._clock.monotonic_s() < deadline_s:
                self._stopping.wait(_APPLY_PAUSE_S)
            self._executor.release(worker_id)
        return self._worker_id is not None

    def _submit(self) -> None:
        self._worker_id = self._new_id("gw")
        self._executor.submit(self._spec(self._worker_id))

    def _spec(self, worker_id: str) -> WorkerSpec:
        command = self._driver.command()
        return WorkerSpec(worker_id, KIND, command.argv, dict(command.env), {"driver": self._driver.name}, grace_s=8.0)

    def _log_hint(self) -> str:
        path = self._executor.log_path(self._worker_id or "")
        return f"Its log is {path}." if path else "Try again, or choose another one with LEPTON_GATEWAY."


def check_ports_free(table: RouteTable) -> None:
    """Refuse early, with a clear word, when somebody else listens on one of the gateway's ports.

    Raises:
        Conflict: A port is taken.
    """
    for port in (table.api_port, table.endpoints_port):
        family = socket.AF_INET6 if ":" in table.host else socket.AF_INET
        with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((table.host, port))
            except OSError as error:
                why = (error.strerror or str(error)).lower()
                raise Conflict(
                    f"port {port} on {table.host} cannot be used: {why}",
                    hint="Choose another one: lepton up --port N uses N and N + 1.",
                ) from error


def _replica_ids(table: RouteTable) -> frozenset[str]:
    return frozenset(upstream.replica_id for endpoint in table.endpoints for upstream in endpoint.upstreams)

"""The server's process: `python -m lepton_ai.server`. `lepton up` runs it; errors are told as the CLI tells them."""

import argparse
import asyncio
import fcntl
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from lepton_ai import __version__
from lepton_ai.core.access import DEFAULT_WORKSPACE
from lepton_ai.core.clock import SystemClock
from lepton_ai.core.errors import Conflict, LeptonError
from lepton_ai.core.failpoints import failpoint
from lepton_ai.core.files import write_atomically
from lepton_ai.core.folders import DataFolder, remove_socket_folder
from lepton_ai.core.log import log, log_to
from lepton_ai.core.settings import Settings, load_settings
from lepton_ai.infrastructure.compute.supervisor import identity_of
from lepton_ai.server.app import create_app
from lepton_ai.server.control_plane import ControlPlane
from lepton_ai.server.ending import record_stop, stop_all_workers
from lepton_ai.server.routes.endpoints import endpoints_url

KEEP_WORKLOADS = signal.SIGUSR1
"""Ends the server and leaves gateway and replicas running. SIGTERM and SIGINT stop them too."""


def main(arguments: list[str] | None = None) -> int:
    """Run the server until a signal ends it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lepton_ai.server")
    for flag in ("--data-dir", "--host", "--port", "--gateway"):
        parser.add_argument(flag)
    parser.add_argument("--foreground", action="store_true", help="tell a person on stderr, and log to a file")
    parser.add_argument("--sweep", action="store_true", help="stop what a server that is gone left running, and end")
    given = vars(parser.parse_args(arguments))
    sweep, foreground = given.pop("sweep"), given.pop("foreground")
    try:
        settings, _ = load_settings(given)
        folders = DataFolder(settings.data_dir)
        folders.create()
        with _sole_owner(folders):
            if foreground:
                log_to(folders.logs / "server.log")
            return _sweep(settings) if sweep else _serve(settings, folders, foreground)
    except LeptonError as error:
        hint = f"hint: {error.hint}\n" if error.hint else ""
        sys.stderr.write(f"error: {error.message}\n{hint}")
        return error.exit_code


def _serve(settings: Settings, folders: DataFolder, foreground: bool) -> int:
    os.umask(0o077)
    plane = ControlPlane.open(settings, os.environ)
    keep_workloads = False
    try:
        app: Any = create_app(plane)
        Path(plane.control_socket).unlink(missing_ok=True)
        config = uvicorn.Config(
            app,
            uds=plane.control_socket,
            loop="none",  # it runs on ours
            http="httptools",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
        server = _Server(config)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            keep_workloads = runner.run(_run(server, plane, folders, settings, foreground))
    finally:
        folders.server_record.unlink(missing_ok=True)
        plane.stop(keep_workloads=keep_workloads)
        Path(plane.control_socket).unlink(missing_ok=True)
    return 0


async def _run(
    server: "_Server", plane: ControlPlane, folders: DataFolder, settings: Settings, foreground: bool
) -> bool:
    """Serve until a signal comes; returns whether the workloads are to be kept."""
    loop = asyncio.get_running_loop()
    keep = False

    def stop(number: int) -> None:
        nonlocal keep
        keep = number == KEEP_WORKLOADS
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT, KEEP_WORKLOADS):
        loop.add_signal_handler(number, stop, number)
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    await asyncio.to_thread(plane.start)
    failpoint("start.before_ready")
    _announce(folders, settings)
    if foreground:
        sys.stderr.write(welcome(folders, settings) + "\nCtrl-C stops it.\n")
    await serving
    if foreground:
        sys.stderr.write("Stopping …\n")
    return keep


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the process has its own."""

    def capture_signals(self) -> Any:
        return nullcontext()


def _announce(folders: DataFolder, settings: Settings) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    record = {
        "process": identity_of(os.getpid()),
        "version": __version__,
        "api_url": f"http://{host}:{settings.port}",
        "endpoints_url": endpoints_url(settings),
        "workspace_url": f"http://{host}:{settings.port}/api/v2/workspaces/{DEFAULT_WORKSPACE}",
        "started_at_ms": SystemClock().now_ms(),
        "welcome": welcome(folders, settings),
    }
    write_atomically(folders.server_record, json.dumps(record).encode(), mode=0o600, durable=False)
    log("info", "ready", api_url=record["api_url"], endpoints_url=record["endpoints_url"])


def welcome(folders: DataFolder, settings: Settings) -> str:
    """What a person sees once the cloud is up."""
    api_url = f"http://{settings.host}:{settings.port}"
    return (
        f"Lepton AI is up at {api_url}, endpoints at {endpoints_url(settings)}\n"
        f"Its data and the admin token are in {folders.root}\n"
        "\nNext:\n"
        "  lepton run train.py --push digits        train a script's Model and register it\n"
        "  lepton deploy digits --min-replicas 2    put it behind an HTTP endpoint\n"
    )


def _sweep(settings: Settings) -> int:
    """Stop every worker that a server which is gone left running."""
    from importlib import import_module

    folders = DataFolder(settings.data_dir)
    driver = import_module(f"lepton_ai.infrastructure.compute.drivers.{settings.executor}")
    executor = driver.open_driver(folders, os.environ, settings.worker_env)
    stopped = len(executor.adopt())
    stop_all_workers(executor, SystemClock())
    executor.close()
    record_stop(folders)
    folders.server_record.unlink(missing_ok=True)
    remove_socket_folder(folders.root)
    log("info", "swept", stopped=stopped)
    return 0


@contextmanager
def _sole_owner(folders: DataFolder) -> Iterator[None]:
    """Hold the data folder's lock: two servers on one folder would destroy it."""
    descriptor = os.open(folders.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode(errors="replace").strip()
            raise Conflict(
                f"another server (process {holder or 'unknown'}) has the data folder {folders.root}",
                hint=f"Use that one, stop it (lepton down --data-dir {folders.root}), or choose another --data-dir.",
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())

"""The scaler: follows the traffic of endpoints and sets how many replicas they are to have. The one that does."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lepton_ai.core.clock import Clock
from lepton_ai.infrastructure.network.port import EndpointStats
from lepton_ai.platform.model_management.endpoints.records import Endpoint
from lepton_ai.platform.model_management.endpoints.scaling import DOWN_AFTER_MS, Look, replicas_wanted

_PERIOD_S = 1.0
_MOST_LOOKS = DOWN_AFTER_MS // 1000 + 5


@dataclass
class _Memory:
    """What the scaler knows of one endpoint. It starts anew with the control plane: then nothing is given up early."""

    quiet_since_ms: int
    looks: deque[Look] = field(default_factory=lambda: deque(maxlen=_MOST_LOOKS))


class Scaler:
    """Looks once a second.

    Args:
        endpoints: All endpoints.
        stats: What the gateway was asked for each, by `<workspace>/<name>`.
        waiting: How many requests wait for an endpoint to wake, by workspace and name.
        scale: Sets a number, by workspace, name, number and reason.
        clock: Where the time comes from.
    """

    def __init__(
        self,
        endpoints: Callable[[], Sequence[Endpoint]],
        stats: Callable[[], Mapping[str, EndpointStats]],
        waiting: Callable[[str, str], int],
        scale: Callable[[str, str, int, str], object],
        clock: Clock,
    ) -> None:
        self._endpoints = endpoints
        self._stats = stats
        self._waiting = waiting
        self._scale = scale
        self._clock = clock
        self._memory: dict[str, _Memory] = {}

    def wake(self, workspace_id: str, name: str) -> None:
        """A request came for an endpoint that sleeps: have a replica."""
        self._scale(workspace_id, name, 1, "A request came while it slept.")

    def look(self) -> float:
        """Look once at all endpoints whose number follows their traffic; returns the pause until the next look."""
        scaled = [each for each in self._endpoints() if each.spec.scaling is not None and not each.deleting]
        if not scaled:
            self._memory.clear()
            return _PERIOD_S
        now_ms, stats = self._clock.now_ms(), self._stats()
        kept = {}
        for endpoint in scaled:
            memory = kept[endpoint.id] = self._memory.get(endpoint.id) or _Memory(now_ms)
            self._look_at(endpoint, memory, stats.get(f"{endpoint.workspace_id}/{endpoint.name}"), now_ms)
        self._memory = kept
        return _PERIOD_S

    def _look_at(self, endpoint: Endpoint, memory: _Memory, seen: EndpointStats | None, now_ms: int) -> None:
        scaling = endpoint.spec.scaling
        assert scaling is not None
        waiting = self._waiting(endpoint.workspace_id, endpoint.name)
        if seen is not None:
            last = memory.looks[-1].requests if memory.looks else seen.requests_total
            if seen.active or waiting or seen.requests_total != last:
                memory.quiet_since_ms = now_ms
            memory.looks.append(Look(now_ms, seen.requests_total, seen.active))
        if not endpoint.desired_replicas or endpoint.spec.stopped:
            memory.quiet_since_ms = now_ms  # its hour begins when it wakes
            return
        least = endpoint.spec.min_replicas
        wanted = replicas_wanted(
            scaling, least, endpoint.desired_replicas, tuple(memory.looks), memory.quiet_since_ms, now_ms
        )
        if wanted != endpoint.desired_replicas:
            why = "No request came for a while." if not wanted else "Its traffic asks for it."
            self._scale(endpoint.workspace_id, endpoint.name, wanted, why)

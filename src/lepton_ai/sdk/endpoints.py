"""Endpoints from Python: make them, ask them, change them, remove them."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import orjson
from numpy.typing import NDArray

from lepton_ai.core.errors import Conflict, DeadlineExceeded, InvalidInput, Unavailable
from lepton_ai.core.names import check_name
from lepton_ai.platform.model_management.registry.records import ModelReference
from lepton_ai.sdk.connection import Connection, not_lepton, parsed
from lepton_ai.sdk.gone import wait_until_gone
from lepton_ai.sdk.notebook import Shown, endpoint_html, endpoints_html
from lepton_ai.server.schemas.endpoints import Deployment, EventItem, ReplicaItem

_POLL_S = 0.1


@dataclass(frozen=True)
class Prediction:
    """What a model answered.

    Args:
        outputs: One answer per row, as the endpoint gave it.
        model: The model that answered.
        version: Its version.
        intervals: For numbers, the interval of each row, `(batch, 2)`, which holds the truth as often as the model
            promises; None where it promises nothing.
    """

    outputs: Sequence[Any]
    model: str
    version: str
    intervals: NDArray[np.float64] | None = None

    @property
    def labels(self) -> NDArray[Any]:
        """The label that is answered for each row, `(batch,)`; for classifiers."""
        return np.array([row["label"] for row in self.outputs])

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """The probability of each class, `(batch, classes)`; for classifiers."""
        return np.array([row["probabilities"] for row in self.outputs])

    @property
    def label_sets(self) -> Sequence[tuple[int | str, ...]] | None:
        """The labels that each row may have, the true one among them as often as promised; None without a promise."""
        if not all(isinstance(row, dict) and "labels" in row for row in self.outputs):
            return None
        return [tuple(row["labels"]) for row in self.outputs]


class Endpoint:
    """One endpoint. Get it from `Cloud().deploy(...)` or `Cloud().endpoints.get(name)`."""

    def __init__(
        self, connection: Connection, replica_connection: Callable[[str], Connection], found: Deployment
    ) -> None:
        self._connection = connection
        self._connect = replica_connection
        self._asked: Connection | None = None
        self._has_columns: bool | None = None  # whether its model takes rows by column; asked once
        self.details = found

    @property
    def name(self) -> str:
        """Its name."""
        return self.details.metadata.name

    @property
    def url(self) -> str:
        """Where it answers."""
        return self.details.status.endpoint.external_endpoint

    @property
    def state(self) -> str:
        """Where it stood when it was last asked: `Ready`, `Starting`, …"""
        return self.details.status.state

    def __repr__(self) -> str:
        return f"<Endpoint {self.name} {self.state} {self.url}>"

    def _repr_html_(self) -> str:
        return endpoint_html(self.details)

    def refresh(self) -> Self:
        """Ask the server where it stands."""
        self.details = self._connection.read(Deployment, f"/deployments/{self.name}")
        return self

    def wait(self, timeout_s: float = 120.0, *, told: Callable[[str], object] = str) -> Self:
        """Wait until it is ready.

        Args:
            timeout_s: How long.
            told: Called with each new sentence about where it stands.

        Raises:
            Unavailable: Its replicas end right after their start; the message says how.
            DeadlineExceeded: It is not ready in time.
            NotFound: It was removed meanwhile.
        """
        give_up_at_s = time.monotonic() + timeout_s
        last = ""
        while self.refresh().state != "Ready" or self.details.status.reason == "rolling_out":
            status = self.details.status
            if status.message != last:
                last = status.message
                told(last)
            if status.state == "Error":
                raise Unavailable(
                    f"endpoint {self.name!r} does not come up: {status.message}",
                    hint=f"See what its replicas printed: lepton endpoint logs {self.name}",
                )
            if status.state in ("Stopped", "Deleting"):
                raise Conflict(f"endpoint {self.name!r} will not become ready: {status.message}")
            if time.monotonic() > give_up_at_s:
                raise DeadlineExceeded(
                    f"endpoint {self.name!r} is {status.state} after {timeout_s:g} s: {status.message}",
                    hint=f"It goes on: lepton endpoint show {self.name}",
                )
            time.sleep(_POLL_S)
        return self

    def predict(self, inputs: Any) -> Prediction:
        """Ask for predictions.

        Args:
            inputs: Rows as an array or nested lists, `(batch, *row_shape)`; for a model of a table a pandas or polars
                frame, or a list of dicts with a value by column.

        Raises:
            InvalidInput: The rows do not have the model's shape or type; the message says what was expected.
            Unavailable: No replica answers.
        """
        if self._asked is None:
            self._asked = self._connect(self.url)
        if _is_frame(inputs) and self._takes_columns(self._asked):
            inputs = _by_column(inputs)
        answer = self._asked.post("/predict", {"inputs": _plain(inputs)})
        try:
            intervals = np.array(answer["intervals"], np.float64) if "intervals" in answer else None
            return Prediction(answer["outputs"], answer["model"], answer["version"], intervals)
        except (KeyError, TypeError, ValueError) as error:
            raise not_lepton(self.url) from error

    def _takes_columns(self, asked: Connection) -> bool:
        if self._has_columns is None:
            self._has_columns = asked.get("/").get("columns") is not None
        return self._has_columns

    def update(
        self, *, model: str | None = None, min_replicas: int | None = None, timeout_s: int | None = None
    ) -> Self:
        """Change it; a new version is rolled out without a failed request.

        Args:
            model: Another version, as `digits:4` or `digits@champion`.
            min_replicas: How many replicas run; 0 stops it.
            timeout_s: How long one answer may take.
        """
        spec: dict[str, Any] = {}
        if model is not None:
            spec["model"] = _model_field(model)
        if min_replicas is not None:
            spec["resource_requirement"] = {"min_replicas": min_replicas}
        if timeout_s is not None:
            spec["timeout_s"] = timeout_s
        changed = self._connection.patch(f"/deployments/{self.name}", {"spec": spec})
        self.details = parsed(Deployment, changed, self._connection.url)
        return self

    def stop(self) -> Self:
        """Stop it: no replica runs. `update(min_replicas=...)` starts it again."""
        return self.update(min_replicas=0)

    def approve(self) -> Self:
        """Let replicas of a rollout that wait for approval have requests.

        Raises:
            Conflict: Nothing of it waits.
        """
        changed = self._connection.put(f"/deployments/{self.name}/approve")
        self.details = parsed(Deployment, changed, self._connection.url)
        return self

    def restart(self) -> Self:
        """Replace every replica by a fresh one, without a failed request."""
        changed = self._connection.put(f"/deployments/{self.name}/restart")
        self.details = parsed(Deployment, changed, self._connection.url)
        return self

    def remove(self, *, wait: bool = True, timeout_s: float = 60.0) -> None:
        """Remove it once its replicas have finished their requests."""
        self._connection.delete(f"/deployments/{self.name}")
        if wait:
            wait_until_gone(self.refresh, f"endpoint {self.name!r}", timeout_s=timeout_s)

    def replicas(self) -> Sequence[ReplicaItem]:
        """Its replicas, those that ended lately included."""
        return self._connection.read_list(ReplicaItem, f"/deployments/{self.name}/replicas")

    def events(self) -> Sequence[EventItem]:
        """What happened to it, oldest first."""
        return self._connection.read_list(EventItem, f"/deployments/{self.name}/events")

    @contextmanager
    def logs(self, replica_id: str, *, follow: bool = False) -> Iterator[Iterator[bytes]]:
        """What a replica printed; with `follow` also what it goes on to print."""
        path = f"/deployments/{self.name}/replicas/{replica_id}/log"
        with self._connection.stream(path, follow="true" if follow else None) as chunks:
            yield chunks


class Endpoints:
    """All endpoints of the workspace. Get it as `Cloud().endpoints`."""

    def __init__(self, connection: Connection, replica_connection: Callable[[str], Connection]) -> None:
        self._connection = connection
        self._connect = replica_connection

    def list(self) -> Sequence[Endpoint]:
        """All endpoints, by name."""
        found = [self._endpoint(each) for each in self._connection.read_list(Deployment, "/deployments")]
        return Shown(found, lambda endpoints: endpoints_html([endpoint.details for endpoint in endpoints]))

    def get(self, name: str) -> Endpoint:
        """One endpoint.

        Raises:
            NotFound: There is none of this name.
        """
        return self._endpoint(self._connection.read(Deployment, f"/deployments/{check_name('endpoint', name)}"))

    def create(
        self,
        name: str,
        model: str | None = None,
        *,
        command: Sequence[str] | None = None,
        port: int | None = None,
        env: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        min_replicas: int = 1,
        max_replicas: int | None = None,
        idle_timeout_s: int | None = None,
        requests_per_minute: float | None = None,
        in_flight: float | None = None,
        sticky: bool = False,
        timeout_s: int = 300,
    ) -> Endpoint:
        """Make an endpoint of a model or of a command. Returns at once; `wait` tells when it is ready.

        Args:
            name: What it is called.
            model: What it serves: `digits`, `digits:4`, `digits@champion`. Or
            command: a command line that listens where the variable `PORT` says.
            port: Where the command listens if it does not heed `PORT`; none at all if it serves nothing.
            env: Variables of its environment.
            secrets: Variables that secrets hold: the secret's name by the variable's.
            min_replicas: How many replicas run at least; 0 with a `max_replicas` sleeps until a request comes.
            max_replicas: How many run at most, as its traffic asks for.
            idle_timeout_s: After how long without a request it sleeps; the next request wakes it.
            requests_per_minute: How many requests a minute one replica is to answer.
            in_flight: How many requests one replica is to work on at once.
            sticky: Whether requests with the same header `x-lepton-affinity`, or without one from the same address,
                meet the same replica.
            timeout_s: How long one answer may take.

        Raises:
            NotFound: There is no such model version.
            AlreadyExists: The name is taken.
            InvalidInput: There are not one of model and command, or one breaks its rule.
        """
        spec: dict[str, Any] = {"resource_requirement": {"min_replicas": min_replicas}, "timeout_s": timeout_s}
        if max_replicas is not None:
            spec["resource_requirement"]["max_replicas"] = max_replicas
        rule = {
            "scale_down": {"no_traffic_timeout": idle_timeout_s},
            "target_throughput": {"qpm": requests_per_minute},
            "target_in_flight": in_flight,
        }
        if any(each is not None for each in (idle_timeout_s, requests_per_minute, in_flight)):
            spec["auto_scaler"] = rule
        if sticky:
            spec["load_balance_config"] = {"maglev": {}}
        if model is not None:
            spec["model"] = _model_field(model)
        if command is not None:
            ports = [] if port is None else [{"container_port": port}]
            spec["container"] = {"command": list(command), "ports": ports}
        variables: list[dict[str, Any]] = [{"name": key, "value": value} for key, value in (env or {}).items()]
        variables += [
            {"name": key, "value_from": {"secret_name_ref": secret}} for key, secret in (secrets or {}).items()
        ]
        if variables:
            spec["envs"] = variables
        made = self._connection.create("/deployments", {"metadata": {"id": name, "name": name}, "spec": spec})
        return self._endpoint(parsed(Deployment, made, self._connection.url))

    def _endpoint(self, found: Deployment) -> Endpoint:
        return Endpoint(self._connection, self._connect, found)


def _model_field(reference: str) -> dict[str, Any]:
    parsed = ModelReference.parse(reference)
    if parsed.version is not None:
        return {"name": parsed.name, "version": parsed.version}
    return {"name": parsed.name, "alias": parsed.alias}


def _plain(inputs: Any) -> Any:
    """Rows as JSON can carry them: NumPy arrays go as they are, tensors become arrays first."""
    if isinstance(inputs, list | tuple | np.ndarray):
        return np.ascontiguousarray(inputs) if isinstance(inputs, np.ndarray) else inputs
    array = np.asarray(inputs)
    if array.dtype.kind not in "fiub":
        raise InvalidInput(f"`inputs` must be rows of numbers, got {type(inputs).__name__}")
    return np.ascontiguousarray(array)


def _is_frame(inputs: Any) -> bool:
    return hasattr(inputs, "columns") and (hasattr(inputs, "to_dicts") or hasattr(inputs, "to_json"))


def _by_column(frame: Any) -> list[dict[str, Any]]:
    """The rows of a pandas or polars frame, missing values as None."""
    if hasattr(frame, "to_dicts"):
        rows: list[dict[str, Any]] = frame.to_dicts()
        return rows
    # Of pandas' forms only JSON has missing values as null, whatever the type of the column.
    read: list[dict[str, Any]] = orjson.loads(frame.to_json(orient="records", date_format="iso", double_precision=15))
    return read

"""`Cloud`: the door to a running cloud from Python."""

import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from lepton_ai.core.errors import InvalidInput, Unauthenticated
from lepton_ai.core.settings import load_settings
from lepton_ai.sdk.audit import Audit
from lepton_ai.sdk.buckets import Buckets
from lepton_ai.sdk.connection import Connection
from lepton_ai.sdk.credentials import Address, find_address
from lepton_ai.sdk.datasets import Datasets
from lepton_ai.sdk.endpoints import Endpoint, Endpoints
from lepton_ai.sdk.gc import Leftovers
from lepton_ai.sdk.jobs import Jobs
from lepton_ai.sdk.kv import KeyValues
from lepton_ai.sdk.local import start_server, stop_server
from lepton_ai.sdk.models import Models, ModelVersion
from lepton_ai.sdk.nodes import Nodes
from lepton_ai.sdk.photons import Photons
from lepton_ai.sdk.queues import Queues
from lepton_ai.sdk.runs import Run, Runs
from lepton_ai.sdk.secrets import Secrets
from lepton_ai.sdk.tokens import Tokens
from lepton_ai.sdk.volumes import Volumes
from lepton_ai.sdk.workspaces import Workspaces
from lepton_ai.server.schemas.workspace import ServerStatus, WorkspaceName

if TYPE_CHECKING:
    from lepton_ai.platform.evaluation.card import CardFacts
    from lepton_ai.platform.evaluation.report import Report


class Cloud:
    """A running cloud: its models, endpoints, training runs, jobs, data sets, and who may do what with them.

    `Cloud()` finds the cloud that `lepton` commands speak to: the variables `LEPTON_WORKSPACE_URL` and
    `LEPTON_WORKSPACE_TOKEN`, then what `lepton login` stored, then the one on this machine.

    Args:
        url: The address of a workspace, such as `http://127.0.0.1:8421/api/v2/workspaces/default`.
        token: The token for it.
        data_dir: The data folder of a cloud on this machine, instead of the default one.

    Raises:
        InvalidInput: A setting is wrong.

    Example:

        ```python
        from lepton_ai import Cloud

        cloud = Cloud()
        endpoint = cloud.deploy("digits@champion", name="digits", min_replicas=2)
        endpoint.predict(images).labels
        ```
    """

    def __init__(self, url: str | None = None, token: str | None = None, *, data_dir: str | Path | None = None) -> None:
        flags = {"workspace_url": url, "workspace_token": token, "data_dir": data_dir}
        settings, origins = load_settings(flags)
        self.address: Address = find_address(settings, local_first=origins["data_dir"].kind in ("flag", "env"))
        self._connection = Connection(self.address.url, self.address.token)
        server_url = self.address.url.rpartition("/workspaces/")[0] or self.address.url
        self._server = Connection(server_url, self.address.token)
        self.models = Models(self._connection)
        self.endpoints = Endpoints(self._connection, self._connect)
        self.runs = Runs(self._connection)
        self.nodes = Nodes(self._connection)
        self.jobs = Jobs(self._connection)
        self.datasets = Datasets(settings)
        self.volumes = Volumes(self._connection)
        self.buckets = Buckets(self._connection)
        self.kv = KeyValues(self._connection)
        self.queues = Queues(self._connection)
        self.photons = Photons(self._connection)
        self.leftovers = Leftovers(self._connection)
        self.secrets = Secrets(self._connection, self._server)
        self.tokens = Tokens(self._connection)
        self.workspaces = Workspaces(self._connection, self._server)
        self.audit = Audit(self._connection)

    @classmethod
    @contextmanager
    def local(cls, data_dir: str | Path | None = None) -> "Iterator[Cloud]":
        """A cloud of one's own for the length of a `with` block, on free ports, stopped at its end.

        Args:
            data_dir: Where it keeps everything; by default a temporary folder that goes when the block ends.

        Example:

            ```python
            with Cloud.local() as cloud:
                cloud.models.list()
            ```
        """
        folder = Path(data_dir) if data_dir is not None else Path(tempfile.mkdtemp(prefix="lepton-"))
        settings, _ = load_settings({"data_dir": folder, "port": free_port_pair()})
        try:
            server = start_server(settings)
            try:
                cloud = cls(server.workspace_url, (folder / "admin-token").read_text().strip(), data_dir=folder)
                with closing(cloud):
                    yield cloud
            finally:
                stop_server(settings)
        finally:
            if data_dir is None:
                shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Cloud {self.address.url}>"

    def close(self) -> None:
        """Close the connections. The cloud runs on."""
        self._connection.close()
        self._server.close()

    def ping(self) -> WorkspaceName:
        """Check that the cloud answers and knows the token.

        Raises:
            Unavailable: No cloud answers there.
            Unauthenticated: It does not know the token.
        """
        if not self.address.token:
            Connection(self.address.url.partition("/api/")[0], "", retry_for_s=0).get("/healthz")
            raise Unauthenticated(
                f"there is no token for {self.address.url}", hint="`lepton login` stores one; `lepton up` makes one."
            )
        return self._connection.read(WorkspaceName, "")

    def status(self) -> ServerStatus:
        """How the cloud is: its gateway, its addresses, and how much runs."""
        return self._connection.read(ServerStatus, "/status")

    def train(
        self,
        data: Any,
        target: str,
        name: str,
        *,
        budget: float | str | None = None,
        steps: int | None = None,
        epochs: int | None = None,
        seed: int = 0,
        columns: Mapping[str, Mapping[str, Any]] | None = None,
        progress: Callable[[int], object] = int,
    ) -> Run:
        """Train a model from a table, in the cloud, and register it. Returns at once; `Run.wait` gives the version.

        The run goes on whatever becomes of this process. It survives `kill -9`, and a stop of the cloud, at the cost of
        what it did since its last checkpoint.

        Args:
            data: A file on this machine, which is copied to the cloud; a data set that the cloud has, as `NAME`, or
                `NAME/FILE` where it has several tables; or a pandas or polars frame, an Arrow table, a NumPy array, a
                dict of columns, a list of rows.
            target: The column to predict.
            name: The model to register a version of.
            budget: How long to train: seconds, or text such as "90s", "5m", "1.5h". Or
            steps: how many steps; or
            epochs: how often to pass over the rows.
            seed: Decides which rows test, initial weights and order.
            columns: What you know about columns, fields of `Column` by the column's name: `{"zip": {"kind":
                "category"}, "patient": {"roles": ["group"]}}`.
            progress: Called with the number of bytes sent since the last call.

        Raises:
            NotFound: There is no such file or data set.
            InvalidInput: A name or a number is wrong. What is wrong with the table shows once the run reads it.
        """
        return self.runs.create(
            data,
            target,
            name,
            budget=budget,
            steps=steps,
            epochs=epochs,
            seed=seed,
            columns=columns,
            progress=progress,
        )

    def push(
        self,
        model: Any,
        name: str,
        *,
        message: str = "",
        task: str | None = None,
        labels: Sequence[int | str] | None = None,
        sample: Any = None,
        metrics: Mapping[str, float] | None = None,
        report: "Report | None" = None,
        facts: "CardFacts | None" = None,
        progress: Callable[[int], object] = int,
    ) -> ModelVersion:
        """Register a trained model as a new version. For a `Model`, `model.push(name)` is the same.

        Models of other frameworks are turned into ONNX, compared with themselves on rows, and served as ours are. Their
        rows are numbers. Nothing is pickled.

        Args:
            model: A `Model`; a fitted scikit-learn classifier or regressor, a pipeline too; a torch module; or the path
                of an `.onnx` file.
            name: What to register it under.
            message: Why this version was made.
            task: "classification" or "regression": a torch module needs it; an `.onnx` file classifies by itself where
                its answers are probabilities. A classifier of these two that answers otherwise gets a softmax.
            labels: What its classes are called, in the order of its answers; left out, those that it knows, else 0, 1 …
            sample: Rows to compare ONNX and the model on; a torch module needs some, others are compared on random rows
                where there are none.
            metrics: What was measured, by name; if left out what a `Model`'s last `evaluate` said.
            report: What `evaluate_report` measured; if left out a `Model`'s last `report`.
            facts: What only people know of it, for its card: what it is for, where it fails, the licence of its data.
            progress: Called with the number of bytes sent since the last call.

        Raises:
            InvalidInput: Something given does not fit the model.
            NotSupported: It cannot be served; the message names what was found.
            MissingPackage: What turns it into ONNX is not installed.
            LeptonError: It cannot become ONNX, or does not agree with it to 1e-4.
        """
        from lepton_ai.platform.frameworks.foreign.export import export_foreign, is_foreign

        given = {"labels": labels, "sample": sample, "metrics": metrics, "report": report, "facts": facts}
        with tempfile.TemporaryDirectory(prefix="lepton-push-") as folder:
            target = Path(folder) / "artifact"
            if is_foreign(model):
                artifact = export_foreign(model, target, task=task, **given)
            else:
                artifact = _export_own(model, target, task, **given)
            return self.models.push_folder(artifact, name, message=message, progress=progress)

    def deploy(
        self,
        model: "str | ModelVersion",
        *,
        name: str | None = None,
        min_replicas: int = 1,
        max_replicas: int | None = None,
        idle_timeout_s: int | None = None,
        timeout_s: int = 300,
        wait: bool = True,
        wait_timeout_s: float = 120.0,
        told: Callable[[str], object] = str,
    ) -> Endpoint:
        """Put a model version behind an HTTP endpoint.

        Args:
            model: A version from `push`, or its name: `digits:3`, `digits@champion`, `digits`.
            name: The endpoint's name; by default the model's.
            min_replicas: How many replicas run at least; 0 with a `max_replicas` sleeps until a request comes.
            max_replicas: How many run at most, as its traffic asks for.
            idle_timeout_s: After how long without a request it sleeps; the next request wakes it.
            timeout_s: How long one answer may take.
            wait: Whether to return only when it is ready.
            wait_timeout_s: How long to wait.
            told: Called with each new sentence about where it stands while waiting.

        Raises:
            NotFound: There is no such version.
            AlreadyExists: The name is taken.
            Unavailable, DeadlineExceeded: It does not become ready; it is left as it is, for you to look at.
        """
        reference = str(model)
        endpoint_name = name or reference.partition(":")[0].partition("@")[0]
        endpoint = self.endpoints.create(
            endpoint_name,
            reference,
            min_replicas=min_replicas,
            max_replicas=max_replicas,
            idle_timeout_s=idle_timeout_s,
            timeout_s=timeout_s,
        )
        return endpoint.wait(wait_timeout_s, told=told) if wait and min_replicas else endpoint

    def _connect(self, url: str) -> Connection:
        return Connection(url, self.address.token)


def _export_own(model: Any, folder: Path, task: str | None, **options: Any) -> Path:
    home = sys.modules.get("lepton_ai.platform.frameworks.model")  # loaded, if there is a Model: it takes seconds
    if home is None or not isinstance(model, home.Model):
        raise InvalidInput(
            f"`model` must be a Model, a scikit-learn estimator, a torch module or the path of an .onnx file, "
            f"got {type(model).__name__}",
            hint="A plain Keras net: Model(inputs=net.inputs, outputs=net.outputs).",
        )
    if task is not None and task != model.task:
        raise InvalidInput(f"`task` must fit the model, got task={task!r} for {model.task}", hint="Leave it out.")
    from lepton_ai.platform.frameworks.export import export_artifact

    return export_artifact(model, folder, **options)


def free_port_pair() -> int:
    """A port that is free together with the next one. Somebody may take it before you do: then ask again."""
    for _ in range(100):
        with closing(socket.socket()) as first, closing(socket.socket()) as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            if port >= 65535:
                continue
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise OSError("no two neighbouring ports are free")

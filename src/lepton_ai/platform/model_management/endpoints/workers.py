"""From an endpoint to the process of a replica: our model server for a model, or the user's own command."""

import sys
from pathlib import Path

from lepton_ai.core.database import Database
from lepton_ai.core.errors import InternalError, LeptonError
from lepton_ai.infrastructure.compute.environment import CloudVariables, SecretValue
from lepton_ai.infrastructure.compute.port import WorkerSpec
from lepton_ai.infrastructure.storage.port import ArtifactStore
from lepton_ai.platform.model_management.endpoints.records import Command, Endpoint, Replica
from lepton_ai.platform.model_management.registry.records import ModelReference
from lepton_ai.platform.model_management.registry.service import resolve

KIND = "replica"
SERVED_FILES = ("model.onnx", "signature.json", "preprocessing.json", "decision.json")
"""What a replica gets of a version's files."""

_SAYS = (sys.executable, "-I", "-S", "-c", "import sys; sys.exit(sys.argv[1])")


class Workers:
    """Says how a replica is run.

    Args:
        database: Where versions are looked up.
        artifacts: Where model files come from.
        models_folder: Where a version's files are laid out for its replicas.
        secret_value: What a secret holds.
        cloud: How a user's command finds the cloud.
    """

    def __init__(
        self,
        database: Database,
        artifacts: ArtifactStore,
        models_folder: Path,
        secret_value: SecretValue,
        cloud: CloudVariables,
    ) -> None:
        self._database = database
        self._artifacts = artifacts
        self._models_folder = models_folder
        self._secret_value = secret_value
        self._cloud = cloud

    def of(self, endpoint: Endpoint, replica: Replica) -> WorkerSpec:
        """The worker of a replica. Where a secret is gone or does not open, it is one that says so and ends."""
        command = endpoint.spec.command
        try:
            variables = self._variables(endpoint)
        except LeptonError as error:
            return WorkerSpec(replica.id, KIND, (*_SAYS, error.message), labels={"endpoint": endpoint.name})
        argv = self._model_server(endpoint, replica) if command is None else command.argv
        own = {
            "LEPTON_WORKSPACE_ID": endpoint.workspace_id,
            "LEPTON_DEPLOYMENT_NAME": endpoint.name,
            "LEPTON_REPLICA_ID": replica.id,
        }
        env = variables | own
        if command is not None:
            env = dict(self._cloud(endpoint.workspace_id, replica.id)) | env | _port(command, replica)
        return WorkerSpec(replica.id, KIND, argv, env, {"endpoint": endpoint.name})

    def _variables(self, endpoint: Endpoint) -> dict[str, str]:
        found = {}
        for each in endpoint.spec.variables:
            secret = each.secret
            found[each.name] = (
                self._secret_value(endpoint.workspace_id, secret, endpoint.created_by) if secret else each.value or ""
            )
        return found

    def _model_server(self, endpoint: Endpoint, replica: Replica) -> tuple[str, ...]:
        name, number = endpoint.spec.model_name, endpoint.spec.model_version
        if name is None or number is None:
            raise InternalError(f"endpoint {endpoint.name!r} has neither a model nor a command")
        reference = ModelReference(name, number)
        version = self._database.read(lambda connection: resolve(connection, endpoint.workspace_id, reference))
        folder = self._models_folder / version.id
        files = version.manifest.files
        self._artifacts.materialise({file: files[file].digest for file in SERVED_FILES if file in files}, folder)
        return (
            *(sys.executable, "-m", "lepton_ai.platform.model_management.serving.model_server"),
            *("--artifact", str(folder), "--address", replica.address, "--replica", replica.id),
            *("--model", version.name, "--version", str(version.version)),
        )


def _port(command: Command, replica: Replica) -> dict[str, str]:
    """`PORT`, by which a command learns where to listen."""
    return {} if command.port is None else {"PORT": replica.address.rpartition(":")[2]}

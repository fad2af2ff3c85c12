"""Which gateway runs on this machine: the one that was asked for, or the best that is there."""

import importlib
from pathlib import Path

from lepton_ai.core.errors import InvalidInput, NotSupported
from lepton_ai.infrastructure.network.port import GatewayDriver, GatewayFactory

_DRIVERS = {
    "envoy": "lepton_ai.infrastructure.network.drivers.envoy",
    "python_proxy": "lepton_ai.infrastructure.network.drivers.python_proxy",
}


def choose_driver(name: str, folder: Path, socket_folder: Path) -> tuple[GatewayDriver, str]:
    """Make the driver of the gateway that this machine shall use.

    Args:
        name: `auto` for Envoy where it is installed and our Python proxy elsewhere, or the name of one of them.
        folder: Where its files go.
        socket_folder: A short folder for its sockets.

    Returns:
        The driver, and a sentence that tells why it is this one.

    Raises:
        NotSupported: It cannot run on this machine.
        InvalidInput: There is no gateway of this name.

    Example:

        >>> driver, reason = choose_driver("python_proxy", Path("gateway"), Path("sockets"))
        >>> driver.name, reason
        ('python_proxy', 'the Python proxy, as configured')
    """
    if name == "auto":
        return _choose_best(folder, socket_folder)
    driver = _open(name, folder, socket_folder)
    if reason := driver.unavailable_reason():
        raise NotSupported(
            f"the gateway `{name}` cannot run here: {reason}",
            hint="Install it with `pip install -r requirements-gateway.lock`, or set `gateway` to `auto`.",
        )
    return driver, f"{_title(name)}, as configured"


def _choose_best(folder: Path, socket_folder: Path) -> tuple[GatewayDriver, str]:
    envoy = _open("envoy", folder, socket_folder)
    reason = envoy.unavailable_reason()
    if reason is None:
        return envoy, "Envoy, which is installed here"
    return _open("python_proxy", folder, socket_folder), f"the Python proxy, because {reason}"


def _open(name: str, folder: Path, socket_folder: Path) -> GatewayDriver:
    if name not in _DRIVERS:
        raise InvalidInput(f"`gateway` must be auto, {' or '.join(_DRIVERS)}, got {name!r}")
    open_driver: GatewayFactory = importlib.import_module(_DRIVERS[name]).open_driver
    return open_driver(folder, socket_folder)


def _title(name: str) -> str:
    return {"envoy": "Envoy", "python_proxy": "the Python proxy"}[name]

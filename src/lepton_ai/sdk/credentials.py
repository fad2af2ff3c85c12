"""Where `lepton login` keeps addresses and tokens: one file that only its owner can read."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lepton_ai.core.errors import InvalidInput
from lepton_ai.core.files import write_atomically
from lepton_ai.core.settings import Settings, config_folder


@dataclass(frozen=True)
class Address:
    """How to reach a workspace.

    Args:
        workspace_id: Its name.
        url: Its address, such as `http://127.0.0.1:8421/api/v2/workspaces/default`.
        token: The token for it.
        source: Where this was found, for people.
    """

    workspace_id: str
    url: str
    token: str
    source: str


def find_address(
    settings: Settings, *, local_first: bool = False, environment: Mapping[str, str] | None = None
) -> Address:
    """Find the cloud that commands and `Cloud()` speak to.

    First the variables `LEPTON_WORKSPACE_URL` and `LEPTON_WORKSPACE_TOKEN`, then what `lepton login` stored, then the
    cloud of the data folder on this machine.

    Args:
        settings: The settings.
        local_first: Pass over the stored login: somebody named a data folder.
        environment: The process environment, or a test's own.

    Raises:
        InvalidInput: There is a URL without a token.
    """
    environment = os.environ if environment is None else environment
    if settings.workspace_url:
        workspace_id, _, given = settings.workspace_id.partition(":")  # `default:TOKEN` is how the client writes it
        token = settings.workspace_token or given
        if not token:
            raise InvalidInput("LEPTON_WORKSPACE_URL is set, but no token", hint="Set LEPTON_WORKSPACE_TOKEN too.")
        return Address(workspace_id, settings.workspace_url, token, "LEPTON_WORKSPACE_URL")
    if not local_first and (stored := load(environment)):
        return stored
    return _local(settings)


def load(environment: Mapping[str, str]) -> Address | None:
    """The stored login, or None."""
    path = _path(environment)
    try:
        written = json.loads(path.read_text())
        return Address(written["workspace_id"], written["url"], written["token"], f"lepton login ({path})")
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InvalidInput(
            f"the stored login {path} cannot be read: {error}", hint="Log in again: lepton login"
        ) from error


def store(address: Address, environment: Mapping[str, str]) -> Path:
    """Keep a login; returns where."""
    path = _path(environment)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    written = {"workspace_id": address.workspace_id, "url": address.url, "token": address.token}
    write_atomically(path, json.dumps(written, indent=2).encode(), mode=0o600)
    return path


def forget(environment: Mapping[str, str]) -> bool:
    """Forget the stored login; returns whether there was one."""
    path = _path(environment)
    there = path.exists()
    path.unlink(missing_ok=True)
    return there


def _local(settings: Settings) -> Address:
    """The cloud of the data folder: its token lies there, and its record says where it listens."""
    record = settings.data_dir / "run" / "server.json"
    try:
        url = json.loads(record.read_text())["workspace_url"]
    except (OSError, ValueError, KeyError):
        url = f"http://{settings.host}:{settings.port}/api/v2/workspaces/default"
    try:
        token = settings.workspace_token or (settings.data_dir / "admin-token").read_text().strip()
    except OSError:
        token = ""
    return Address("default", url, token, f"the data folder {settings.data_dir}")


def _path(environment: Mapping[str, str]) -> Path:
    return config_folder(environment) / "login.json"

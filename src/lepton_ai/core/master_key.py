"""The master key of an installation: a file of its own, apart from the database, from which other keys are made."""

import secrets
from pathlib import Path

from lepton_ai.core.errors import PermissionDenied
from lepton_ai.core.files import write_atomically

_BYTES = 32


def master_key(path: Path) -> bytes:
    """The key in the file, made at the first start.

    Raises:
        PermissionDenied: Others may read the file.
    """
    if not path.exists():
        write_atomically(path, secrets.token_hex(_BYTES).encode(), mode=0o600)
    if path.stat().st_mode & 0o077:
        raise PermissionDenied(f"{path} can be read by others than its owner", hint=f"chmod 600 {path}")
    return path.read_bytes().strip()

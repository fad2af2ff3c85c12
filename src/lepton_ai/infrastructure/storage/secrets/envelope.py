"""The envelope: values are sealed by their workspace's data key, and that key by the master key, with AES-256-GCM.

What a seal belongs to goes into it as associated data, so that a row copied elsewhere in the database does not open.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lepton_ai.core.errors import LeptonError
from lepton_ai.core.master_key import KEY_BYTES, MasterKey

_NONCE_BYTES = 12


class SecretUnreadable(LeptonError):
    """What is kept does not open: another master key sealed it, or somebody changed it."""

    code = "secret_unreadable"


def new_data_key() -> bytes:
    """A fresh data key."""
    return secrets.token_bytes(KEY_BYTES)


def wrap(master: MasterKey, workspace_id: str, data_key: bytes) -> bytes:
    """Seal a workspace's data key."""
    return _seal(master.key, data_key, f"data-key\0{workspace_id}\0{master.id}")


def unwrap(master: MasterKey, workspace_id: str, wrapped: bytes) -> bytes:
    """Open a workspace's data key.

    Raises:
        SecretUnreadable: It is not what `wrap` made with this key for this workspace.
    """
    return _open(master.key, wrapped, f"data-key\0{workspace_id}\0{master.id}", "data key")


def seal(data_key: bytes, workspace_id: str, name: str, secret_id: str, value: str) -> bytes:
    """Seal a value.

    Example:

        >>> key = new_data_key()
        >>> sealed = seal(key, "default", "TOKEN", "sec-1", "hush")
        >>> unseal(key, "default", "TOKEN", "sec-1", sealed), b"hush" in sealed
        ('hush', False)
    """
    return _seal(data_key, value.encode(), f"secret\0{workspace_id}\0{name}\0{secret_id}")


def unseal(data_key: bytes, workspace_id: str, name: str, secret_id: str, sealed: bytes) -> str:
    """Open a value.

    Raises:
        SecretUnreadable: It is not what `seal` made with this key for this secret.
    """
    return _open(data_key, sealed, f"secret\0{workspace_id}\0{name}\0{secret_id}", f"secret {name!r}").decode()


def _seal(key: bytes, data: bytes, belongs_to: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, data, belongs_to.encode())


def _open(key: bytes, sealed: bytes, belongs_to: str, what: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], belongs_to.encode())
    except (InvalidTag, ValueError):
        # From nothing: what the library holds has no place in a log.
        raise SecretUnreadable(
            f"the {what} cannot be opened: it was sealed by another key, or changed",
            hint="Is <data-dir>/master-key the file that belongs to this database?",
        ) from None

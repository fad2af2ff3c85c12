"""The master key: 32 random bytes in a file of its own, which seal the keys that seal what is secret.

The file has one line for each key, `<id> <key in base64>`, the one in use first. Two lines stand there only while a
rotation is under way: whatever a crash leaves behind, one of the two opens it.
"""

import base64
import hashlib
import hmac
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from lepton_ai.core.errors import InvalidInput, PermissionDenied
from lepton_ai.core.files import write_atomically

KEY_BYTES = 32


@dataclass(frozen=True, repr=False)
class MasterKey:
    """One key. It is never printed.

    Args:
        id: Derived from the key: a damaged file is told by it.
    """

    id: str
    key: bytes

    def __repr__(self) -> str:
        return f"<MasterKey {self.id}>"


class MasterKeyFile:
    """The keys of one data folder.

    Args:
        path: The file; made at the first look, readable by its owner alone.

    Example:

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = MasterKeyFile(Path(folder) / "master-key")
        ...     before, after = file.current, file.begin_rotation()
        ...     both = len(file.all())
        ...     file.finish_rotation()
        ...     (before != after, both, file.all() == (after,))
        (True, 2, True)
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: tuple[MasterKey, ...] = ()

    @property
    def current(self) -> MasterKey:
        """The key in use."""
        return self.all()[0]

    def all(self) -> tuple[MasterKey, ...]:
        """All keys, the one in use first.

        Raises:
            PermissionDenied: Others may read the file.
            InvalidInput: The file is damaged.
        """
        if not self._keys:
            if not self._path.exists():
                self._write((_new_key(),))
            self._keys = self._read()
        return self._keys

    def derive(self, purpose: str) -> bytes:
        """A key for something else, such as signing addresses: nobody finds one from another. It changes at a rotation.

        Args:
            purpose: What it is for; another purpose gives another key.
        """
        return hmac.digest(self.current.key, purpose.encode(), "sha256")

    def begin_rotation(self) -> MasterKey:
        """Put a fresh key before those there are, and return it. Goes on with a rotation that was broken off."""
        if len(self.all()) == 1:
            self._write((_new_key(), *self.all()))
        return self.current

    def finish_rotation(self) -> None:
        """Forget all keys but the one in use. Nothing may be sealed by them any more."""
        if len(self.all()) > 1:
            self._write(self.all()[:1])

    def _write(self, keys: tuple[MasterKey, ...]) -> None:
        lines = [f"{key.id} {base64.b64encode(key.key).decode()}\n" for key in keys]
        write_atomically(self._path, "".join(lines).encode(), mode=0o600)
        self._keys = keys

    def _read(self) -> tuple[MasterKey, ...]:
        if self._path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise PermissionDenied(f"the master key {self._path} may be read by others", hint=f"chmod 600 {self._path}")
        keys: list[MasterKey] = []
        for line in self._path.read_text(encoding="ascii", errors="replace").splitlines():
            key_id, _, written = line.partition(" ")
            try:
                key = base64.b64decode(written, validate=True)
            except ValueError:
                key = b""
            if len(key) != KEY_BYTES or key_id != _id_of(key):
                keys.clear()
                break
            keys.append(MasterKey(key_id, key))
        if not keys:
            raise InvalidInput(
                f"the master key {self._path} is damaged",
                hint="Put the copy of your backup there: without it no secret can be read.",
            )
        return tuple(keys)


def _new_key() -> MasterKey:
    key = secrets.token_bytes(KEY_BYTES)
    return MasterKey(_id_of(key), key)


def _id_of(key: bytes) -> str:
    return hashlib.sha256(b"lepton master key\0" + key).hexdigest()[:16]

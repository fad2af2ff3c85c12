"""Looks into a photon's archive, in a process of its own with limits; prints what it found as JSON.

Started as `python -I -S inspector.py FILE`, so it uses nothing but the standard library. It reads every byte of every
file in the archive, writes none, and unpickles nothing: `obj.pkl` is bytes. It may use little memory and processor
time and may write no file at all; what it does not survive is refused.
"""

import json
import resource
import stat
import sys
import zipfile
import zlib
from typing import Any, NoReturn

LARGEST_ENTRIES = 10_000
LARGEST_TOTAL_BYTES = 1 << 30
LARGEST_METADATA_BYTES = 2 << 20
LARGEST_RATIO = 200
"""How many times larger than the archive its files may be: what people pack does not reach a fifth of that."""
DEEPEST_METADATA = 32
LONGEST_NAME_BYTES = 1024

_MEMORY_BYTES = 256 << 20
_CPU_S = 10
_CHUNK_BYTES = 1 << 16
_METADATA = "metadata.json"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class _Refused(Exception):
    pass


def main(path: str) -> int:
    """Inspect one archive and print `{"metadata"}` or `{"refused"}`."""
    _limit()
    try:
        found = _inspect(path)
    except _Refused as error:
        found = {"refused": str(error)}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        found = {"refused": f"the archive is damaged: {type(error).__name__}: {error}"[:500]}
    except (MemoryError, RecursionError):
        found = {"refused": "the archive takes more memory than is allowed"}
    sys.stdout.write(json.dumps(found))
    return 0


def _limit() -> None:
    for kind, most in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_CPU, _CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def _inspect(path: str) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        size = archive.fp.seek(0, 2) if archive.fp else 0
        _check_entries(entries, size)
        metadata = None
        total = 0
        for entry in entries:
            kept = bytearray() if entry.filename == _METADATA else None
            with archive.open(entry) as file:
                while chunk := file.read(_CHUNK_BYTES):
                    total += len(chunk)
                    if total > LARGEST_TOTAL_BYTES:  # whatever the archive said of its sizes
                        _refuse(f"its files have more than {LARGEST_TOTAL_BYTES} bytes together")
                    if kept is not None:
                        kept += chunk
                        if len(kept) > LARGEST_METADATA_BYTES:
                            _refuse(f"{_METADATA} has more than {LARGEST_METADATA_BYTES} bytes")
            metadata = kept if kept is not None else metadata
    if metadata is None:
        _refuse(f"it holds no {_METADATA}")
    return {"metadata": _metadata(bytes(metadata))}


def _check_entries(entries: list[zipfile.ZipInfo], size: int) -> None:
    if not 0 < len(entries) <= LARGEST_ENTRIES:
        _refuse(f"it must hold 1 to {LARGEST_ENTRIES} files, got {len(entries)}")
    files: set[str] = set()
    folders: set[str] = set()
    for entry in entries:
        _check_entry(entry)
        # Some disks take names that differ in case alone for one.
        folded = entry.filename.rstrip("/").casefold()
        if folded in files or folded in folders:
            _refuse(f"two of its files are called {_shown(entry.filename)}")
        (folders if entry.is_dir() else files).add(folded)
    for entry in entries:
        above = entry.filename.rstrip("/").casefold()
        while "/" in above:
            above = above.rpartition("/")[0]
            if above in files:
                _refuse(f"{_shown(entry.filename)} lies below something that is a file")
    total = sum(entry.file_size for entry in entries)
    if total > LARGEST_TOTAL_BYTES:
        _refuse(f"its files have more than {LARGEST_TOTAL_BYTES} bytes together, got {total}")
    if total > LARGEST_RATIO * max(size, 4096):
        _refuse(f"its files are more than {LARGEST_RATIO} times as large as itself")
    if sum(entry.compress_size for entry in entries) > size:
        _refuse("its files overlap")


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    shown = _shown(name)
    # `orig_filename` still has what the library cut off at a NUL.
    if not name.isprintable() or "\\" in name or entry.orig_filename != name:
        _refuse(f"a file's name has characters that it may not have: {shown}")
    parts = name.removesuffix("/").split("/")
    if any(part in ("", ".", "..") for part in parts) or ":" in parts[0] or len(name.encode()) > LONGEST_NAME_BYTES:
        _refuse(f"a file's name must be a plain path below the archive's root, got {shown}")
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        _refuse(f"it may hold files and folders only, {shown} is a link or a device")
    if mode & (stat.S_ISUID | stat.S_ISGID):
        _refuse(f"{shown} asks to run as somebody else")
    if entry.flag_bits & 0x1:
        _refuse(f"{shown} is encrypted")
    if entry.compress_type not in _METHODS:
        _refuse(f"{shown} is compressed by a method other than deflate")


def _metadata(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        _refuse(f"{_METADATA} is no JSON: {error}"[:300])
    if not isinstance(found, dict):
        _refuse(f"{_METADATA} must be a JSON object")
    _check_value(found, DEEPEST_METADATA)
    return found


def _check_value(value: Any, depth: int) -> None:
    """Refuse what cannot be written down and given back."""
    if depth == 0:
        _refuse(f"{_METADATA} is nested more than {DEEPEST_METADATA} deep")
    if isinstance(value, dict):
        for key, item in value.items():
            _check_value(key, depth - 1)
            _check_value(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check_value(item, depth - 1)
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            _refuse(f"{_METADATA} holds a text that is no valid Unicode")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        _refuse(f"{_METADATA} holds a number that does not fit into 64 bits")
    elif isinstance(value, float) and value in (float("inf"), float("-inf")):
        _refuse(f"{_METADATA} holds a number that is not finite")


def _refuse_constant(name: str) -> NoReturn:
    _refuse(f"{_METADATA} holds {name}, which is no JSON")


def _refuse(why: str) -> NoReturn:
    raise _Refused(why)


def _shown(name: str) -> str:
    return ascii(name[:80])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

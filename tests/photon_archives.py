"""Photons to test with: good ones, and archives that somebody made to do harm."""

import io
import json
import pickle  # noqa: TID251 - to see that nobody reads what is made here
import stat
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

METADATA = {
    "name": "counter",
    "model": "py:counter.py:Counter",
    "type": "python",
    "image": "default-image",
    "requirement_dependency": ["numpy"],
    "cmd": None,
    "openapi_schema": {"/": {"paths": {}}},
    "deployment_template": {"resource_shape": None, "env": {}, "secret": []},
    "py_obj": {"name": "Counter", "obj_pkl_file": "obj.pkl"},
}


class _Trap:
    """Unpickled, it leaves a file behind."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, ("/tmp/lepton-photon-was-unpickled", "w"))


TRAP = pickle.dumps(_Trap())
TRAPPED = "/tmp/lepton-photon-was-unpickled"


def archive(files: Mapping[str, bytes] | None = None, metadata: Any = None, **changed: Any) -> bytes:
    """A photon's archive, with more files or other metadata."""
    said = METADATA | changed if metadata is None else metadata
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as made:
        held_files = {"metadata.json": said if isinstance(said, bytes | str) else json.dumps(said), "obj.pkl": TRAP}
        for name, data in (held_files | {"py.py": b"class Counter: pass\n"} | dict(files or {})).items():
            entry = zipfile.ZipInfo("named-below")  # with the same old date each time: the same bytes
            entry.filename = name
            entry.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(entry, data)
    return held.getvalue()


def with_mode(mode: int, name: str = "odd", data: bytes = b"/etc/passwd") -> bytes:
    """An archive with an entry of another kind than a file."""
    held = io.BytesIO(archive())
    with zipfile.ZipFile(held, "a") as made:
        entry = zipfile.ZipInfo(name)
        entry.create_system = 3
        entry.external_attr = mode << 16
        made.writestr(entry, data)
    return held.getvalue()


def patched(data: bytes, old: bytes, new: bytes) -> bytes:
    """An archive with some bytes replaced by others of the same number, wherever they stand."""
    assert len(old) == len(new)
    assert old in data
    return data.replace(old, new)


def with_sizes(data: bytes, field: int, value: int) -> bytes:
    """An archive whose central directory lies about its first entry."""
    at = data.index(b"PK\x01\x02")
    return data[: at + field] + struct.pack("<I", value) + data[at + field + 4 :]


def duplicated() -> bytes:
    """An archive with two files of one name."""
    held = io.BytesIO(archive({"a.txt": b"1", "b.txt": b"2"}))
    return held.getvalue().replace(b"b.txt", b"a.txt")


def overlapping() -> bytes:
    """An archive whose entries all point at the same bytes: small on disk, large when it is unpacked."""
    base = archive({"big": b"\x00" * 2_000_000})
    at = base.index(b"PK\x01\x02")
    end = base.index(b"PK\x05\x06")
    directory, tail = base[at:end], base[end:]
    entries, offset = [], 0
    while offset < len(directory):
        name, extra, comment = struct.unpack("<HHH", directory[offset + 28 : offset + 34])
        size = 46 + name + extra + comment
        entries.append(directory[offset : offset + size])
        offset += size
    last = entries[-1]
    more = [last.replace(b"big", b"%03d" % number) for number in range(500)]
    written = b"".join([*entries, *more])
    count = len(entries) + len(more)
    tail = tail[:8] + struct.pack("<HHII", count, count, len(written), at) + tail[20:]
    return base[:at] + written + tail


TRAVERSALS = (
    *(
        "../evil",
        "../../evil",
        "a/../../evil",
        "/evil",
        "/tmp/evil",
        "//evil",
        "./evil",
        "a/./evil",
        "a//evil",
        "..",
        ".",
    ),
    *(
        "..\\evil",
        "a\\evil",
        "C:/evil",
        "C:\\evil",
        "\\\\server\\evil",
        "evil\x01",
        "evil\n",
        "a/..",
        "\u202eevil",
        "\x7f",
    ),
)


def crafted() -> dict[str, bytes]:
    """Archives that somebody made to do harm, each with what it tries; none of them may be kept."""
    found = {f"traversal {name!a}": archive({name: b"evil"}) for name in TRAVERSALS}
    found |= {
        "symbolic link": with_mode(stat.S_IFLNK | 0o777),
        "character device": with_mode(stat.S_IFCHR | 0o666),
        "block device": with_mode(stat.S_IFBLK | 0o666),
        "pipe": with_mode(stat.S_IFIFO | 0o666),
        "socket": with_mode(stat.S_IFSOCK | 0o666),
        "setuid": with_mode(stat.S_IFREG | stat.S_ISUID | 0o755),
        "setgid": with_mode(stat.S_IFREG | stat.S_ISGID | 0o755),
        "two of one name": duplicated(),
        "names that differ in case": archive({"A.txt": b"1", "a.txt": b"2"}),
        "metadata twice": archive({"METADATA.json": b"{}"}),
        "file below a file": archive({"a": b"1", "a/b": b"2"}),
        "folder and file of one name": archive({"a/": b"", "a": b"2"}),
        "many entries": archive({f"f{number}": b"" for number in range(10_001)}),
        "thousand to one": archive({"bomb": b"\x00" * (64 << 20)}),
        "overlapping": overlapping(),
        "encrypted": patched_flag(archive(), 0x1),
        "unknown method": with_method(archive(), 12),
        "large metadata": archive(metadata=b'{"name": "' + b"a" * (3 << 20) + b'"}'),
        "deep metadata": archive(metadata=b"[" * 100_000 + b"]" * 100_000),
        "deep metadata object": archive(metadata=b'{"a":' * 100 + b"1" + b"}" * 100),
        "metadata no object": archive(metadata=b"[]"),
        "metadata no JSON": archive(metadata=b"{nope"),
        "metadata with NaN": archive(metadata=b'{"name": "a", "model": "b", "x": NaN}'),
        "metadata with infinity": archive(metadata=b'{"name": "a", "model": "b", "x": 1e999}'),
        "metadata with a huge number": archive(metadata=b'{"name": "a", "model": "b", "x": 1' + b"0" * 4000 + b"}"),
        "metadata with half a letter": archive(metadata=b'{"name": "a", "model": "b", "x": "\\ud800"}'),
        "metadata not UTF-8": archive(metadata=b'{"name": "\xff"}'),
        "lying about sizes": with_sizes(archive(), 24, 0xFFFFFFF0),
        "lying about packed sizes": with_sizes(archive(), 20, 0xFFFFFFF0),
        "lying small": with_sizes(archive(), 24, 1),
        "lying about its place": with_sizes(archive(), 42, 0x7FFFFFFF),
        "no metadata": _without_metadata(),
        "empty archive": b"PK\x05\x06" + b"\x00" * 18,
        "no archive": b"PK" + b"\x00" * 1000,
        "text": b"hello",
        "a pickle": TRAP,
        "cut off": archive()[:-30],
        "name of another kind": archive(name=7),
        "name missing": archive(metadata={"model": "x"}),
        "name with capitals": archive(name="Counter"),
        "name too long": archive(name="a" * 33),
        "name that climbs": archive(name="../counter"),
        "model missing": archive(metadata={"name": "counter"}),
        "image of another kind": archive(image=[1]),
        "needs of another kind": archive(requirement_dependency="numpy"),
        "needs with numbers": archive(requirement_dependency=[1]),
        "command of another kind": archive(cmd="ls"),
        "schema of another kind": archive(openapi_schema=[]),
        "template of another kind": archive(deployment_template="x"),
    }
    return found


def patched_flag(data: bytes, flag: int) -> bytes:
    """An archive whose first entry has a flag set, in both places."""
    changed = bytearray(data)
    changed[data.index(b"PK\x03\x04") + 6] |= flag
    changed[data.index(b"PK\x01\x02") + 8] |= flag
    return bytes(changed)


def with_method(data: bytes, method: int) -> bytes:
    """An archive whose first entry says another method of compression."""
    changed = bytearray(data)
    changed[data.index(b"PK\x03\x04") + 8] = method
    changed[data.index(b"PK\x01\x02") + 10] = method
    return bytes(changed)


def _without_metadata() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as made:
        made.writestr("obj.pkl", TRAP)
    return held.getvalue()

"""What a worker printed: a file that never grows beyond its cap, and beside it an index of when each part came.

The supervisor writes it and the server reads it. The supervisor starts without any package, so this file uses nothing
but the standard library.

`NAME.log` holds the bytes as they came, `NAME.log.times` pairs of an offset and the time of the bytes from there on.
At half the cap both are renamed to `NAME.log.1` and `NAME.log.1.times`, which replaces the older half: the newest
bytes are kept.
"""

import os
import struct
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CAP_BYTES = 64 << 20
"""How much of what one worker printed is kept."""

_PAIR = struct.Struct("<QQ")
_FINEST_NS = 1_000_000
_CHUNK_BYTES = 1 << 16
_LONGEST_LINE_BYTES = 1 << 20


class WorkerLog:
    """Writes what a worker prints. A disk that is full loses output and stops nobody.

    Args:
        path: The file; what is there is continued.
        cap_bytes: How much is kept.
    """

    def __init__(self, path: Path, cap_bytes: int = CAP_BYTES) -> None:
        self._path = path
        self._half_bytes = max(1, cap_bytes // 2)
        self._last_ns = 0
        self._text = self._times = -1
        self._size = 0
        self._open()

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        now_ns = max(time.time_ns(), self._last_ns)  # a clock that is turned back must not disorder the index
        try:
            if self._size + len(chunk) > self._half_bytes:
                # The line at hand stays whole, unless it is longer than any line should be.
                head, end, tail = chunk.partition(b"\n")
                if end or self._size > self._half_bytes + _LONGEST_LINE_BYTES:
                    self._append(head + end, now_ns)
                    self._rotate()
                    chunk = tail
            if chunk:
                self._append(chunk, now_ns)
        except OSError:
            self._size = os.fstat(self._text).st_size  # the disk is full: this part is lost, the worker goes on

    def close(self) -> None:
        """Close the files."""
        os.close(self._text)
        os.close(self._times)

    def _append(self, chunk: bytes, now_ns: int) -> None:
        if now_ns - self._last_ns >= _FINEST_NS or self._size == 0:
            os.write(self._times, _PAIR.pack(self._size, now_ns))
            self._last_ns = now_ns
        rest = memoryview(chunk)
        while rest:
            written = os.write(self._text, rest)
            self._size += written
            rest = rest[written:]

    def _rotate(self) -> None:
        self.close()
        older = _older(self._path)
        os.replace(_times_of(self._path), _times_of(older))
        os.replace(self._path, older)
        self._open()

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._text = os.open(self._path, flags, 0o600)
        self._times = os.open(_times_of(self._path), flags, 0o600)
        self._size = os.fstat(self._text).st_size


@dataclass(frozen=True)
class LogLine:
    """One line of a log, without its end, and when it came in nanoseconds since 1970."""

    at_ns: int
    text: bytes


def read_lines(path: Path, start_ns: int, end_ns: int) -> Iterator[LogLine]:
    """The lines of a log that came from `start_ns` on and before `end_ns`, oldest first.

    A line's time grows strictly within a file: lines that came together are a nanosecond apart.
    """
    for part in parts_of(path):
        yield from _lines_of_part(part, start_ns, end_ns)


def parts_of(path: Path) -> tuple[Path, ...]:
    """The files that hold a log, oldest first."""
    return tuple(part for part in (_older(path), path) if part.exists())


def remove_log(path: Path) -> None:
    """Remove a log with all that belongs to it."""
    for part in (_older(path), path):
        part.unlink(missing_ok=True)
        _times_of(part).unlink(missing_ok=True)


def _lines_of_part(part: Path, start_ns: int, end_ns: int) -> Iterator[LogLine]:
    offsets, times = _read_times(part)
    # The first line of interest may stand in the middle of what came together, so begin where that began.
    first = max(0, bisect_left(times, start_ns) - 1)
    if times[first] >= end_ns:
        return
    with open(part, "rb") as file:
        position = offsets[first]
        if position:
            file.seek(position - 1)
            position += len(file.readline()) - 1  # the end of a line that came before
        block, count = -1, 0
        while line := file.readline():
            here = bisect_right(offsets, position, lo=max(block, 0)) - 1
            block, count = here, (count + 1 if here == block else 0)
            at_ns = times[block] + count
            if at_ns >= end_ns:
                return
            if at_ns >= start_ns:
                yield LogLine(at_ns, line.rstrip(b"\n"))
            position += len(line)


def _read_times(part: Path) -> tuple[list[int], list[int]]:
    """Offsets and times; for a file without an index all of it at the time of its last change."""
    try:
        data = _times_of(part).read_bytes()
    except FileNotFoundError:
        data = b""
    pairs = list(_PAIR.iter_unpack(data[: len(data) // _PAIR.size * _PAIR.size]))
    if not pairs:
        return [0], [part.stat().st_mtime_ns]
    return [offset for offset, _ in pairs], [at_ns for _, at_ns in pairs]


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def _times_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.times")

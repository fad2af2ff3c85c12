"""Looking through what several workers printed, by time."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from pathlib import Path

from lepton_ai.infrastructure.compute.worker_log import read_lines

LONGEST_LINE_BYTES = 16 << 10
"""A longer line is shown by its beginning."""


@dataclass(frozen=True)
class FoundLine:
    """One line that was found: when it came, of which worker, and what it says."""

    at_ns: int
    worker_id: str
    text: str


def search_logs(
    logs: Mapping[str, Path], start_ns: int, end_ns: int, *, limit: int, newest: bool, containing: str = ""
) -> list[FoundLine]:
    """The lines of several workers from `start_ns` on and before `end_ns`.

    Args:
        logs: The log of each worker, by its id.
        limit: How many lines at most.
        newest: Whether the newest lines are wanted, newest first; else the oldest, oldest first.
        containing: A text that each line must hold.
    """
    lines = merge(
        *(_lines(worker_id, path, start_ns, end_ns, containing) for worker_id, path in logs.items()),
        key=lambda line: line.at_ns,
    )
    if newest:
        return list(deque(lines, maxlen=limit))[::-1]
    return list(islice(lines, limit))


def _lines(worker_id: str, path: Path, start_ns: int, end_ns: int, containing: str) -> Iterator[FoundLine]:
    for line in read_lines(path, start_ns, end_ns):
        text = line.text[:LONGEST_LINE_BYTES].decode("utf-8", "replace")
        if containing in text:
            yield FoundLine(line.at_ns, worker_id, text)

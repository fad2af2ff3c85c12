"""What processes use, as the system counts it: one look at all of them."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Consumption:
    """What a worker's processes use.

    Args:
        cpu_s: Time on a core, of those that ended included.
        memory_bytes: Memory that they hold now.
    """

    cpu_s: float = 0.0
    memory_bytes: int = 0


def consumption_of(pids: Collection[int], proc: Path = _PROC) -> Mapping[int, Consumption]:
    """What each worker uses, with all that it started.

    Args:
        pids: The workers' first processes. A process belongs to one by its session, its group or its parents.
        proc: Where the system lists processes. Where there is no such folder (macOS), nothing is known.
    """
    tick_s, page_bytes = 1 / os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    listed = _listed(proc) if pids else {}
    wanted = frozenset(pids)
    found = dict.fromkeys(wanted, Consumption())
    for pid, fields in listed.items():
        owner = _owner(pid, fields, listed, wanted)
        if owner is not None:
            # Of a child that ended and was waited for, the parent holds the time.
            cpu_s = sum(int(ticks) for ticks in fields[11:15]) * tick_s
            before = found[owner]
            found[owner] = Consumption(before.cpu_s + cpu_s, before.memory_bytes + int(fields[21]) * page_bytes)
    return found


def _listed(proc: Path) -> dict[int, list[str]]:
    """The fields of each process's `stat`, from its state on."""
    listed = {}
    for folder in proc.glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text(errors="replace")
        except OSError:
            continue  # it ended meanwhile
        listed[int(folder.name)] = text.rpartition(")")[2].split()
    return listed


def _owner(pid: int, fields: list[str], listed: Mapping[int, list[str]], wanted: frozenset[int]) -> int | None:
    for candidate in (pid, int(fields[3]), int(fields[2])):
        if candidate in wanted:
            return candidate
    parent, steps = int(fields[1]), 0
    while parent in listed and steps < 64:
        if parent in wanted:
            return parent
        parent, steps = int(listed[parent][1]), steps + 1
    return None

"""Who descends from a process. Nothing but the standard library: the supervisor starts without any package."""

from pathlib import Path


def descendants_of(pid: int) -> list[int]:
    """All processes that descend from one and that have not ended, children before their own. Linux; else none."""
    found: list[int] = []
    ahead = [pid]
    while ahead:
        children = _children_of(ahead.pop())
        found += children
        ahead += children
    return found


def marked(variable: str) -> list[int]:
    """All processes whose environment was given a variable, as `NAME=value`. Linux; else none."""
    wanted = variable.encode()
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in environment.read_bytes().split(b"\0"):
                found.append(int(environment.parent.name))
        except OSError:  # gone, or somebody else's
            continue
    return found


def _children_of(pid: int) -> list[int]:
    children = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += [int(child) for child in listed.read_text().split()]
        except OSError:  # gone meanwhile
            continue
    return children

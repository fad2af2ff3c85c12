"""Limits on a worker by control groups of Linux, version 1 or 2, where this user may make some.

Nothing but the standard library: the supervisor starts without any package. Groups are made below the one that the
server is in, so that whatever bounds the server bounds its workers too.
"""

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

CONTROLLERS = ("memory", "pids", "cpu")
_PREFIX = "lepton-"
_SHARES = 1024
_WEIGHT = 100
_ROOT = Path("/")


def controllers(root: Path = _ROOT) -> dict[str, Path]:
    """The group of this process for each controller below which groups can be made; empty where there is none.

    Args:
        root: Where `proc` and `sys` are.
    """
    try:
        listed = (root / "proc/self/cgroup").read_text().splitlines()
        mounts = (root / "proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return {}
    found: dict[str, Path] = {}
    for mount in mounts:
        before, _, after = mount.partition(" - ")
        kind, _, options = after.split(" ")[:3]
        mounted_at = root / before.split(" ")[4].lstrip("/")
        for line in listed:
            _, names, path = line.split(":", 2)
            if kind == "cgroup2" and not names:
                group = _existing(mounted_at, path)
                found |= dict.fromkeys(_given_on(group), group)
            elif kind == "cgroup" and names and set(names.split(",")) <= set(options.split(",")):
                found |= {name: _existing(mounted_at, path) for name in names.split(",") if name in CONTROLLERS}
    return {name: group for name, group in found.items() if os.access(group, os.W_OK)}


class WorkerGroup:
    """The control groups of one worker.

    Args:
        name: The worker's id.
        limits: `memory_bytes`, `processes` and `cpus`, each None for no limit.
        available: The groups below which to make it; see `controllers`.
    """

    def __init__(self, name: str, limits: Mapping[str, float | None], available: Mapping[str, Path]) -> None:
        wanted = {"memory": limits.get("memory_bytes"), "pids": limits.get("processes"), "cpu": limits.get("cpus")}
        self.folders: list[str] = []
        for controller, limit in wanted.items():
            if limit is None or controller not in available:
                continue
            folder = available[controller] / f"{_PREFIX}{re.sub(r'[^A-Za-z0-9._-]', '_', name)}"
            with contextlib.suppress(OSError):  # a limit that cannot be set is none; `controllers` said so before
                folder.mkdir(exist_ok=True)
                self.folders.append(str(folder))
                _LIMITS[controller](folder, limit)
        self.folders = sorted(set(self.folders))

    def join(self) -> None:
        """Put the calling process into the groups; what it starts is in them too."""
        for folder in self.folders:
            with contextlib.suppress(OSError):
                (Path(folder) / "cgroup.procs").write_text("0")

    def out_of_memory_kills(self) -> int:
        """How many of its processes were killed because they took more memory than they may."""
        kills = 0
        for folder in self.folders:
            for name in ("memory.oom_control", "memory.events"):
                with contextlib.suppress(OSError):
                    lines = (Path(folder) / name).read_text().splitlines()
                    kills += sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
        return kills


def end_groups(folders: Sequence[str]) -> None:
    """Kill whatever is in groups and remove them. Groups that are gone are no error."""
    for _ in range(200):
        left = [folder for folder in map(Path, folders) if not _removed(folder)]
        if not left:
            return
        for folder in left:
            _kill_all(folder)
        time.sleep(0.005)


def _kill_all(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for pid in (folder / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(pid), signal.SIGKILL)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # somebody is still in it
        return False
    return True


def _existing(mounted_at: Path, path: str) -> Path:
    """The group of this process; in a container it may be mounted as the top."""
    group = mounted_at / path.lstrip("/")
    return group if group.is_dir() else mounted_at


def _given_on(group: Path) -> set[str]:
    """The controllers that groups below one of version 2 have."""
    with contextlib.suppress(OSError):
        return set((group / "cgroup.subtree_control").read_text().split()) & set(CONTROLLERS)
    return set()


def _limit_memory(folder: Path, limit: float) -> None:
    if (folder / "memory.max").exists():
        (folder / "memory.max").write_text(str(int(limit)))
        with contextlib.suppress(OSError):
            (folder / "memory.swap.max").write_text("0")
        return
    (folder / "memory.limit_in_bytes").write_text(str(int(limit)))
    with contextlib.suppress(OSError):  # swap is not accounted for everywhere
        (folder / "memory.memsw.limit_in_bytes").write_text(str(int(limit)))


def _limit_processes(folder: Path, limit: float) -> None:
    (folder / "pids.max").write_text(str(int(limit)))


def _share_cpus(folder: Path, limit: float) -> None:
    if (folder / "cpu.weight").exists():
        (folder / "cpu.weight").write_text(str(max(1, min(10_000, round(_WEIGHT * limit)))))
    else:
        (folder / "cpu.shares").write_text(str(max(2, round(_SHARES * limit))))


_LIMITS: Mapping[str, Callable[[Path, float], None]] = {
    "memory": _limit_memory,
    "pids": _limit_processes,
    "cpu": _share_cpus,
}

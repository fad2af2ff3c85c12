"""Whose turn it is: a pure function of the queue, of what runs, and of how much there is."""

from collections.abc import Sequence
from dataclasses import dataclass

from lepton_ai.infrastructure.compute.port import Capacity


@dataclass(frozen=True)
class Queued:
    """A job that waits, and what its workers count for together."""

    job_id: str
    cpus: float
    memory_bytes: int


@dataclass(frozen=True)
class Usage:
    """What the jobs that run count for together."""

    cpus: float = 0.0
    memory_bytes: int = 0
    jobs: int = 0

    def plus(self, job: Queued) -> "Usage":
        """With one job more."""
        return Usage(self.cpus + job.cpus, self.memory_bytes + job.memory_bytes, self.jobs + 1)


def fits(job: Queued, used: Usage, room: Capacity) -> bool:
    """Whether all workers of a job have room now.

    CPUs can be shared and memory cannot: a job that asks for more CPUs than there are has its turn when no other runs.
    """
    if used.memory_bytes + job.memory_bytes > room.memory_bytes:
        return False
    return used.jobs == 0 or used.cpus + job.cpus <= room.cpus


def turns(queued: Sequence[Queued], used: Usage, room: Capacity) -> list[str]:
    """The jobs whose turn it is: strictly in the order of the queue, so that a large one is never starved.

    One that asks for more memory than there is can never start, and is passed over.

    Args:
        queued: Those that wait, first come first.
        used: What runs.
        room: How much there is.

    Example:

        >>> room = Capacity(2.0, 100)
        >>> queue = [Queued("huge", 1.0, 200), Queued("a", 1.0, 10), Queued("wide", 2.0, 10), Queued("b", 1.0, 10)]
        >>> turns(queue, Usage(), room)
        ['a']
    """
    starting = []
    for job in queued:
        if job.memory_bytes > room.memory_bytes:
            continue
        if not fits(job, used, room):
            break
        starting.append(job.job_id)
        used = used.plus(job)
    return starting


def why_waiting(job: Queued, ahead: int, used: Usage, room: Capacity) -> str:
    """Why a job does not start, for a person.

    Args:
        ahead: How many jobs are before it in the queue.
        used: What runs.
        room: How much there is.
    """
    needs = f"{_number(job.cpus, 'CPU')} and {_size(job.memory_bytes)} of memory"
    if job.memory_bytes > room.memory_bytes:
        return (
            f"It needs {needs} for all its workers at once, and jobs have {_size(room.memory_bytes)} here: "
            "it can never start. Ask for fewer workers or a smaller shape, or raise LEPTON_JOB_MEMORY_MIB."
        )
    if ahead:
        return f"It waits for its turn: {_number(ahead, 'job')} {'is' if ahead == 1 else 'are'} before it."
    if fits(job, used, room):
        return "It is its turn: it starts."
    free_cpus, free_bytes = max(0.0, room.cpus - used.cpus), max(0, room.memory_bytes - used.memory_bytes)
    return (
        f"It is first in the queue and waits for room: it needs {needs} for all its workers at once; "
        f"{_number(used.jobs, 'job')} {'runs' if used.jobs == 1 else 'run'}, which leaves {_number(free_cpus, 'CPU')} "
        f"and {_size(free_bytes)}."
    )


def _number(count: float, noun: str) -> str:
    return f"{count:g} {noun}{'' if count == 1 else 's'}"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 30):.1f} GiB"

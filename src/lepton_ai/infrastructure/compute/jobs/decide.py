"""What to do about a job: a pure function of what was asked for, what is written down, and what was seen."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from lepton_ai.core.ids import short_code
from lepton_ai.infrastructure.compute.jobs.lifecycle import (
    HOLDS_ROOM,
    JOB_LIFECYCLE,
    OVER,
    WORKER_LIFECYCLE,
    JobReason,
    JobStatus,
    WorkerReason,
    WorkerStatus,
)
from lepton_ai.infrastructure.compute.jobs.records import Action, Job, JobChange, JobObservation, JobState, Worker
from lepton_ai.infrastructure.compute.port import WorkerPhase, WorkerState

FIRST_PAUSE_MS = 1000
LONGEST_PAUSE_MS = 60_000
WATCH_PERIOD_MS = 5000
START_PERIOD_MS = 100

_FAILURE = {
    WorkerReason.EXITED: JobReason.EXITED,
    WorkerReason.KILLED: JobReason.KILLED,
    WorkerReason.OUT_OF_MEMORY: JobReason.OUT_OF_MEMORY,
    WorkerReason.LOST: JobReason.LOST,
    WorkerReason.REFUSED: JobReason.REFUSED,
}


def decide(state: JobState, seen: JobObservation, now_ms: int) -> JobChange:
    """Decide one step.

    Args:
        state: The job and its workers as they are written down.
        seen: What the world says about them.
        now_ms: Wall time.

    Returns:
        What to do, and what to write down after it was done.
    """
    status = state.job.status
    if status is JobStatus.QUEUEING:
        return _queueing(state, seen, now_ms)
    if status in (JobStatus.STARTING, JobStatus.RUNNING):
        return _active(state, seen, now_ms)
    if status in HOLDS_ROOM:
        return _ending(state, seen, now_ms)
    return _by_time(state, now_ms)


def move(job: Job, reason: JobReason, now_ms: int, *, message: str = "") -> Job:
    """The job with another reason, and the status that goes with it.

    Raises:
        Conflict: The table does not allow it.
    """
    status = JOB_LIFECYCLE.status_of(reason)
    JOB_LIFECYCLE.check(job.status, status)
    ends = status in OVER and status is not JobStatus.ARCHIVED
    kept = status in (JobStatus.ARCHIVED, JobStatus.DELETING)
    return replace(
        job,
        status=status,
        reason=reason,
        message=message or JOB_LIFECYCLE.sentence(reason),
        changed_at_ms=now_ms,
        outcome=status if ends else job.outcome if kept else None,
        finished_at_ms=now_ms if ends else job.finished_at_ms if kept else None,
    )


def pause_ms(failures: int) -> int:
    """How long to wait after so many failures in a row.

    Example:

        >>> [pause_ms(failures) for failures in (1, 2, 3, 20)]
        [1000, 2000, 4000, 60000]
    """
    return min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS << min(failures - 1, 10))


def _queueing(state: JobState, seen: JobObservation, now_ms: int) -> JobChange:
    if not state.has_turn:
        return JobChange(state.job)  # whoever looks at the queue says when
    # No process is started here: the next pass does it, under the names that are then written down.
    job = move(state.job, JobReason.WORKERS_START, now_ms)
    job = replace(
        job, attempt=job.attempt + 1, master_port=seen.free_port, started_at_ms=state.job.started_at_ms or now_ms
    )
    gang = [_new_worker(job, index, state.tries.get(index, 0), now_ms) for index in range(job.spec.workers)]
    return JobChange(job, tuple(gang), next_check_ms=0)


def _active(state: JobState, seen: JobObservation, now_ms: int) -> JobChange:
    job, spec = state.job, state.job.spec
    workers = [_seen_worker(worker, seen, now_ms, stopping=False) for worker in state.workers]
    changed = _changed(state.workers, workers)
    tries = Counter(worker.index for worker in workers)
    newest = {worker.index: worker for worker in workers}
    failed = [worker for worker in newest.values() if worker.status is WorkerStatus.FAILED]
    for worker in failed:
        if worker.reason is WorkerReason.REFUSED or tries[worker.index] > spec.max_failure_retry:
            return JobChange(_failed(job, worker, workers, now_ms), changed, next_check_ms=0)
    completed = sum(worker.status is WorkerStatus.COMPLETED for worker in newest.values())
    if completed == spec.completions:
        return JobChange(move(job, JobReason.ALL_COMPLETED, now_ms), changed)

    added, wait_ms = [], WATCH_PERIOD_MS
    for worker in failed:
        due_ms = (worker.finished_at_ms or now_ms) + pause_ms(tries[worker.index])
        if due_ms <= now_ms:
            added.append(_new_worker(job, worker.index, state.tries.get(worker.index, 0), now_ms))
        else:
            wait_ms = min(wait_ms, due_ms - now_ms)
    going = len(newest) - completed
    following = range(len(newest), min(spec.completions, len(newest) + spec.workers - going))
    added += [_new_worker(job, index, state.tries.get(index, 0), now_ms) for index in following]

    if job.status is JobStatus.STARTING and any(worker.status is not WorkerStatus.STARTING for worker in workers):
        job = move(job, JobReason.WORKERS_RUN, now_ms)
    actions = tuple(
        Action("submit", worker.id)
        for worker in workers
        if worker.status is WorkerStatus.STARTING and _process(worker, seen).phase is WorkerPhase.ABSENT
    )
    if added:
        wait_ms = 0
    elif any(worker.status is WorkerStatus.STARTING for worker in workers):
        wait_ms = START_PERIOD_MS
    return JobChange(job, (*changed, *added), actions, wait_ms)


def _failed(job: Job, culprit: Worker, workers: Sequence[Worker], now_ms: int) -> Job:
    """A worker failed for good: try the whole job again, or give up; either way once nothing of it runs."""
    again = culprit.reason is not WorkerReason.REFUSED and job.failures < job.spec.max_job_failure_retry
    told = f"Worker {culprit.index}: {culprit.message}"
    counted = replace(job, failures=job.failures + 1)
    if any(worker.lives for worker in workers):
        reason = JobReason.WORKER_FAILED if again else JobReason.GIVES_UP
        return move(counted, reason, now_ms, message=f"{told} {JOB_LIFECYCLE.sentence(reason)}")
    return _after_the_end(counted, culprit, now_ms, again=again)


def _after_the_end(job: Job, culprit: Worker | None, now_ms: int, *, again: bool) -> Job:
    told = "" if culprit is None else f"Worker {culprit.index}: {culprit.message}"
    if again:
        wait_ms = pause_ms(job.failures)
        message = f"{told} It is tried again in {wait_ms / 1000:g} s, attempt {job.attempt + 1}.".strip()
        return replace(move(job, JobReason.BACKS_OFF, now_ms, message=message), retry_at_ms=now_ms + wait_ms)
    reason = JobReason.LOST if culprit is None else _FAILURE[culprit.reason]
    return move(job, reason, now_ms, message=told)


def _ending(state: JobState, seen: JobObservation, now_ms: int) -> JobChange:
    """Its workers are to end: tell them, and go on once none is left."""
    job = state.job
    workers = [_seen_worker(worker, seen, now_ms, stopping=True) for worker in state.workers]
    changed = _changed(state.workers, workers)
    living = [worker for worker in workers if worker.lives]
    if living:
        stops = tuple(Action("stop", worker.id) for worker in living)
        return JobChange(job, changed, stops, START_PERIOD_MS)
    if job.status is JobStatus.DELETING:
        return JobChange(None, changed, (Action("remove"),))
    if job.status is JobStatus.STOPPING:
        return JobChange(move(job, JobReason.STOPPED_AS_ASKED, now_ms), changed)
    failed = [worker for worker in workers if worker.status is WorkerStatus.FAILED]
    # The last to fail before the others were told to end is the one that counts.
    culprit = max(failed, key=lambda worker: worker.finished_at_ms or 0, default=None)
    return JobChange(_after_the_end(job, culprit, now_ms, again=job.status is JobStatus.RESTARTING), changed)


def _by_time(state: JobState, now_ms: int) -> JobChange:
    """What waits for a time, or is over."""
    job = state.job
    if job.status is JobStatus.ARCHIVED:
        return JobChange(job, actions=(Action("clear"),))
    if job.wake_at_ms is None or now_ms < job.wake_at_ms:
        return JobChange(job)
    if job.status is JobStatus.AWAITING:
        return JobChange(move(job, JobReason.ASKED, now_ms))
    if job.status is JobStatus.PENDING_RETRY:
        return JobChange(move(job, JobReason.RETRIES, now_ms))
    ended = f"It ended as {job.outcome.value}. " if job.outcome else ""
    message = f"{ended}{JOB_LIFECYCLE.sentence(JobReason.TIME_TO_LIVE_OVER)}"
    return JobChange(move(job, JobReason.TIME_TO_LIVE_OVER, now_ms, message=message), next_check_ms=0)


def _new_worker(job: Job, index: int, tries: int, now_ms: int) -> Worker:
    reason = WorkerReason.STARTS
    return Worker(
        id=f"{job.id}-{index}-{short_code(job.id, tries)}",
        job_id=job.id,
        index=index,
        attempt=job.attempt,
        status=WORKER_LIFECYCLE.status_of(reason),
        reason=reason,
        message=WORKER_LIFECYCLE.sentence(reason),
        created_at_ms=now_ms,
    )


def _seen_worker(worker: Worker, seen: JobObservation, now_ms: int, *, stopping: bool) -> Worker:
    """A worker as it is after a look at its process."""
    if not worker.lives:
        return worker
    process = _process(worker, seen)
    if process.phase is WorkerPhase.ABSENT:
        if worker.id in seen.refusals:
            return _worker_moved(worker, WorkerReason.REFUSED, process, now_ms, seen.refusals[worker.id])
        if stopping:
            return _worker_moved(worker, WorkerReason.STOPPED_AS_ASKED, process, now_ms)
        if worker.status is WorkerStatus.RUNNING:
            return _worker_moved(worker, WorkerReason.LOST, process, now_ms)
        return worker
    if not process.is_over:
        runs = process.phase is WorkerPhase.RUNNING and worker.status is WorkerStatus.STARTING
        return _worker_moved(worker, WorkerReason.RUNS, process, now_ms) if runs else worker
    if stopping:
        return _worker_moved(worker, WorkerReason.STOPPED_AS_ASKED, process, now_ms)
    if process.phase is WorkerPhase.LOST:
        return _worker_moved(worker, WorkerReason.LOST, process, now_ms)
    if process.out_of_memory:
        return _worker_moved(worker, WorkerReason.OUT_OF_MEMORY, process, now_ms)
    if process.signal:
        return _worker_moved(worker, WorkerReason.KILLED, process, now_ms, f"{_first_up(process.ending)}.")
    if process.exit_code == 0:
        return _worker_moved(worker, WorkerReason.FINISHED, process, now_ms)
    return _worker_moved(worker, WorkerReason.EXITED, process, now_ms, f"{_first_up(process.ending)}.")


def _worker_moved(worker: Worker, reason: WorkerReason, process: WorkerState, now_ms: int, message: str = "") -> Worker:
    status = WORKER_LIFECYCLE.status_of(reason)
    WORKER_LIFECYCLE.check(worker.status, status)
    over = status is not WorkerStatus.RUNNING
    return replace(
        worker,
        status=status,
        reason=reason,
        message=message or WORKER_LIFECYCLE.sentence(reason),
        started_at_ms=worker.started_at_ms or process.started_at_ms or (None if over else now_ms),
        finished_at_ms=(process.finished_at_ms or now_ms) if over else None,
        exit_code=process.exit_code,
        signal=process.signal,
    )


def _process(worker: Worker, seen: JobObservation) -> WorkerState:
    return seen.processes.get(worker.id, WorkerState(worker.process_id, WorkerPhase.ABSENT))


def _changed(before: Sequence[Worker], after: Sequence[Worker]) -> tuple[Worker, ...]:
    return tuple(new for old, new in zip(before, after, strict=True) if new != old)


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]

"""What to do about a training run: a pure function of what was asked for, what is written down, and what was seen."""

from dataclasses import replace

from lepton_ai.infrastructure.compute.port import WorkerPhase
from lepton_ai.platform.model_management.runs.lifecycle import OVER, RUN_LIFECYCLE, RunReason, RunStatus
from lepton_ai.platform.model_management.runs.records import Run, RunChange, RunObservation

MOST_FAILURES = 3
"""So many processes in a row may end without having come further; then the run has failed."""
LONGEST_RETRY_MS = 30_000
WATCH_PERIOD_MS = 2000
START_PERIOD_MS = 250

OUT_OF_MEMORY = "out_of_memory"
"""The code by which a process says that it got no memory."""


def decide(run: Run, seen: RunObservation, now_ms: int) -> RunChange:
    """Decide one step.

    Args:
        run: The run as it is written down.
        seen: What the world says about it.
        now_ms: Wall time.

    Returns:
        What to do, and what to write down after it was done.
    """
    steps = {
        RunStatus.QUEUED: _queued,
        RunStatus.STARTING: _active,
        RunStatus.RUNNING: _active,
        RunStatus.REGISTERING: _registering,
        RunStatus.STOPPING: _stopping,
        RunStatus.DELETING: _deleting,
    }
    return steps.get(run.status, _over)(run, seen, now_ms)


def move(run: Run, reason: RunReason, now_ms: int, *, message: str = "") -> Run:
    """The run with another reason, and the status that goes with it.

    Raises:
        Conflict: The table does not allow it.
    """
    status = RUN_LIFECYCLE.status_of(reason)
    RUN_LIFECYCLE.check(run.status, status)
    return replace(
        run,
        status=status,
        reason=reason,
        message=message or RUN_LIFECYCLE.sentence(reason),
        changed_at_ms=now_ms,
        finished_at_ms=now_ms if status in OVER else None,
    )


def _queued(run: Run, seen: RunObservation, now_ms: int) -> RunChange:
    if seen.has_model:  # it had finished when the cloud was stopped
        return RunChange(move(run, RunReason.TRAINED, now_ms), next_check_ms=0)
    if now_ms < run.retry_at_ms:
        return RunChange(run, next_check_ms=run.retry_at_ms - now_ms)
    if not seen.has_place:
        return RunChange(run, next_check_ms=WATCH_PERIOD_MS)
    # Nothing is started here: the next pass does it, under the number that is then written down.
    starting = move(run, RunReason.WORKER_STARTS, now_ms, message=_start_sentence(run))
    attempt = replace(starting, attempt=run.attempt + 1, started_at_ms=run.started_at_ms or now_ms)
    return RunChange(attempt, next_check_ms=0)


def _active(run: Run, seen: RunObservation, now_ms: int) -> RunChange:
    worker = seen.worker
    absent = worker.phase is WorkerPhase.ABSENT
    if absent or worker.is_over:
        release = () if absent else ("release",)
        if seen.has_model:
            return RunChange(move(run, RunReason.TRAINED, now_ms), release, next_check_ms=0)
        if absent and run.status is RunStatus.STARTING and seen.refusal is None:
            return RunChange(run, ("submit",), next_check_ms=START_PERIOD_MS)
        return RunChange(_ended(run, seen, now_ms), release, next_check_ms=0)
    if run.status is RunStatus.STARTING and seen.trains:
        run = move(run, RunReason.TRAINS, now_ms)
    waiting = run.status is RunStatus.STARTING
    return RunChange(run, next_check_ms=START_PERIOD_MS if waiting else WATCH_PERIOD_MS)


def _ended(run: Run, seen: RunObservation, now_ms: int) -> Run:
    """A process ended without a model and unasked: try again from the last checkpoint, or give up."""
    refusal = seen.refusal
    if refusal is not None and refusal.is_final:
        hint = f" {refusal.hint}" if refusal.hint else ""
        return move(run, RunReason.REFUSED, now_ms, message=f"{_sentence(refusal.message)}{hint}")
    told = refusal.message if refusal is not None else seen.worker.ending
    if refusal is None and seen.worker.exit_code == 0:
        told = "it ended by itself without a model"
    failures = 1 if seen.checkpoint_step > run.checkpoint_step else run.failures + 1
    counted = replace(run, failures=failures, checkpoint_step=max(run.checkpoint_step, seen.checkpoint_step))
    if failures >= MOST_FAILURES:
        reason = _ending(seen)
        return move(counted, reason, now_ms, message=f"{RUN_LIFECYCLE.sentence(reason)} The last end: {told}.")
    pause_ms = min(LONGEST_RETRY_MS, 500 * 2 ** (failures - 1))
    onwards = f"step {counted.checkpoint_step:,}" if counted.checkpoint_step else "the beginning"
    message = f"Its process ended unasked ({told}); it goes on from {onwards}."
    return move(replace(counted, retry_at_ms=now_ms + pause_ms), RunReason.RESTARTS, now_ms, message=message)


def _ending(seen: RunObservation) -> RunReason:
    worker = seen.worker
    if worker.out_of_memory or (seen.refusal is not None and seen.refusal.code == OUT_OF_MEMORY):
        return RunReason.OUT_OF_MEMORY
    if worker.phase is not WorkerPhase.EXITED:
        return RunReason.LOST
    return RunReason.KILLED if worker.signal else RunReason.EXITED


def _registering(run: Run, seen: RunObservation, now_ms: int) -> RunChange:
    if seen.manifest is None:
        told = seen.refusal.message if seen.refusal is not None else "its files are gone"
        message = f"{RUN_LIFECYCLE.sentence(RunReason.NOT_REGISTERED)} {_sentence(told)}"
        return RunChange(move(run, RunReason.NOT_REGISTERED, now_ms, message=message))
    registered = move(run, RunReason.REGISTERED, now_ms)
    return RunChange(registered, ("store",), seen.manifest, next_check_ms=0)


def _stopping(run: Run, seen: RunObservation, now_ms: int) -> RunChange:
    if seen.worker.is_over or seen.worker.phase is WorkerPhase.ABSENT:
        stopped = replace(run, checkpoint_step=max(run.checkpoint_step, seen.checkpoint_step))
        return RunChange(move(stopped, RunReason.STOPPED_AS_ASKED, now_ms), ("release",))
    return RunChange(run, ("stop",), next_check_ms=START_PERIOD_MS)


def _deleting(run: Run, seen: RunObservation, _now_ms: int) -> RunChange:
    if seen.worker.is_over or seen.worker.phase is WorkerPhase.ABSENT:
        return RunChange(None, ("release", "remove"))
    return RunChange(run, ("stop",), next_check_ms=START_PERIOD_MS)


def _over(run: Run, seen: RunObservation, _now_ms: int) -> RunChange:
    """What was stopped, or failed by mischance, may go on some day and keeps its files; anything else needs none."""
    is_done = run.status is RunStatus.COMPLETED or run.reason is RunReason.REFUSED
    return RunChange(run, ("clear",) if is_done and seen.has_leftovers else ())


def _start_sentence(run: Run) -> str:
    sentence = RUN_LIFECYCLE.sentence(RunReason.WORKER_STARTS)
    return f"{sentence} It goes on from step {run.checkpoint_step:,}." if run.checkpoint_step else sentence


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."

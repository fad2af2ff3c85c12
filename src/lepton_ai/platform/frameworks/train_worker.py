"""The process of a training run: `python -m lepton_ai.platform.frameworks.train_worker WISH`.

The control plane starts it and reads what it leaves behind, all of it files that the wish names: lines of progress,
checkpoints, and at the end the artifact, or why there is none. It speaks to nobody and needs no token. Killed at any
point and started again, it goes on from its last checkpoint.
"""

import contextlib
import json
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from lepton_ai.core.errors import LeptonError, StorageFull, Unavailable
from lepton_ai.core.files import remove_leftovers, write_atomically

STOPPED = 75
"""The exit code of a process that was asked to stop and can go on later; the system's word for it is EX_TEMPFAIL."""

_CHECKPOINT_STEPS = 50
_CHECKPOINT_PAUSE_S = 5.0


def main(wish_path: Path) -> int:
    """Do what a wish says; returns the exit code."""
    signal.signal(signal.SIGTERM, _stop_now)
    wish: dict[str, Any] = json.loads(wish_path.read_bytes())
    if Path(wish["model"]).exists():
        return 0
    try:
        return _train(wish)
    except LeptonError as error:
        _say(f"error: {error.message}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        passing = isinstance(error, StorageFull | Unavailable)
        return _refuse(wish, error.code, error.message, error.hint, is_final=not passing)
    except MemoryError:
        traceback.print_exc()
        return _refuse(wish, "out_of_memory", "it got no memory", None, is_final=False)
    except Exception as error:  # noqa: BLE001 - whatever it was, the run should tell
        traceback.print_exc()
        starved = type(error).__name__ == "ResourceExhaustedError"  # TensorFlow's, which may not have been loaded
        told = f"{type(error).__name__}: {error}".strip().splitlines()[0][:500]
        return _refuse(wish, "out_of_memory" if starved else "internal_error", told, None, is_final=False)


def _train(wish: Mapping[str, Any]) -> int:
    from lepton_ai.platform.frameworks.backend import tf
    from lepton_ai.platform.frameworks.checkpoint import Checkpointing, Interrupted
    from lepton_ai.platform.frameworks.train_table import TableWish, train_table
    from lepton_ai.platform.frameworks.training_progress import ProgressLines

    # A run that is killed and goes on must end where an unbroken one does.
    tf.config.experimental.enable_op_determinism()
    model, checkpoints = Path(wish["model"]), Path(wish["checkpoints"])
    checkpoints.mkdir(mode=0o700, exist_ok=True)
    remove_leftovers(checkpoints)
    for unfinished in model.parent.glob(f".{model.name}.*"):
        shutil.rmtree(unfinished)
    [table] = Path(wish["data"]).iterdir()
    checkpointing = Checkpointing(
        checkpoints,
        every_steps=wish.get("checkpoint_steps", _CHECKPOINT_STEPS),
        pause_s=wish.get("checkpoint_pause_s", _CHECKPOINT_PAUSE_S),
    )
    lines = ProgressLines(Path(wish["progress"]), wish["attempt"], lambda: time.time_ns() // 1_000_000)

    def steps() -> None:
        # From now on a stop waits for the end of the step, and for its checkpoint.
        signal.signal(signal.SIGTERM, lambda _signal, _frame: checkpointing.stop_after_step())

    names = ("target", "columns", "budget_s", "steps", "epochs", "seed")
    with contextlib.closing(lines):
        try:
            train_table(
                TableWish(table, **{name: wish[name] for name in names}),
                model,
                checkpointing,
                lines,
                trains=Path(wish["begun"]).touch,
                steps=steps,
            )
        except Interrupted as end:
            _say(f"{end}\n")
            return STOPPED
    return 0


def _stop_now(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(STOPPED)


def _refuse(wish: Mapping[str, Any], code: str, message: str, hint: str | None, *, is_final: bool) -> int:
    said = {"code": code, "message": message, "hint": hint, "is_final": is_final}
    write_atomically(Path(wish["refusal"]), json.dumps(said).encode(), mode=0o600)
    return 1


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

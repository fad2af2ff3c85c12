# ruff: noqa: ARG002  (Keras passes every argument by name)
"""What a training run tells while it runs: lines of JSON, one for each phase and for each point of its curves."""

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.checkpoint import Checkpointing

# Between two points: a few a second at first, and ever fewer, so that a run of weeks fits into some megabytes.
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S, _SHARE_OF_TIME = 0.25, 10.0, 0.001


class ProgressLines:
    """Appends lines to a file that others read meanwhile. A line that the last writer could not finish is taken away.

    Args:
        path: The file.
        attempt: Which process of its run writes them.
        now_ms: Wall time.
    """

    def __init__(self, path: Path, attempt: int, now_ms: Callable[[], int]) -> None:
        self._attempt = attempt
        self._now_ms = now_ms
        self._file = open(path, "a+b")  # noqa: SIM115 - as long as the process
        self._file.seek(0)
        whole = self._file.read().rfind(b"\n") + 1
        self._file.truncate(whole)

    def phase(self, name: str) -> None:
        """A new phase begins, in words for people."""
        self._write({"what": "phase", "phase": name})

    def resumed(self, step: int) -> None:
        """Training goes on after this step: points beyond it are taken back, and come again."""
        self._write({"what": "resumed", "step": step})

    def point(self, values: Mapping[str, Any]) -> None:
        """A point of the curves."""
        self._write({"what": "point", **values})

    def close(self) -> None:
        """No more lines come."""
        self._file.close()

    def _write(self, values: Mapping[str, Any]) -> None:
        line = {"at": self._now_ms(), "attempt": self._attempt, **values}
        self._file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
        self._file.flush()


class Telling(keras.callbacks.Callback):
    """Tells a fit's loss, metrics and rate, a few times a second, and what was validated, after epochs and at the end.

    Args:
        lines: Where to.
        checkpointing: Knows the step, and which steps were done before.
        begins: Called once, when the first new step is done.
        budget_s: How long the fit may take, where time and not steps end it.
    """

    def __init__(
        self,
        lines: ProgressLines,
        checkpointing: Checkpointing,
        begins: Callable[[], None],
        *,
        budget_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._lines = lines
        self._checkpointing = checkpointing
        self._steps: int | None = None
        self._budget_s = budget_s
        self._made_s = clock()  # a budget of time is used by what comes before the first step too
        self._begins: Callable[[], None] | None = begins
        self._clock = clock
        self._began: tuple[int, float] | None = None
        self._told_s = self._told_epoch_s = -math.inf
        self._untold: Mapping[str, float] = {}  # of an epoch that ended right after another
        self._epoch = 0
        self._rate = 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        if self._budget_s is None and self.params.get("steps"):
            self._steps = self.params["epochs"] * self.params["steps"]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._checkpointing.is_resuming:
            return
        now_s = self._clock()
        if self._begins is not None:
            if self._checkpointing.step > 1:
                self._lines.resumed(self._checkpointing.step)
            self._begins()
            self._begins = None
        if self._began is None:
            self._began = self._checkpointing.step, now_s
        if self._is_due(self._told_s):
            self._told_s = now_s
            # Here, because between epochs the recipe makes it the user's again.
            self._rate = float(f"{float(self.model.optimizer.learning_rate):.6g}")
            self._tell(logs or {}, None)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._untold = logs or {}
        if self._is_due(self._told_epoch_s):
            self._tell_epoch()

    def on_train_end(self, logs: Any = None) -> None:
        if self._untold:
            self._tell_epoch()

    def _is_due(self, told_s: float) -> bool:
        now_s = self._clock()
        since_s = 0.0 if self._began is None else now_s - self._began[1]
        return now_s - told_s >= min(max(_SHARE_OF_TIME * since_s, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S)

    def _tell_epoch(self) -> None:
        logs, self._untold, self._told_epoch_s = self._untold, {}, self._clock()
        measured = {name: value for name, value in logs.items() if not name.startswith("val_")}
        validated = {name.removeprefix("val_"): value for name, value in logs.items() if name not in measured}
        self._tell(measured, validated or None)

    def _tell(self, logs: Mapping[str, float], validation: Mapping[str, float] | None) -> None:
        values = _finite(logs)
        self._lines.point(
            {
                "step": self._checkpointing.step,
                "steps": self._steps,
                "epoch": self._epoch + 1,
                "loss": values.pop("loss", None),
                "values": values,
                "validation": _finite(validation) if validation is not None else None,
                "rate": self._rate,
                "left_s": self._left_s(),
            }
        )

    def _left_s(self) -> float | None:
        """By the pace of this process since its first step, which compiled the net."""
        if self._began is None:
            return None
        took_s, steps = self._clock() - self._began[1], self._checkpointing.step - self._began[0]
        if self._budget_s is not None:
            return round(max(0.0, self._made_s + self._budget_s - self._clock()), 1)
        return round(took_s / steps * (self._steps - self._checkpointing.step), 1) if self._steps and steps else None


def _finite(logs: Mapping[str, float]) -> dict[str, float | None]:
    """Numbers as JSON can carry them, to six digits: points are for looking at."""
    return {name: float(f"{value:.6g}") if math.isfinite(value) else None for name, value in logs.items()}

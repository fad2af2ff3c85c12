# ruff: noqa: ARG002  (Keras passes every argument by name)
"""Checkpoints: all that a training needs to go on as if it had never been stopped, in one file that is whole or absent.

Keras' own `BackupAndRestore` begins the interrupted epoch again, and leaves out averaged weights, running metrics and
what callbacks remember. Here a step is a step: the stream of batches is wound on to where it was, everything else is
put back in place, and training ends with the same weights, bit for bit where the operations are deterministic.
"""

import json
import time
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput, NotSupported, StorageFull
from lepton_ai.core.failpoints import failpoint
from lepton_ai.core.files import atomic_file
from lepton_ai.platform.frameworks.backend import keras

Arrays = Sequence[NDArray[Any]]
Facts = Mapping[str, Any]
Kept = tuple[Arrays, Facts]
"""What a part of a fit remembers: arrays, and plain JSON values."""

_KEPT = 2
_DOCUMENT = "document"
_VERSION = 1


@runtime_checkable
class Resumable(Protocol):
    """A part of a fit that remembers something from one step to the next."""

    name: str

    def state(self) -> Kept:
        """What it remembers, between two steps."""
        ...

    def expect(self, facts: Facts) -> None:
        """Before the first batch: training will go on from here, so prepare what must be known before."""
        ...

    def restore(self, arrays: Arrays, facts: Facts) -> None:
        """Remember that again, once a batch has begun and all variables are made."""
        ...


class Interrupted(Exception):
    """Training was asked to stop, and did so right after it had written a checkpoint."""


@dataclass(frozen=True)
class TrainingState:
    """Where a training stands after a step.

    Args:
        step: Steps done since the first epoch.
        epoch: The epoch of the last one, from 0.
        batch: Batches of that epoch that are done.
        arrays: By group and in order: `model`, `optimizer`, `metrics`, and the parts of the recipe by name.
        facts: What the parts remember beside arrays, as JSON values, by their name.
        logs: Keras' numbers after the last batch.
        history: Keras' numbers of the epochs that are over, by name.
    """

    step: int
    epoch: int
    batch: int
    arrays: Mapping[str, Arrays]
    facts: Mapping[str, Facts] = field(default_factory=dict)
    logs: Mapping[str, float] = field(default_factory=dict)
    history: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def save(self, folder: Path) -> Path:
        """Write it into a folder as `step-000000400.npz`, durable on disk, and remove all but the last two there.

        Raises:
            StorageFull: The disk is full; what was there before still is.
        """
        path = folder / f"step-{self.step:09d}.npz"
        counts = {group: len(arrays) for group, arrays in self.arrays.items()}
        document = {
            "version": _VERSION,
            **{name: getattr(self, name) for name in ("step", "epoch", "batch", "logs", "history", "facts")},
            "counts": counts,
        }
        named = {f"{group}/{i}": array for group, arrays in self.arrays.items() for i, array in enumerate(arrays)}
        with atomic_file(path) as file:
            text = np.frombuffer(json.dumps(document).encode(), np.uint8)
            np.savez(file, **{_DOCUMENT: text}, **named)  # type: ignore[arg-type] # the stubs know no file objects
            failpoint("checkpoint.before_sync")
        failpoint("checkpoint.after_rename")
        for older in checkpoints(folder)[:-_KEPT]:
            older.unlink(missing_ok=True)
        return path

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote, every byte of it checked.

        Raises:
            InvalidInput: It is damaged, or no checkpoint.
        """
        try:
            with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
                entries = {name: file[name] for name in file.files}
            document = json.loads(entries[_DOCUMENT].tobytes())
            arrays = {
                group: [entries[f"{group}/{i}"] for i in range(count)] for group, count in document["counts"].items()
            }
            if document["version"] != _VERSION:
                raise ValueError(f"version {document['version']}")
            names = ("step", "epoch", "batch", "facts", "logs", "history")
            return cls(arrays=arrays, **{name: document[name] for name in names})
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
            raise InvalidInput(f"{path.name} is not a checkpoint that can be read: {error}") from error


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, oldest first."""
    return sorted(folder.glob("step-*.npz"))


def newest_state(folder: Path) -> TrainingState | None:
    """The last state in a folder that can be read, None if there is none: a damaged file costs one interval."""
    for path in reversed(checkpoints(folder)):
        try:
            return TrainingState.load(path)
        except InvalidInput:
            continue
    return None


class Checkpointing(keras.callbacks.Callback):
    """Writes checkpoints while a model trains, and lets a later `fit` with the same arguments go on from the last one.

    Args:
        folder: Where they lie, made if missing. One folder for one training.
        every_steps: How many steps apart they are.
        pause_s: The least time between two, so that quick steps are not spent on the disk.

    The later fit needs the same data, seed and arguments. Callbacks after this one see the batches of the interrupted
    epoch pass by again until `is_resuming` is false.

    Example:

        ```python
        model.fit(x, y, epochs=20, callbacks=[Checkpointing("checkpoints")])
        ```
    """

    def __init__(self, folder: str | Path, every_steps: int = 100, pause_s: float = 0.0) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.step = 0
        """Steps done."""
        self._every_steps = every_steps
        self._pause_s = pause_s
        self._parts: Sequence[Resumable] = ()
        self._stop = False
        self._epoch = 0
        self._saved_step = 0
        self._saved_at_s = 0.0
        self._train_function: Callable[[Any], Any] | None = None
        self._pending = newest_state(self.folder)

    @property
    def is_resuming(self) -> bool:
        """Whether steps pass by that were done before."""
        return self._pending is not None

    def expected_facts(self, name: str) -> Facts | None:
        """What a part of the fit that is to go on remembered, None where training begins anew."""
        return None if self._pending is None else self._pending.facts.get(name)

    def attach(self, parts: Sequence[Any]) -> None:
        """Keep too what these parts of the fit remember, if they do; `Model.fit` calls it."""
        self._parts = [part for part in parts if isinstance(part, Resumable)]

    def stop_after_step(self) -> None:
        """Write a checkpoint after the step at hand and end in `Interrupted`. May be called by a signal handler."""
        self._stop = True

    def on_train_begin(self, logs: Any = None) -> None:
        if keras.backend.backend() != "tensorflow":  # a step elsewhere hands its results on, and is not to be passed by
            raise NotSupported(
                f"checkpoints need TensorFlow as Keras' backend, got {keras.backend.backend()!r}",
                hint="Train without them, or with KERAS_BACKEND=tensorflow.",
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self._saved_at_s = time.monotonic()
        if self._pending is not None:
            self.model._initial_epoch = self._pending.epoch
            self.step = self._pending.step - self._pending.batch
            for part in self._parts:
                part.expect(self._pending.facts[part.name])

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        if self._pending is not None:
            self._train_function = self.model.train_function
            self.model.train_function = _wound_on(self._train_function, self._pending.logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.step += 1
        failpoint("checkpoint.after_step")
        if self._pending is not None:
            if self.step == self._pending.step:
                self._restore(self._pending)
            return
        due = self.step - self._saved_step >= self._every_steps
        if self._stop or (due and time.monotonic() - self._saved_at_s >= self._pause_s):
            self._save(batch + 1, logs or {})
        if self._stop:
            raise Interrupted(f"training was stopped after step {self.step}")

    def on_train_end(self, logs: Any = None) -> None:
        self.model._initial_epoch = None

    def _save(self, batch: int, logs: Mapping[str, float]) -> None:
        parts = {part.name: part.state() for part in self._parts}
        state = TrainingState(
            step=self.step,
            epoch=self._epoch,
            batch=batch,
            arrays={
                **{group: [v.numpy() for v in variables] for group, variables in _variables(self.model).items()},
                **{name: arrays for name, (arrays, _) in parts.items()},
            },
            facts={name: facts for name, (_, facts) in parts.items()},
            logs={name: float(value) for name, value in logs.items()},
            history={name: [float(v) for v in values] for name, values in self.model.history.history.items()},
        )
        try:
            state.save(self.folder)
        except StorageFull as error:  # no reason to lose what is not on disk yet: the next one may fit
            warnings.warn(f"no checkpoint after step {self.step}: {error}", stacklevel=2)
        self._saved_step, self._saved_at_s = self.step, time.monotonic()

    def _restore(self, state: TrainingState) -> None:
        for group, variables in _variables(self.model).items():
            for variable, array in zip(variables, state.arrays[group], strict=True):
                variable.assign(array)
        for part in self._parts:
            part.restore(state.arrays[part.name], state.facts[part.name])
        history = self.model.history
        history.epoch = list(range(state.epoch))
        history.history = {name: list(values) for name, values in state.history.items()}
        self.model.train_function, self._train_function = self._train_function, None
        self._pending, self._saved_step = None, state.step


def expected_facts(callbacks: Any, name: str) -> Facts | None:
    """The same, asked of the `Checkpointing` among a user's callbacks, if there is one."""
    found = [each for each in keras.tree.flatten(callbacks or []) if isinstance(each, Checkpointing)]
    return found[0].expected_facts(name) if found else None


def _variables(model: Any) -> dict[str, list[Any]]:
    """All that a step changes, by group. Seeds of dropout and the like are among the model's own."""
    return {"model": model.variables, "optimizer": model.optimizer.variables, "metrics": model.metrics_variables}


def _wound_on(train_function: Callable[[Any], Any], logs: Mapping[str, float]) -> Callable[[Any], Any]:
    """In place of steps that were done before: takes the batch from the stream, and nothing else."""
    untouched = True

    def pass_by(batches: Any) -> Any:
        nonlocal untouched
        if untouched:
            untouched = False
            train_function(batches)  # one step is taken, so that every variable is made that will be restored
        else:
            next(batches)
        return dict(logs)

    return pass_by

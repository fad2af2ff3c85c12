"""What a user wishes of one fit: the arguments of `Model.fit` but the data, checked before anything is trained."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.adaptive.budget import seconds
from lepton_ai.platform.frameworks.adaptive.log import DecisionLog
from lepton_ai.platform.frameworks.callbacks import checked_callbacks
from lepton_ai.platform.frameworks.checks import check_count


@dataclass(frozen=True)
class FitWishes:
    """The fields are `Model.fit`'s arguments, and whether batch size, rate and epochs are ours to choose too.

    Raises:
        InvalidInput: A count is not a whole number, or too small; or wishes that exclude each other.
    """

    batch_size: int | None
    epochs: int | None
    verbose: Any
    callbacks: Any
    validation_split: float
    validation_data: Any
    shuffle: Any
    initial_epoch: int
    steps_per_epoch: int | None
    validation_steps: int | None
    validation_batch_size: int | None
    validation_freq: Any
    adaptive: bool
    budget: Any
    plan: DecisionLog | None
    select_on_validation: bool
    augmentation: Any
    is_free: bool

    def __post_init__(self) -> None:
        check_count(self.initial_epoch, "initial_epoch", least=0)
        if self.epochs is not None:
            check_count(self.epochs, "epochs", least=0)
        for name in ("batch_size", "steps_per_epoch", "validation_steps", "validation_batch_size"):
            if getattr(self, name) is not None:
                check_count(getattr(self, name), name)
        for name in ("adaptive", "select_on_validation"):
            if not isinstance(getattr(self, name), bool):
                raise InvalidInput(f"`{name}` must be True or False, got {name}={getattr(self, name)!r}")
        if not isinstance(self.shuffle, bool | np.bool_) and self.shuffle not in ("batch", None):
            raise InvalidInput(f"`shuffle` must be True or False, got shuffle={self.shuffle!r}")
        if self.verbose not in ("auto", 0, 1, 2):
            raise InvalidInput(f"`verbose` must be 'auto', 0, 1 or 2, got verbose={self.verbose!r}")
        _check_epochs_of_validation(self.validation_freq)
        checked_callbacks(self.callbacks)
        if self.budget is not None:
            seconds(self.budget)
        if self.plan is not None and not isinstance(self.plan, DecisionLog):
            raise InvalidInput(
                f"`plan` must be the log of another fit, got {type(self.plan).__name__}",
                hint="Write fit(x, y, plan=other.log).",
            )
        is_named = isinstance(self.augmentation, str) and self.augmentation == "auto"
        if not is_named and self.augmentation is not None and not callable(self.augmentation):
            raise InvalidInput(
                f"`augmentation` must be 'auto', None or a function, got augmentation={repr(self.augmentation)[:60]}",
                hint="A function takes (rows, strength, seed) and returns rows of the same shape.",
            )
        if self.plan is not None and (self.budget is not None or self.epochs is not None):
            raise InvalidInput("`plan` says how long to train, got a budget or epochs beside it", hint="Give only one.")
        for name in ("budget", "plan", "select_on_validation"):
            if getattr(self, name) and not self.adaptive:
                raise InvalidInput(
                    f"`{name}` needs adaptive training, got adaptive=False",
                    hint="Leave adaptive out: it is on by default.",
                )


def _check_epochs_of_validation(every: Any) -> None:
    """Refuse a `validation_freq` that is neither a whole number from 1 nor several of them."""
    epochs = [every] if isinstance(every, int | float | str) or every is None else list(every)
    if not all(isinstance(epoch, int) and not isinstance(epoch, bool) and epoch >= 1 for epoch in epochs):
        raise InvalidInput(
            f"`validation_freq` must be a whole number of 1 or more, or several, got validation_freq={every!r}"
        )

"""The learning rate of the user's optimizer while we steer it, and the user's again whenever anybody looks."""

import math
from typing import Any

from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.checkpoint import Facts

_SMALLEST_CHANGE = 2e-3


class Rate:
    """Steps aside where the rate is a schedule already, and from the moment another callback changes it.

    Args:
        optimizer: The compiled optimizer.
    """

    def __init__(self, optimizer: Any) -> None:
        rate = optimizer.learning_rate
        self._variable: Any = rate if isinstance(rate, keras.Variable) else None
        self.users = float(rate)
        self.chosen = self.users
        self._told = self.users

    @property
    def variable(self) -> Any:
        """The optimizer's variable that holds it, None where it is a schedule or somebody else's to steer."""
        return self._variable

    @property
    def is_ours(self) -> bool:
        """Whether we may set it."""
        return self._variable is not None

    def state(self) -> Facts:
        """All that a checkpoint needs of it, between two steps."""
        return {"chosen": self.chosen, "told": self._told, "is_ours": self.is_ours}

    def restore(self, facts: Facts) -> None:
        """Go on from a checkpoint."""
        self.chosen, self._told = facts["chosen"], facts["told"]
        if not facts["is_ours"]:
            self.step_aside()

    def set(self, multiple: float) -> None:
        """Make it a multiple of the chosen rate; a change too small to matter waits, because telling takes time."""
        rate = self.chosen * multiple
        if self._variable is not None and not math.isclose(rate, self._told, rel_tol=_SMALLEST_CHANGE):
            self._variable.assign(rate)
            self._told = rate

    def give_back(self) -> None:
        """Make it the user's."""
        if self._variable is not None:
            self._variable.assign(self.users)
            self._told = self.users

    def step_aside_if_changed(self) -> None:
        """Leave it alone from now on, if somebody set it since it was given back."""
        if self._variable is not None and not math.isclose(float(self._variable), self.users, rel_tol=1e-6):
            self._variable = None

    def step_aside(self) -> None:
        """Leave it alone from now on."""
        self._variable = None

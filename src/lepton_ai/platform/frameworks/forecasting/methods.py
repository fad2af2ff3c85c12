"""Ways to forecast a whole panel, each fitted once and then asked from any origin."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.forecasting.linear import Linear
from lepton_ai.platform.frameworks.forecasting.naive import Naive
from lepton_ai.platform.frameworks.forecasting.panel import Numbers, Panel
from lepton_ai.platform.frameworks.forecasting.smoothing import Smoothing

Origins = NDArray[np.int64]


class Method(Protocol):
    """A fitted way to forecast."""

    @property
    def needs(self) -> int:
        """How many steps of history it needs."""
        ...

    def predict(self, panel: Panel, origins: Origins, horizon: int) -> Numbers:
        """Forecast from each origin, the first step not known.

        Args:
            panel: The series, filled. Values from an origin on are not looked at; what is known ahead is.
            origins: The origins `(origins,)`, each with enough history.
            horizon: How many steps ahead.

        Returns:
            The forecasts `(rows, origins, horizon)`.
        """
        ...


@dataclass(frozen=True)
class Plainly:
    """A naive forecast of the values as they are."""

    naive: Naive

    @property
    def needs(self) -> int:
        """How many steps of history it needs."""
        return self.naive.needs

    def predict(self, panel: Panel, origins: Origins, horizon: int) -> Numbers:
        """See `Method`."""
        return self.naive.predict(panel.values, origins, horizon)


@dataclass(frozen=True)
class Scaled:
    """A forecast of the values on one scale for all lines, or of their logarithms.

    Args:
        inner: What forecasts.
        scale: The unit of each line `(rows,)`.
        floors: The least value that a logarithm is taken of `(rows,)`; None for the values themselves.
        limits: The lowest and highest logarithm that is believed `(rows, 2)`; None without logarithms.
    """

    inner: Linear | Smoothing
    scale: Numbers
    floors: Numbers | None = None
    limits: Numbers | None = None

    @property
    def needs(self) -> int:
        """How many steps of history it needs."""
        return self.inner.needs

    def predict(self, panel: Panel, origins: Origins, horizon: int) -> Numbers:
        """See `Method`."""
        scale = self.scale[:, np.newaxis]
        if self.floors is None or self.limits is None:
            return self.inner.predict(panel.values / scale, origins, horizon) * scale[..., np.newaxis]
        logs = np.log(np.maximum(panel.values, self.floors[:, np.newaxis])) / scale
        answers = self.inner.predict(logs, origins, horizon) * scale[..., np.newaxis]
        low, high = self.limits[:, 0, np.newaxis, np.newaxis], self.limits[:, 1, np.newaxis, np.newaxis]
        return np.asarray(np.exp(np.clip(answers, low, high)))


@dataclass(frozen=True)
class Blend:
    """Several forecasts, weighted.

    Args:
        methods: The forecasts.
        weights: How much each counts, adding up to 1.
    """

    methods: tuple[Method, ...]
    weights: tuple[float, ...]

    @property
    def needs(self) -> int:
        """How many steps of history it needs."""
        return max(method.needs for method in self.methods)

    def predict(self, panel: Panel, origins: Origins, horizon: int) -> Numbers:
        """See `Method`."""
        parts = [
            weight * method.predict(panel, origins, horizon)
            for method, weight in zip(self.methods, self.weights, strict=True)
        ]
        return np.asarray(sum(parts[1:], parts[0]))


@dataclass(frozen=True)
class Scale:
    """How values are brought to one scale, learned from a filled panel: `values / unit`, or the same of logarithms."""

    unit: Numbers
    floors: Numbers | None
    limits: Numbers | None

    def apply(self, values: Numbers) -> Numbers:
        """Values `(rows, time)` on the scale."""
        taken = values if self.floors is None else np.log(np.maximum(values, self.floors[:, np.newaxis]))
        return np.asarray(taken / self.unit[:, np.newaxis])

    def method(self, inner: Linear | Smoothing) -> Scaled:
        """What was fitted on the scale, as a method for the values themselves."""
        return Scaled(inner, self.unit, self.floors, self.limits)


def scale_of(panel: Panel, logs: bool) -> Scale:
    """The scale of a filled panel; logarithms need values above zero.

    A line is measured in its own spread, so that all lines count alike; logarithms have one unit already.
    """
    if not logs:
        spread = panel.values.std(axis=1)
        return Scale(np.where(spread > 1e-12 * np.abs(panel.values).max(axis=1), spread, 1.0), None, None)
    taken = np.log(panel.values)
    low, high = taken.min(axis=1), taken.max(axis=1)
    width = np.maximum(high - low, 0.1)
    limits = np.stack([low - width, high + width], axis=1)
    return Scale(np.ones(panel.rows), panel.values.min(axis=1) / 2, limits)

"""Linear forecasts in closed form: ridge regression from the last values to the next, shared by all lines.

Each window is measured from its own level, as in NLinear (Zeng and others, Are Transformers Effective for Time Series
Forecasting, AAAI 2023); solved in closed form it is level with the best nets on the sets that they are compared on
(Toner and Darlow, An Analysis of Linear Time Series Forecasting Models, ICML 2024). Where weights are shared by the
phases of a season (Lin and others, SparseTSF, ICML 2024) a long look-back costs few of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.forecasting.panel import Numbers

PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Ridge penalties, in units of the mean square of what enters."""

_MOST_WINDOWS = 60_000
_ORIGINS_AT_ONCE = 512


@dataclass(frozen=True)
class Shape:
    """What a linear forecast looks at.

    Args:
        look_back: How many of the last values.
        season: Steps in a season; 1 for none. The level of a window is the mean of its last season.
        shared: Whether the phases of a season share their weights.
    """

    look_back: int
    season: int
    shared: bool

    @property
    def name(self) -> str:
        """What the log calls it."""
        return f"linear on {self.look_back}" + (", shared by phase" if self.shared else "")


@dataclass(frozen=True)
class Linear:
    """A fitted linear forecast.

    Args:
        shape: What it looks at.
        weights: From what enters to what is forecast, `(features, answers)`.
    """

    shape: Shape
    weights: Numbers

    @property
    def needs(self) -> int:
        """How many steps of history it needs."""
        return self.shape.look_back

    def predict(self, values: Numbers, origins: NDArray[np.int64], horizon: int) -> Numbers:
        """Forecast from each origin: values `(rows, time)` without gaps to `(rows, origins, horizon)`."""
        out = np.empty((len(values), len(origins), horizon))
        for start in range(0, len(origins), _ORIGINS_AT_ONCE):
            some = origins[start : start + _ORIGINS_AT_ONCE]
            windows = sliding_window_view(values, self.shape.look_back, axis=1)[:, some - self.shape.look_back]
            for row, lines in enumerate(windows):
                entered, level = _entered(lines, self.shape)
                answers = _laid_out(entered @ self.weights, self.shape, horizon)
                out[row, start : start + len(some)] = answers + level
        return out


@dataclass(frozen=True)
class Ridge:
    """Everything that a ridge regression needs, for any penalty: decomposed once, solved for each.

    Args:
        shape: What it looks at.
        sizes: The eigenvalues of the Gram matrix of what enters `(features,)`.
        vectors: Its eigenvectors `(features, features)`.
        turned: The products with what is forecast, in their coordinates `(features, answers)`.
    """

    shape: Shape
    sizes: Numbers
    vectors: Numbers
    turned: Numbers

    def solve(self, penalty: float) -> Linear:
        """The forecast for one penalty, in units of the mean square of what enters."""
        floor = penalty * max(float(self.sizes.mean()), 1e-12)
        return Linear(self.shape, self.vectors @ (self.turned / (self.sizes + floor)[:, np.newaxis]))


def look_backs(season: int, horizon: int, steps: int) -> tuple[int, ...]:
    """The look-backs to try, shortest first: whole seasons, and windows long enough for the horizon.

    Args:
        season: Steps in the shortest season that counts; 1 for none.
        horizon: How many steps ahead.
        steps: Steps in the shortest part to learn from; two windows with what follows them must fit in.

    Example:

        >>> look_backs(24, 96, 5000), look_backs(12, 12, 80), look_backs(1, 4, 20)
        ((168, 336, 720), (12, 24), (4,))
    """
    if season > 1:
        found = {season * count for count in (1, 2, 3, 7, 14, 30)}
        found = {length for length in found if length >= min(horizon, 3 * season)}
    else:
        found = {horizon * count for count in (1, 2, 4, 8)}
    fitting = sorted(length for length in found if length <= 1024 and 2 * (length + horizon) <= steps)
    return tuple(fitting[-3:])


def decompose(values: Numbers, begins: NDArray[np.int64], shape: Shape, horizon: int) -> Ridge | None:
    """Prepare the regression on every window of the lines; None where no window fits.

    Args:
        values: The lines `(rows, time)` without gaps, on one scale.
        begins: Where each line begins `(rows,)`; windows before that are not learned from.
        shape: What to look at.
        horizon: How many steps ahead.
    """
    answered = -(-horizon // shape.season) * shape.season if shape.shared else horizon
    length = shape.look_back + answered
    count = len(values) * max(values.shape[1] - length + 1, 0)
    stride = max(1, -(-count // _MOST_WINDOWS))
    gram: Numbers | None = None
    cross: Numbers | None = None
    for line, begin in zip(values, begins, strict=True):
        if len(line) - begin < length:
            continue
        # Counted from the end, so that the newest window is always among them.
        windows = sliding_window_view(line[begin:], length)[::-1][::stride]
        entered, level = _entered(windows[:, : shape.look_back], shape)
        wanted = windows[:, shape.look_back :] - level
        wanted = _by_phase(wanted, shape.season) if shape.shared else wanted
        gram = entered.T @ entered if gram is None else gram + entered.T @ entered
        cross = entered.T @ wanted if cross is None else cross + entered.T @ wanted
    if gram is None or cross is None:
        return None
    sizes, vectors = np.linalg.eigh(gram)
    return Ridge(shape, np.maximum(sizes, 0.0), vectors, vectors.T @ cross)


def _entered(windows: Numbers, shape: Shape) -> tuple[Numbers, Numbers]:
    """What enters the regression `(windows or windows x phases, features)`, and each window's level `(windows, 1)`."""
    level = windows[:, -shape.season :].mean(axis=1, keepdims=True)
    measured = windows - level
    if not shape.shared:
        return measured, level
    # Beside each value the mean of its neighbourhood: what happened around it counts too.
    half = shape.season // 2
    padded = np.pad(measured, ((0, 0), (half, half)), mode="edge")
    sums = np.cumsum(np.pad(padded, ((0, 0), (1, 0))), axis=1)
    around = (sums[:, 2 * half + 1 :] - sums[:, : -2 * half - 1]) / (2 * half + 1)
    return np.concatenate([_by_phase(measured, shape.season), _by_phase(around, shape.season)], axis=1), level


def _by_phase(windows: Numbers, season: int) -> Numbers:
    """`(windows, seasons x season)` as `(windows x season, seasons)`."""
    return windows.reshape(len(windows), -1, season).transpose(0, 2, 1).reshape(len(windows) * season, -1)


def _laid_out(answers: Numbers, shape: Shape, horizon: int) -> Numbers:
    """The answers of the regression as `(windows, horizon)`."""
    if not shape.shared:
        return answers
    seasons = answers.shape[1]
    by_window = answers.reshape(-1, shape.season, seasons).transpose(0, 2, 1)
    return by_window.reshape(len(by_window), -1)[:, :horizon]

"""What a forecaster answers: a forecast with its band, and a backtest with its errors beside the naive ones."""

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.charts import Line, lines
from lepton_ai.platform.frameworks.forecasting.panel import Name, Numbers

if TYPE_CHECKING:
    import polars

_ROWS_SHOWN = 4
_HISTORY_SHOWN = 3


@dataclass(frozen=True)
class Forecast:
    """The next steps of every series.

    Args:
        series: The name of each series; one empty name where there is a single series.
        targets: What was forecast of each.
        times: The moments `(horizon,)`; step numbers from the history's first where it has no times.
        mean: What is expected, `(series x targets, horizon)`.
        levels: The levels of the quantiles, ascending.
        quantiles: The quantiles, `(series x targets, horizon, levels)`.
        history: The last values before, for the picture.
    """

    series: tuple[Name, ...]
    targets: tuple[str, ...]
    times: NDArray[Any]
    mean: Numbers
    levels: tuple[float, ...]
    quantiles: Numbers
    history: Numbers = field(repr=False)

    def to_frame(self) -> "polars.DataFrame":
        """As a polars frame: one row for each series, target and moment, one column for each quantile."""
        import polars as pl

        horizon = len(self.times)
        columns: dict[str, Any] = {}
        if len(self.series) > 1:
            columns["series"] = np.repeat(np.array(self.series), len(self.targets) * horizon)
        columns["target"] = np.tile(np.repeat(np.array(self.targets), horizon), len(self.series))
        columns["time"] = np.tile(self.times, len(self.mean))
        columns["mean"] = self.mean.ravel()
        for place, level in enumerate(self.levels):
            columns[f"q{level:g}"] = self.quantiles[:, :, place].ravel()
        return pl.DataFrame(columns)

    def __str__(self) -> str:
        band = f"{self.levels[0]:g} to {self.levels[-1]:g}"
        told = []
        for row, name in enumerate(self._row_names[:_ROWS_SHOWN]):
            first = f"{self.mean[row, 0]:.6g} ({self.quantiles[row, 0, 0]:.6g} … {self.quantiles[row, 0, -1]:.6g})"
            last = f"{self.mean[row, -1]:.6g} ({self.quantiles[row, -1, 0]:.6g} … {self.quantiles[row, -1, -1]:.6g})"
            told.append(f"{name}: {first} at {self.times[0]}, {last} at {self.times[-1]}")
        more = len(self.mean) - _ROWS_SHOWN
        told += [f"and {more} more"] if more > 0 else []
        return "\n".join([f"Forecast of {len(self.times)} steps, mean and quantiles {band}", *told])

    def _repr_html_(self) -> str:
        return "".join(self._picture(row) for row in range(min(len(self.mean), _ROWS_SHOWN)))

    def _picture(self, row: int) -> str:
        horizon = len(self.times)
        past = self.history[row, -_HISTORY_SHOWN * horizon :]
        ahead = np.arange(1, horizon + 1)
        drawn = [
            Line("before", list(range(1 - len(past), 1)), past.tolist()),
            Line(
                "forecast",
                ahead.tolist(),
                self.mean[row].tolist(),
                self.quantiles[row, :, 0].tolist(),
                self.quantiles[row, :, -1].tolist(),
            ),
        ]
        return lines(drawn, title=self._row_names[row], x_label="steps from now")

    @property
    def _row_names(self) -> list[str]:
        return [
            f"{name} {target}".strip() if len(self.targets) > 1 or len(self.series) == 1 else str(name)
            for name in self.series
            for target in self.targets
        ]


@dataclass(frozen=True)
class Backtest:
    """Forecasts from many origins, and what came.

    Args:
        origins: The moment of the first step of each forecast `(origins,)`.
        truth: What came, `(series x targets, origins, horizon)`; NaN where nothing was measured.
        mean: What was expected, as the truth.
        levels: The levels of the quantiles.
        quantiles: The quantiles, `(series x targets, origins, horizon, levels)`.
        naive: The best naive forecast of the race, as the truth.
        naive_name: What it is called.
    """

    origins: NDArray[Any]
    truth: Numbers = field(repr=False)
    mean: Numbers = field(repr=False)
    levels: tuple[float, ...]
    quantiles: Numbers = field(repr=False)
    naive: Numbers = field(repr=False)
    naive_name: str

    @property
    def metrics(self) -> Mapping[str, float]:
        """Errors over all series, origins and steps, and the share of the truth within the outermost quantiles.

        `mse`, `rmse`, `mae`; `wape`, the sum of errors over the sum of values; `mape`, only where no value is zero;
        `coverage`.
        """
        return {**_errors(self.truth, self.mean), "coverage": float(self._inside().mean())}

    @property
    def naive_metrics(self) -> Mapping[str, float]:
        """The errors of the naive forecast."""
        return _errors(self.truth, self.naive)

    @property
    def by_step(self) -> Numbers:
        """The root mean squared error of each step ahead `(horizon,)`."""
        return np.asarray(np.sqrt(np.nanmean(np.square(self.mean - self.truth), axis=(0, 1))))

    def __str__(self) -> str:
        ours, naive = self.metrics, self.naive_metrics
        told = [f"Backtest from {len(self.origins)} origins, {self.origins[0]} to {self.origins[-1]}"]
        told.append(f"{'':<10} {'forecast':>12} {self.naive_name:>28}")
        told += [f"{name:<10} {ours[name]:>12.5g} {naive[name]:>28.5g}" for name in naive]
        wanted = self.levels[-1] - self.levels[0]
        return "\n".join([*told, f"{ours['coverage']:.3f} of the values lie within the band of {wanted:.3g}"])

    def _repr_html_(self) -> str:
        steps = list(range(1, self.truth.shape[2] + 1))
        naive = np.sqrt(np.nanmean(np.square(self.naive - self.truth), axis=(0, 1)))
        drawn = [Line("forecast", steps, self.by_step.tolist()), Line(self.naive_name, steps, naive.tolist())]
        picture = lines(drawn, title="Error by step ahead", x_label="steps ahead", y_label="RMSE")
        return f"<pre>{html.escape(str(self))}</pre>{picture}"

    def _inside(self) -> NDArray[np.bool_]:
        there = np.isfinite(self.truth)
        low, high = self.quantiles[..., 0], self.quantiles[..., -1]
        return np.asarray(((self.truth >= low) & (self.truth <= high))[there])


def _errors(truth: Numbers, forecast: Numbers) -> dict[str, float]:
    there = np.isfinite(truth)
    wanted, errors = truth[there], (forecast - truth)[there]
    size = np.abs(wanted)
    found = {"mse": float(np.mean(errors**2)), "mae": float(np.mean(np.abs(errors)))}
    found["rmse"] = float(np.sqrt(found["mse"]))
    if size.sum() > 0:
        found["wape"] = float(np.abs(errors).sum() / size.sum())
    if size.size and size.min() > 0:
        found["mape"] = float(np.mean(np.abs(errors) / size))
    return found

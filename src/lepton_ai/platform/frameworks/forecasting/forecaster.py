"""`Forecaster`: the next steps of one series or many, with a band, by whatever forecast was best on the past."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import Conflict, InvalidInput
from lepton_ai.platform.frameworks.adaptive.log import DecisionLog
from lepton_ai.platform.frameworks.array_file import read_arrays, write_arrays
from lepton_ai.platform.frameworks.checks import check_count
from lepton_ai.platform.frameworks.forecasting.candidates import Family, Task
from lepton_ai.platform.frameworks.forecasting.export import export_forecaster
from lepton_ai.platform.frameworks.forecasting.fitted import Fitted, fit
from lepton_ai.platform.frameworks.forecasting.forecast import Backtest, Forecast
from lepton_ai.platform.frameworks.forecasting.packing import packed, unpacked
from lepton_ai.platform.frameworks.forecasting.panel import Panel
from lepton_ai.platform.frameworks.forecasting.reading import (
    Roles,
    future_of_table,
    is_array,
    panel_of_array,
    panel_of_table,
    roles_in,
)
from lepton_ai.platform.frameworks.forecasting.seasons import seasons_of
from lepton_ai.platform.preprocessing.column import names_of

_KIND = "forecaster"
_FEWEST_STEPS = 3


class Forecaster:
    """Forecasts the next steps of one series or many.

    Naive forecasts, exponential smoothing, ridge regressions in closed form, and boosted trees race on the later part
    of the history: each is fitted up to three cuts and asked beyond them. One of them, or a blend, is then fitted on
    the whole history. The band is learned from the errors beyond the cuts. `log` tells what was tried and chosen.

    Args:
        horizon: How many steps ahead.
        time: The column of times, for tables. Times must lie on equal steps; gaps are allowed.
        target: The column to forecast, or several; left out, every column that has no other role.
        series: The column that tells series apart, such as a store.
        known_ahead: Columns that are known of future steps too: holidays, prices set, a weather forecast.
        observed: Columns that are known up to the present.
        seasons: How many steps a season has; several are possible. Left out, day, week and year by the times, or what
            shows in the values where there are no times.
        quantiles: The levels of the band, from 0 to 1.
        families: Which forecasts race beside the naive ones.
        seed: Decides what is drawn; the same seed and data give the same forecast.

    Raises:
        InvalidInput: An argument is wrong.

    Example:

        >>> steps = np.arange(120)
        >>> history = 100 + steps + 20 * np.sin(2 * np.pi * steps / 12)
        >>> forecast = Forecaster(3, families=("linear",)).fit(history).predict()
        >>> forecast.mean.round(0).tolist()
        [[220.0, 231.0, 239.0]]
    """

    def __init__(
        self,
        horizon: int,
        *,
        time: str | None = None,
        target: str | Sequence[str] | None = None,
        series: str | None = None,
        known_ahead: Sequence[str] = (),
        observed: Sequence[str] = (),
        seasons: Sequence[int] | None = None,
        quantiles: Sequence[float] = (0.1, 0.5, 0.9),
        families: Sequence[str] = ("smoothing", "linear", "boosted"),
        seed: int = 0,
    ) -> None:
        self.horizon = check_count(horizon, "horizon")
        self._roles = roles_in(time, series, target, known_ahead, observed)
        self._seasons = None if seasons is None else tuple(names_of(seasons, "seasons"))
        self._levels = _checked_levels(quantiles)
        self._families = _checked_families(families)
        self._seed = check_count(seed, "seed", least=0)
        self._fitted: Fitted | None = None

    # Learning

    def fit(self, data: Any) -> Self:
        """Learn from the history.

        Args:
            data: An array `(time,)` or `(time, features)` of equal steps; or a table, see `read_table`, with a column
                of times, one row for each series and moment. Rows after the last value may hold what is known ahead.

        A value that is missing counts as not measured: it is nowhere learned as truth, and where a forecast looks at it
        the value of a season before stands in. Series may begin and end at different times.

        Raises:
            InvalidInput: The data cannot be read, or the history is too short.
        """
        panel, roles = self._read(data)
        if panel.steps < _FEWEST_STEPS:
            raise InvalidInput(f"the history must have three steps or more, got {panel.steps}")
        seasons = seasons_of(panel, self._seasons)
        task = Task(self.horizon, seasons, self._families, self._seed)
        self._fitted = fit(panel, roles, task, self._levels)
        return self

    # What it knows

    @property
    def log(self) -> DecisionLog:
        """What was tried, what was measured, what was chosen, and why."""
        return self._known.log

    @property
    def seasons(self) -> tuple[int, ...]:
        """The season lengths that were used, in steps."""
        return self._known.seasons

    # Forecasting

    def predict(self, history: Any = None, *, future: Any = None) -> Forecast:
        """Forecast the next steps.

        Args:
            history: What happened up to now, in the form that was learned from, of the same series; the history that
                was learned from if left out.
            future: A table of the coming steps with time, series and what is known ahead; not needed where the history
                has such rows already.

        Raises:
            InvalidInput: The history is too short, or something known ahead is missing for a coming step.
        """
        known = self._known
        panel = known.panel if history is None else self._read_alike(history)
        if future is not None:
            panel = future_of_table(panel, future, known.roles)
        self._check_known_ahead(panel)
        origin = np.array([panel.steps])
        self._check_length(panel)
        filled = panel.filled(known.season)
        mean = known.method.predict(filled, origin, self.horizon)
        bounds = known.spread.around(mean)
        times = panel.grid.times(panel.steps, panel.steps + self.horizon)
        return Forecast(panel.series, panel.targets, times, mean[:, 0], self._levels, bounds[:, 0], filled.values)

    def backtest(self, data: Any, *, start: Any = None, stride: int = 1) -> Backtest:
        """Forecast from many origins of data that go on after the history, and compare with what came.

        Nothing is fitted anew: at each origin the forecast sees all values before it and none after.

        Args:
            data: The history that was learned from and what came after it, in the same form.
            start: The first origin: a time, or a step for arrays; the first step after the history if left out.
            stride: Steps from one origin to the next.

        Raises:
            InvalidInput: The data do not begin with the history, an origin lies within it, or nothing comes after.
        """
        known, stride = self._known, check_count(stride, "stride")
        panel = self._read_alike(data)
        learned = known.panel.steps
        overlap = panel.values[:, :learned]
        if overlap.shape != known.panel.values.shape or not np.array_equal(overlap, known.panel.values, equal_nan=True):
            raise InvalidInput(
                "`data` must begin with the history that was learned from, got other values",
                hint="Fit on the first part of the same data, and pass all of it here.",
            )
        first = learned if start is None else self._step_of(panel, start)
        if first < learned:
            raise InvalidInput(
                f"`start` must not lie within the history that was learned from, got {start!r}",
                hint="Fit on a shorter history.",
            )
        origins = np.arange(first, panel.steps - self.horizon + 1, stride)
        if not len(origins):
            raise InvalidInput(
                f"`data` must go on for {self.horizon} steps after the first origin, got {panel.steps - first}"
            )
        filled = panel.filled(known.season)
        mean = known.method.predict(filled, origins, self.horizon)
        places = origins[:, np.newaxis] + np.arange(self.horizon)
        naive = known.naive.predict(filled.values, origins, self.horizon)
        moments = panel.grid.times(first, panel.steps)[origins - first]
        bounds = known.spread.around(mean)
        return Backtest(moments, panel.values[:, places], mean, self._levels, bounds, naive, known.naive.name)

    # Saving

    def save(self, path: str | Path) -> Path:
        """Write it to one `.npz` file, the history included."""
        known, arrays = self._known, dict[str, NDArray[Any]]()
        document = {
            "kind": _KIND,
            "version": 1,
            "horizon": self.horizon,
            "quantiles": list(self._levels),
            "families": list(self._families),
            "seed": self._seed,
            "given_seasons": None if self._seasons is None else list(self._seasons),
            "seasons": list(known.seasons),
            "roles": packed(known.roles, arrays),
            "log": known.log.to_json(),
            "panel": packed(known.panel, arrays),
            "method": packed(known.method, arrays),
            "spread": packed(known.spread, arrays),
            "naive": packed(known.naive, arrays),
        }
        return write_arrays(path, document, arrays)

    def export(self, folder: str | Path, *, metrics: Mapping[str, float] | None = None) -> Path:
        """Write what `Cloud().models.push_folder(folder, name)` registers: the last values in, mean and quantiles out.

        Args:
            folder: An empty folder, or one to make.
            metrics: What was measured, as `backtest(...).metrics`.

        Raises:
            NotSupported: Several series, or a forecast by smoothing or trees, which see more than a window of values.
            Conflict: The folder is not empty.
            MissingPackage: onnx is not installed.
        """
        return export_forecaster(self._known, self.horizon, Path(folder), metrics)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            NotFound: There is no such file.
            InvalidInput: It holds something else.
        """
        document, arrays = read_arrays(path, _KIND)
        roles: Roles = unpacked(document["roles"], arrays)
        forecaster = cls(
            document["horizon"],
            time=roles.time,
            target=roles.targets,
            series=roles.series,
            known_ahead=roles.known_ahead,
            observed=roles.observed,
            seasons=document["given_seasons"],
            quantiles=document["quantiles"],
            families=document["families"],
            seed=document["seed"],
        )
        parts = {name: unpacked(document[name], arrays) for name in ("panel", "method", "spread", "naive")}
        log = DecisionLog.from_json(document["log"])
        forecaster._fitted = Fitted(roles=roles, seasons=tuple(document["seasons"]), log=log, **parts)
        return forecaster

    def __str__(self) -> str:
        if self._fitted is None:
            return f"Forecaster of {self.horizon} steps, not fitted"
        panel, last = self._fitted.panel, tuple(self._fitted.log)[-1]
        lines = f"{panel.rows} series" if panel.rows > 1 else "one series"
        return f"Forecaster of {self.horizon} steps, from {panel.steps} steps of {lines}: {last.chosen}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        log = "" if self._fitted is None else self._fitted.log._repr_html_()
        return f"<p><b>{html.escape(str(self))}</b></p>{log}"

    # Inside

    @property
    def _known(self) -> Fitted:
        if self._fitted is None:
            raise Conflict("the forecaster has learned nothing yet", hint="Call fit(history) first.")
        return self._fitted

    def _read(self, data: Any) -> tuple[Panel, Roles]:
        if is_array(data):
            if self._roles.names:
                raise InvalidInput(
                    f"an array has no columns, got roles for {', '.join(map(repr, self._roles.names))}",
                    hint="Pass a table, or leave the columns out.",
                )
            panel = panel_of_array(data)
            return panel, Roles(None, None, panel.targets)
        panel = panel_of_table(data, self._roles)
        return panel, replace(self._roles, targets=panel.targets)

    def _read_alike(self, data: Any) -> Panel:
        """Data in the form that was learned from, of the same series."""
        known = self._known
        if is_array(data) != (known.roles.time is None):
            wanted = "an array" if known.roles.time is None else "a table"
            raise InvalidInput(f"the history must be {wanted}, as it was in fit, got {type(data).__name__}")
        if known.roles.time is not None:
            return panel_of_table(data, known.roles, known.panel.grid, known.panel.series)
        panel = panel_of_array(data)
        if panel.rows != known.panel.rows:
            raise InvalidInput(f"the history must have {known.panel.rows} features, as in fit, got {panel.rows}")
        return panel

    def _check_length(self, panel: Panel) -> None:
        needs = self._known.method.needs
        if panel.steps < needs:
            raise InvalidInput(
                f"the history must have {needs} steps or more, got {panel.steps}",
                hint="Pass more of what came before.",
            )

    def _check_known_ahead(self, panel: Panel) -> None:
        missing = panel.steps + self.horizon - panel.known.shape[1]
        if panel.known_names and missing > 0:
            moment = panel.grid.times(panel.known.shape[1], panel.known.shape[1] + 1)[0]
            names = ", ".join(f"`{name}`" for name in panel.known_names)
            raise InvalidInput(
                f"{names} must be known for {self.horizon} steps ahead, got nothing from {moment} on",
                hint="Pass them: predict(future=table).",
            )

    def _step_of(self, panel: Panel, start: Any) -> int:
        if panel.grid.start == "":
            return check_count(start, "start", least=0)
        try:
            place = float(panel.grid.places(np.array([np.datetime64(start, "us")]))[0])
        except (ValueError, TypeError) as error:
            raise InvalidInput(f"`start` must be a time, got {start!r}", hint="Write '2020-01-31'.") from error
        if place != round(place):
            raise InvalidInput(f"`start` must lie on the steps of the data, got {start!r}")
        return int(place)


def _checked_levels(quantiles: Sequence[float]) -> tuple[float, ...]:
    try:
        levels = tuple(float(level) for level in quantiles)
    except (TypeError, ValueError):
        levels = ()
    if not levels or sorted(set(levels)) != list(levels) or not 0 < levels[0] <= levels[-1] < 1:
        raise InvalidInput(f"`quantiles` must ascend between 0 and 1, got {quantiles!r}", hint="[0.1, 0.5, 0.9], say.")
    return levels


def _checked_families(families: Sequence[str]) -> tuple[Family, ...]:
    offered = [family.value for family in Family if family is not Family.NAIVE]
    is_several = isinstance(families, Sequence) and not isinstance(families, str)
    if not is_several or any(name not in offered for name in families):
        raise InvalidInput(f"`families` must be some of {', '.join(offered)}, got {families!r}")
    return tuple(Family(name) for name in families)

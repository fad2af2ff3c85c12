"""How a model does over time: its loss in stretches of equally many rows, beside its baselines."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.evaluation.arrays import Floats
from lepton_ai.platform.evaluation.conditions import show
from lepton_ai.platform.evaluation.measuring import Draws, finite
from lepton_ai.platform.evaluation.report_parts import Period
from lepton_ai.platform.evaluation.shares import inside_and_elsewhere, mean_of

_MOST_PERIODS = 12
_ROWS_IN_PERIOD = 30


def periods(
    times: NDArray[Any],
    loss: Floats,
    baseline_losses: Mapping[str, Floats],
    happened: Floats | None,
    predicted: Floats | None,
    draws: Draws,
) -> tuple[Period, ...]:
    """Stretches of time of about equally many rows; rows of one time are never parted, rows without one are left out.

    Args:
        times: Dates or numbers, `(rows,)`.
        loss: The model's loss of each row.
        baseline_losses: That of each baseline.
        happened: What is predicted as one number per row, and
        predicted: what the model says it is; None with more than two classes.
        draws: What the intervals are made with.
    """
    known = ~np.isnat(times) if times.dtype.kind == "M" else np.isfinite(times)
    if not known.any():
        return ()
    parts = _stretches(times, np.flatnonzero(known))
    flags = np.zeros((len(times), len(parts)))
    for place, part in enumerate(parts):
        flags[part, place] = 1
    statistic = inside_and_elsewhere(mean_of("loss", loss), flags)
    drawn = draws.of({"loss": statistic})["loss"]
    return tuple(
        Period(
            start=show(times[part].min()),
            end=show(times[part].max()),
            rows=len(part),
            loss=draws.estimate(float(loss[part].mean()), drawn[:, place]),
            baseline_losses={name: float(losses[part].mean()) for name, losses in baseline_losses.items()},
            truth=None if happened is None else finite(happened[part].mean()),
            predicted=None if predicted is None else finite(predicted[part].mean()),
        )
        for place, part in enumerate(parts)
    )


def _stretches(times: NDArray[Any], known: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The numbers of the rows of each stretch, the earliest first."""
    ordered = known[np.argsort(times[known], kind="stable")]
    count = int(np.clip(len(ordered) // _ROWS_IN_PERIOD, 1, _MOST_PERIODS))
    wanted = np.arange(1, count) * len(ordered) // count
    # A cut moves back to where its time begins.
    sorted_times = times[ordered]
    cuts = np.unique(np.searchsorted(sorted_times, sorted_times[wanted], side="left"))
    return [part for part in np.split(ordered, cuts) if len(part)]

"""What came before a row: nothing of later rows, nothing of others."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.history import with_history


def machines(rows: int = 30, seed: int = 0) -> pl.DataFrame:
    """Two machines whose hours are all mixed up."""
    chance = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            "machine": np.repeat(["a", "b"], rows),
            "hour": np.tile(np.arange(rows), 2),
            "heat": chance.normal(size=2 * rows),
        }
    )
    return frame.sample(fraction=1.0, shuffle=True, seed=seed)


@given(st.integers(1, 29), st.integers(0, 5))
def test_what_comes_later_changes_nothing_before(cut: int, seed: int) -> None:
    frame = machines(seed=seed)
    changed = frame.with_columns(heat=pl.when(pl.col("hour") >= cut).then(99.0).otherwise(pl.col("heat")))
    before = pl.col("hour") < cut
    one, other = (
        with_history(each, ["heat"], time="hour", group="machine", windows=[2, 7]).filter(before)
        for each in (frame, changed)
    )
    assert one.equals(other)


def test_rows_keep_their_order_and_histories_their_own_rows() -> None:
    frame = machines()
    found = with_history(frame, ["heat"], time="hour", group="machine", windows=[3, 10])
    assert found.select(frame.columns).equals(frame)
    for (machine,), part in found.sort("hour").group_by("machine"):
        heat = frame.filter(pl.col("machine") == machine).sort("hour")["heat"].to_numpy()
        means = [[heat[max(row - window + 1, 0) : row + 1].mean() for row in range(30)] for window in (3, 10)]
        assert np.allclose(part["heat_mean_3"], means[0]) and np.allclose(part["heat_mean_10"], means[1])
        lasts = [heat[max(row - 9, 0) : row + 1] for row in range(1, 30)]
        slopes = [np.polyfit(np.arange(len(last)), last, 1)[0] for last in lasts]
        assert np.allclose(part["heat_trend"], [0, *slopes])
        assert np.allclose(part["heat_deviation"], [0, *(last.std(ddof=1) for last in lasts)])
        assert part["rows_before"].to_list() == list(range(30))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"columns": ["cold"]}, "must have the column 'cold', got 'machine', 'hour', 'heat'"),
        ({"columns": ["machine"]}, "must hold numbers, got 'machine' of type String"),
        ({"windows": [0]}, r"must be whole numbers above 0, got \[0\]"),
        ({"windows": []}, r"must be whole numbers above 0, got \[\]"),
        ({"group": None}, "two rows at the same time"),
    ],
)
def test_what_has_no_history_is_refused(changes: dict[str, object], said: str) -> None:
    arguments = {"columns": ["heat"], "time": "hour", "group": "machine", **changes}
    with pytest.raises(InvalidInput, match=said):
        with_history(machines(), **arguments)

"""Steps in time: found from the times of a table, counted on and back, with the seasons that they have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.forecasting.grid import Grid, Unit, grid_of

HOUR_US = 3_600_000_000


def moments(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[us]")


@given(st.integers(1, 48), st.integers(3, 60), st.integers(0, 20))
def test_places_undo_times_on_any_grid(hours: int, count: int, first: int) -> None:
    grid = Grid(Unit.MICROSECOND, hours * HOUR_US, "2021-03-04T05:00:00")
    assert grid.places(grid.times(first, first + count)).tolist() == list(range(first, first + count))


def test_ends_of_months_are_steps_of_a_month() -> None:
    grid = grid_of(moments("2019-12-31", "2020-01-31", "2020-02-29", "2020-03-31", "2020-05-31"))
    assert (grid.unit, grid.step, grid.seasons) == (Unit.MONTH, 1, (12,))
    assert grid.times(4, 5)[0] == np.datetime64("2020-04-30")


def test_quarters_have_a_season_of_four() -> None:
    grid = grid_of(moments("2019-01-01", "2019-04-01", "2019-07-01", "2019-10-01", "2020-01-01"))
    assert (grid.step, grid.seasons) == (3, (4,))


def test_weekdays_alone_are_business_days() -> None:
    days = np.arange(np.datetime64("2020-01-01"), np.datetime64("2020-03-01"))
    grid = grid_of(days[np.is_busday(days)])
    assert grid.unit is Unit.BUSINESS_DAY
    assert grid.times(0, 4)[3] == np.datetime64("2020-01-06")


def test_a_missing_moment_leaves_the_grid_as_it_is() -> None:
    hours = np.datetime64("2020-01-01T00", "us") + np.arange(50) * np.timedelta64(1, "h")
    assert grid_of(np.delete(hours, [7, 8, 30])) == grid_of(hours)
    assert grid_of(hours).seasons == (24, 168)


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (("2020-01-01", "2020-01-02"), "three moments or more, got 2"),
        (("2020-01-01", "2020-01-02", "2020-01-03", "2020-01-04T12"), "equal steps, got 2020-01-03"),
    ],
)
def test_times_without_a_grid_are_refused(times: tuple[str, ...], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        grid_of(moments(*times))

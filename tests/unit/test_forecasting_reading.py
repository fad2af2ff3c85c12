"""Series as they come: gaps, late beginnings, repeated rows, rows of the future, and what is refused."""

from typing import Any

import numpy as np
import pytest

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.forecasting.panel import Panel
from lepton_ai.platform.frameworks.forecasting.reading import Roles, future_of_table, panel_of_array, panel_of_table
from lepton_ai.platform.frameworks.forecasting.seasons import found_in, seasons_of

DAYS = [f"2020-01-{day:02d}" for day in range(1, 11)]
ROLES = Roles("day", "shop", ("sold",), ("holiday",))


def table(**changes: Any) -> dict[str, Any]:
    columns = {"day": DAYS * 2, "shop": ["b"] * 10 + ["a"] * 10, "sold": [*range(10), *range(100, 110)]}
    return {**columns, "holiday": [0, 1] * 10, **changes}


def test_series_come_in_the_order_of_their_names() -> None:
    panel = panel_of_table(table(), ROLES)
    assert panel.series == ("a", "b")
    assert panel.values.tolist() == [list(range(100, 110)), list(range(10))]


def test_order_of_rows_does_not_matter() -> None:
    rows = table()
    order = np.random.default_rng(0).permutation(20)
    shuffled = {name: [column[place] for place in order] for name, column in rows.items()}
    assert np.array_equal(panel_of_table(shuffled, ROLES).values, panel_of_table(rows, ROLES).values)


def test_missing_moments_and_values_become_gaps() -> None:
    rows = table(sold=[*range(9), None, *range(100, 110)])
    rows = {name: column[:3] + column[4:] for name, column in rows.items()}
    panel = panel_of_table(rows, ROLES)
    assert np.flatnonzero(np.isnan(panel.values[1])).tolist() == [3, 9]


def test_a_gap_is_filled_from_the_season_before_and_never_from_what_comes_after() -> None:
    values = np.array([1.0, 2.0, 3.0, np.nan, np.nan, 7.0])
    filled = panel_of_array(values).filled(2).values[0]
    assert filled.tolist() == [1.0, 2.0, 3.0, 2.0, 3.0, 7.0]
    changed = panel_of_array(np.array([1.0, 2.0, 3.0, np.nan, np.nan, 99.0])).filled(2).values[0]
    assert changed[:5].tolist() == filled[:5].tolist()


def test_a_series_that_begins_late_repeats_its_first_season_backwards() -> None:
    values = np.array([[1.0, np.nan], [2.0, np.nan], [1.0, 5.0], [2.0, 6.0]])
    assert panel_of_array(values).filled(2).values[1].tolist() == [5.0, 6.0, 5.0, 6.0]


def test_equal_rows_may_come_twice_and_others_may_not() -> None:
    doubled = {name: [*column, column[4]] for name, column in table().items()}
    assert np.array_equal(panel_of_table(doubled, ROLES).values, panel_of_table(table(), ROLES).values)
    doubled["sold"][-1] = 99
    with pytest.raises(InvalidInput, match=r"a moment must come once, got 2020-01-05.* of 'b' in rows 4 and 20"):
        panel_of_table(doubled, ROLES)


def test_rows_after_the_last_value_are_the_future() -> None:
    panel = panel_of_table(table(sold=[*range(8), None, None, *range(100, 108), None, None]), ROLES)
    assert panel.steps == 8
    assert panel.known.shape == (2, 10, 1)


def test_a_table_of_the_future_goes_on_where_the_history_ends() -> None:
    panel = panel_of_table(table(), ROLES)
    coming = {"day": ["2020-01-11", "2020-01-12"] * 2, "shop": ["a", "a", "b", "b"], "holiday": [1, 1, 0, 0]}
    assert future_of_table(panel, coming, ROLES).known[:, 10:, 0].tolist() == [[1.0, 1.0], [0.0, 0.0]]


def test_months_may_be_written_without_a_day() -> None:
    rows = {"month": ["1949-01", "1949-02", "1949-03"], "value": [1, 2, 3]}
    panel = panel_of_table(rows, Roles("month", None, None))
    assert panel.targets == ("value",)
    assert panel.grid.seasons == (12,)


@pytest.mark.parametrize(
    ("rows", "roles", "said"),
    [
        (table(), Roles(None, "shop", ("sold",)), "needs a column of times"),
        (table(), Roles("day", "shop", ("sole",)), "sole"),
        (table(day=list(range(20))), ROLES, "must hold times"),
        (table(day=[*DAYS, *DAYS[:9], None]), ROLES, "a time in every row, got None in row 19"),
        (table(shop=[None] * 20), ROLES, "must name the series in every row"),
        (table(sold=["many"] * 20), ROLES, "must hold numbers, got 'many'"),
        (table(sold=[*range(10), *[None] * 10]), ROLES, "must have values, got none in 'a'"),
        (table(sold=[*range(19), float("inf")]), ROLES, "finite or missing"),
        (table(day=[*DAYS, *DAYS[:9], "3020-01-10"]), ROLES, "so far apart, got 365252 steps"),
    ],
)
def test_bad_tables_end_in_one_clear_error(rows: dict[str, Any], roles: Roles, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        panel_of_table(rows, roles)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((2, 2, 2)), "shape"),
        (np.array(["a", "b"]), "must hold numbers"),
        (np.full(5, np.nan), "must have values"),
        (np.zeros(0), "shape"),
    ],
)
def test_bad_arrays_end_in_one_clear_error(array: np.ndarray, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        panel_of_array(array)


def test_two_seasons_show_where_two_are() -> None:
    steps = np.arange(2000)
    weekend = ((steps // 24) % 7 >= 5) * np.sin(2 * np.pi * steps / 24) * -1.5
    values = np.sin(2 * np.pi * steps / 24) + weekend + np.random.default_rng(0).normal(size=2000) * 0.1
    assert found_in(values[None, :]) == (24, 168)


def test_given_seasons_must_fit_twice_into_the_history() -> None:
    panel: Panel = panel_of_array(np.arange(20.0))
    assert seasons_of(panel, (7, 5)) == (5, 7)
    for wrong in ((1,), (2.5,), (11,)):
        with pytest.raises(InvalidInput, match="season"):
            seasons_of(panel, wrong)  # type: ignore[arg-type]

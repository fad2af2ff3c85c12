"""What a recommender is made of: reading interactions, the closed-form item model, next items, moods."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.recommendation.choosing import hold_back
from lepton_ai.platform.frameworks.recommendation.histories import histories_of, one_history
from lepton_ai.platform.frameworks.recommendation.interactions import read_interactions
from lepton_ai.platform.frameworks.recommendation.item_model import fit_item_model
from lepton_ai.platform.frameworks.recommendation.mood import Moods
from lepton_ai.platform.frameworks.recommendation.next_items import count_next_items
from lepton_ai.platform.frameworks.recommendation.ranking import ranks_of

TAKEN = {
    "userId": [1, 1, 2, 1, 2],
    "item": ["tea", "cup", "tea", "pot", "cup"],
    "rating": [5, 3, 4, 4.5, 1],
    "timestamp": [10, 30, 5, 20, 5],
}


def test_interactions_come_by_user_and_time() -> None:
    read = read_interactions(TAKEN)
    assert read.users == (1, 2)
    assert [read.items[item] for item in read.item] == ["tea", "pot", "cup", "tea", "cup"]
    assert read.ages.tolist() == [2, 1, 0, 0.5, 0.5]


def test_arrays_come_in_the_order_user_item_rating_time() -> None:
    as_arrays = read_interactions(tuple(np.array(column) for column in TAKEN.values()))
    as_table = read_interactions(np.array([[1, 7, 5.0, 10], [2, 9, 4.0, 5]]))
    assert as_arrays.item.tolist() == read_interactions(TAKEN).item.tolist()
    assert (as_table.users, as_table.items) == ((1, 2), (7, 9))
    assert as_table.rating is not None and as_table.rating.tolist() == [5.0, 4.0]


def test_times_may_be_dates_or_texts() -> None:
    texts = read_interactions({"user": [1, 1], "item": ["a", "b"], "date": ["2020-03-01", "2020-02-01"]})
    assert texts.item.tolist() == [1, 0]
    assert texts.time is not None and texts.time[1] - texts.time[0] == 29 * 86_400


def test_of_an_item_taken_twice_the_later_row_counts() -> None:
    read = read_interactions({"user": ["a", "a", "a"], "item": [1, 2, 1], "rating": [1, 2, 3], "time": [1, 2, 3]})
    assert read.item.tolist() == [1, 0]
    assert read.rating is not None and read.rating.tolist() == [2, 3]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"userId": [1, None, 2, 1, 2]}, "every interaction must have a user, got 1 empty cells in `userId`"),
        ({"item": [None] * 5}, "every interaction must have an item"),
        ({"rating": ["good"] * 5}, "each rating must be a number"),
        ({"rating": [1, 2, float("inf"), 4, 5]}, "finite"),
        ({"timestamp": ["noon"] * 5}, "must hold times, got 'noon'"),
    ],
)
def test_bad_cells_end_in_one_clear_error(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read_interactions({**TAKEN, **changes})


def test_a_table_with_other_names_is_asked_for_them() -> None:
    with pytest.raises(InvalidInput, match="the column of each user is not clear") as raised:
        read_interactions({"who": [1], "what": [2]})
    assert raised.value.hint == "Name it: user='who', say."
    assert read_interactions({"who": [1], "what": [2]}, user="who", item="what").items == (2,)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 200))
def test_both_ways_to_solve_the_item_model_agree(seed: int, penalty: float) -> None:
    random = np.random.default_rng(seed)
    rows = (random.random((12, 15)) < 0.3).astype(np.float32)
    by_users = fit_item_model(csr_matrix(rows), penalty)
    by_items = fit_item_model(csr_matrix(rows), penalty, largest=11)
    precision = np.linalg.inv(rows.T @ rows + penalty * np.eye(15))
    weights = -precision / np.diag(precision)
    np.fill_diagonal(weights, 0)
    assert by_users.inverse is not None and by_items.inverse is None
    assert by_users.scores(csr_matrix(rows)) == pytest.approx(rows @ weights, abs=2e-3)
    every = np.arange(15)
    assert by_users.weights_between(every, every) == pytest.approx(weights, abs=2e-3)
    assert len(by_items.kept) == 11


def test_item_model_over_items_is_the_textbook_solution() -> None:
    rows = (np.random.default_rng(0).random((40, 6)) < 0.4).astype(np.float32)
    model = fit_item_model(csr_matrix(rows), 3.0)
    precision = np.linalg.inv(rows.T @ rows + 3.0 * np.eye(6))
    weights = -precision / np.diag(precision)
    np.fill_diagonal(weights, 0)
    assert model.weights == pytest.approx(weights, abs=1e-5)
    assert model.weights_between(np.array([2]), np.array([2, 5])) == pytest.approx(
        weights[2, [2, 5]][None, :], abs=1e-5
    )


def test_next_items_follow_in_time_and_at_one_moment_count_both_ways() -> None:
    read = read_interactions({"user": [1, 1, 1], "item": ["a", "b", "c"], "time": [1, 1, 2]})
    follows = count_next_items(read).toarray()
    assert follows[0, 1] > 0 and follows[1, 0] > 0
    assert follows[1, 2] > 0 and follows[2].sum() == 0


def test_of_a_new_history_the_last_item_is_the_newest() -> None:
    history = one_history([4, 2, 4, 3], items=5)
    assert dict(zip(history.item.tolist(), history.age.tolist(), strict=True)) == {3: 0, 4: 1, 2: 2}
    weights = history.matrix(memory=1.0).toarray()[0]
    assert weights[3] > weights[4] > weights[2] > weights[0] == 0


def test_holding_back_takes_the_last_item_of_whoever_has_two() -> None:
    read = read_interactions({"user": [1, 1, 2], "item": ["a", "b", "a"], "time": [1, 2, 3]})
    left, users, wanted = hold_back(read, seed=0)
    assert (len(left), users.tolist(), wanted.tolist()) == (2, [0], [1])
    assert np.diff(histories_of(left).starts).tolist() == [1, 1]


def test_items_with_the_same_score_share_their_places() -> None:
    scores = np.array([[3.0, 1.0, 1.0, 1.0, -np.inf]], np.float32)
    assert ranks_of(scores, np.array([2])).tolist() == [2.0]


def test_mood_is_that_of_the_ratings_nearest_to_the_moment() -> None:
    moods = Moods(np.array([0, 20]), np.arange(20.0), np.r_[np.ones(10), -np.ones(10)], doubt=1.0)
    early, late = moods.at(np.array([0, 0]), np.array([2.0, 18.0]))
    assert early > 0.5 and late < -0.5
    assert -0.2 < moods.at(np.array([0]), None)[0] < 0

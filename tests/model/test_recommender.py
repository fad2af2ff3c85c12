"""A recommender on tastes that were made up, so that what it should say is known."""

from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import pytest

from lepton_ai.core.errors import Conflict, InvalidInput, NotFound, NotSupported
from lepton_ai.platform.frameworks.recommendation.recommender import Recommender

ITEMS = 40


def tastes(users: int = 120, others: int = 0, seed: int = 0) -> dict[str, Any]:
    """Users who walk upwards through the even or the odd items; others, in between, they rate low."""
    random = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        taste, kindness = user % 2, random.normal() * 0.3
        liked = np.arange(taste, ITEMS, 2)
        start = int(random.integers(0, 9))
        for step, item in enumerate(liked[start : start + 8]):
            rows.append((f"user {user}", int(item), 4 + kindness + random.normal() * 0.1, step))
        disliked = random.choice(np.arange(1 - taste, ITEMS, 2), others, replace=False)
        rows += [(f"user {user}", int(item), 2 + kindness, random.uniform(0, 7)) for item in disliked]
    return dict(zip(("user", "item", "rating", "time"), map(list, zip(*rows, strict=True)), strict=True))


@pytest.fixture(scope="module")
def recommender() -> Recommender:
    return Recommender().fit(tastes())


def test_it_offers_more_of_the_same_taste_and_says_why(recommender: Recommender) -> None:
    for user in ("user 10", "user 11"):
        offered = recommender.recommend(user, 2)
        assert [each.item % 2 for each in offered] == [int(user[-1])] * 2
        assert offered[0].because
        assert offered[0].because[0] % 2 == int(user[-1])


def test_it_offers_the_next_item_first(recommender: Recommender) -> None:
    assert recommender.recommend_for_history([2, 4, 6, 8], 1)[0].item == 10


def test_it_offers_nothing_twice(recommender: Recommender) -> None:
    taken = tastes()
    had = {item for user, item in zip(taken["user"], taken["item"], strict=True) if user == "user 3"}
    offered = [each.item for each in recommender.recommend("user 3", ITEMS)]
    assert sorted([*had, *offered]) == list(recommender.items)


def test_many_are_answered_as_one_by_one(recommender: Recommender) -> None:
    many = recommender.recommend_many(n=5)
    assert list(many) == list(recommender.users)
    for user in list(recommender.users)[:10]:
        assert many[user] == tuple(each.item for each in recommender.recommend(user, 5))


def test_without_a_history_the_most_popular_is_offered(recommender: Recommender) -> None:
    counts = np.bincount(tastes()["item"])
    offered = recommender.recommend_for_history([], 3)
    assert counts[offered[0].item] == counts.max()
    assert offered == recommender.recommend_for_history(["never seen"], 3)
    assert offered[0].because == ()


def test_similar_items_are_of_the_same_taste(recommender: Recommender) -> None:
    assert {each.item % 2 for each in recommender.similar_items(10, 3)} == {0}


def test_ratings_are_what_was_made_up(recommender: Recommender) -> None:
    rated = Recommender().fit(tastes(others=3))
    liked, other = rated.predict_rating("user 10", [30, 31])
    assert liked > other + 0.5
    report = rated.evaluate()
    assert report.rating_error is not None and report.bias_error is not None
    assert report.rating_error < 0.9 * report.bias_error
    assert recommender.predict_rating(["user 10", "nobody"], 30).shape == (2,)
    assert 1 < recommender.predict_rating("nobody", "nothing")[0] < 5


def test_it_beats_popularity_and_the_neighbours_where_order_matters(recommender: Recommender) -> None:
    report = recommender.evaluate(n=5)
    assert report.ours.ndcg > report.neighbours.ndcg > report.popularity.ndcg
    assert "HR@5" in str(report)


def test_a_saved_one_answers_as_before(recommender: Recommender, tmp_path: Path) -> None:
    again = Recommender.load(recommender.save(tmp_path / "tastes"))
    assert str(again) == str(recommender)
    assert again.recommend("user 7") == recommender.recommend("user 7")
    assert again.predict_rating("user 7", 3, at=2.0) == recommender.predict_rating("user 7", 3, at=2.0)
    assert again.log == recommender.log


def test_same_seed_and_data_give_the_same_choice_in_any_order_of_rows(recommender: Recommender) -> None:
    taken = tastes()
    order = np.random.default_rng(5).permutation(len(taken["user"]))
    shuffled = {name: [column[place] for place in order] for name, column in taken.items()}
    assert Recommender().fit(shuffled).log == recommender.log


def test_without_times_and_ratings_it_still_recommends() -> None:
    taken = {name: column for name, column in tastes().items() if name in ("user", "item")}
    recommender = Recommender().fit(taken)
    assert {each.item % 2 for each in recommender.recommend("user 10", 3)} == {0}
    with pytest.raises(NotSupported, match="needs ratings"):
        recommender.predict_rating("user 10", 3)


def test_a_handful_of_rows_is_enough() -> None:
    recommender = Recommender().fit({"user": [1, 1, 2, 2, 3], "item": ["a", "b", "a", "b", "a"]})
    assert recommender.recommend(3, 5)[0].item == "b"
    assert "only 2 users" in str(recommender.log)


def test_what_is_asked_wrongly_ends_in_one_clear_error(recommender: Recommender) -> None:
    with pytest.raises(Conflict, match="learned nothing yet"):
        Recommender().recommend("user 1")
    with pytest.raises(NotFound, match="the user must be one that was learned from, got 'user 1000'"):
        recommender.recommend("user 1000")
    with pytest.raises(NotFound, match="the item"):
        recommender.similar_items(1000)
    with pytest.raises(InvalidInput, match="`n`"):
        recommender.recommend("user 1", 0)
    with pytest.raises(InvalidInput, match="must be a list of items"):
        recommender.recommend_for_history("tea")
    with pytest.raises(InvalidInput, match="must be as many"):
        recommender.predict_rating(["user 1", "user 2"], [1, 2, 3])
    with pytest.raises(InvalidInput, match="two items or more"):
        Recommender().fit({"user": [1, 2], "item": ["a", "a"]})
    with pytest.raises(NotFound, match="no file"):
        Recommender.load("nowhere.npz")


def test_example_prints_what_it_promises(capsys: pytest.CaptureFixture[str]) -> None:
    run_path(str(Path(__file__).parents[2] / "examples" / "05_recommend.py"))
    assert "because of" in capsys.readouterr().out

"""Bootstrap intervals: each kind of draw keeps its promise, and intervals hold the truth about as often as they say."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_ai.platform.evaluation import metrics
from lepton_ai.platform.evaluation.intervals import (
    Resampling,
    bootstrap,
    by_class,
    by_cluster,
    by_row,
    by_time,
    replicates_for,
    share_interval,
)

KINDS: dict[str, Resampling] = {
    "rows": by_row(12),
    "classes": by_class([0] * 9 + [1] * 3),
    "clusters": by_cluster(list("aaaabbbbcccc")),
    "times": by_time([1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9]),
}


def all_draws(resampling: Resampling, replicates: int = 200, seed: int = 0) -> Any:
    return np.concatenate(list(resampling.draws(replicates, seed)))


def held(interval_of: Callable[[int], tuple[float, float]], truth: float, times: int) -> float:
    """How often an interval holds the truth."""
    ends = [interval_of(number) for number in range(times)]
    return float(np.mean([low <= truth <= high for low, high in ends]))


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_gives_the_same_draws(kind: str) -> None:
    first, again, other = (all_draws(KINDS[kind], seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_is_drawn_once_on_average(kind: str) -> None:
    assert all_draws(KINDS[kind], 4000).mean(axis=0) == pytest.approx(np.ones(12), abs=0.15)


def test_draws_of_rows_have_as_many_rows() -> None:
    assert (all_draws(KINDS["rows"]).sum(axis=1) == 12).all()


def test_draws_by_class_keep_the_number_of_each() -> None:
    draws = all_draws(KINDS["classes"])
    assert (draws[:, :9].sum(axis=1) == 9).all()
    assert (draws[:, 9:].sum(axis=1) == 3).all()


def test_clusters_are_drawn_whole() -> None:
    draws = all_draws(KINDS["clusters"]).reshape(200, 3, 4)
    assert (draws == draws[:, :, :1]).all()
    assert (draws[:, :, 0].sum(axis=1) == 3).all()


def test_times_are_drawn_whole_and_in_blocks() -> None:
    times = by_time(np.repeat(np.arange(27), 2))
    assert times.block == 6
    draws = all_draws(times).reshape(200, 27, 2)
    assert (draws[:, :, 0] == draws[:, :, 1]).all()
    assert (draws[:, :, 0].sum(axis=1) == 27).all()
    jumps = (np.diff(draws[:, :, 0], axis=1) != 0).sum(axis=1)
    assert jumps.max() <= 2 * 5, "five blocks have ten ends"


def test_draws_do_not_depend_on_how_many_are_made_at_once() -> None:
    many_rows = by_row(1_500_000)  # one at a time
    parts = list(many_rows.draws(2, 0))
    assert [part.shape for part in parts] == [(1, 1_500_000)] * 2


def test_statistics_of_one_bootstrap_share_their_draws() -> None:
    truth, numbers = np.arange(20.0), np.arange(20.0) + np.linspace(-1, 1, 20)
    statistic = metrics.mae.statistic(truth, numbers)
    drawn = bootstrap({"one": statistic, "same": statistic}, by_row(20), replicates=50, seed=0)
    assert np.array_equal(drawn["one"], drawn["same"])


def test_paired_difference_is_seen_where_two_intervals_overlap() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=300)
    hard = random.normal(size=300)  # what both models miss
    one, other = truth + hard, truth + 1.05 * hard
    drawn = bootstrap(
        {"one": metrics.mae.statistic(truth, one), "other": metrics.mae.statistic(truth, other)},
        by_row(300),
        replicates=400,
        seed=0,
    )
    rows = by_row(300)
    assert rows.interval(drawn["one"])[1] > rows.interval(drawn["other"])[0]
    assert rows.interval(drawn["one"] - drawn["other"])[1] < 0


def test_undefined_draws_are_left_out() -> None:
    low, high = by_row(1000).interval(np.array([np.nan, 1.0, 2.0, 3.0]))
    assert 1 <= low < high <= 3
    assert np.isnan(by_row(1000).interval(np.array([np.nan]))).all()


def test_few_units_give_wider_intervals() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    widths = [np.diff(by_cluster(np.arange(units)).interval(values))[0] for units in (2, 5, 20, 1000)]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] == pytest.approx(np.ptp(values))


def test_interval_of_rows_holds_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(3)

    def interval_of(seed: int) -> tuple[float, float]:
        right = (random.random(80) < 0.85).astype(float)
        statistic = metrics.accuracy.statistic(np.zeros(80, np.int64), np.stack([right, 1 - right], axis=1))
        return by_row(80).interval(bootstrap({"it": statistic}, by_row(80), replicates=300, seed=seed)["it"])

    assert 0.91 <= held(interval_of, 0.85, 300) <= 0.985


def test_interval_of_clusters_holds_the_truth_where_one_of_rows_does_not() -> None:
    random = np.random.default_rng(4)

    def sample() -> tuple[Any, Any]:
        cluster = np.repeat(np.arange(12), 10)
        return cluster, 5 + random.normal(size=12)[cluster] + random.normal(size=120)

    def interval_of(seed: int, whole: bool) -> tuple[float, float]:
        cluster, values = sample()
        resampling = by_cluster(cluster) if whole else by_row(120)
        statistic = metrics.mae.statistic(values, np.zeros(120))
        return resampling.interval(bootstrap({"it": statistic}, resampling, replicates=300, seed=seed)["it"])

    assert held(lambda seed: interval_of(seed, True), 5.0, 200) >= 0.9
    assert held(lambda seed: interval_of(seed, False), 5.0, 200) <= 0.75


def test_interval_of_time_blocks_holds_the_truth_where_one_of_rows_does_not() -> None:
    random = np.random.default_rng(5)

    def interval_of(seed: int, in_blocks: bool) -> tuple[float, float]:
        values = np.empty(200)
        values[0] = random.normal() / np.sqrt(1 - 0.7**2)
        for place, noise in enumerate(random.normal(size=199), start=1):
            values[place] = 0.7 * values[place - 1] + noise
        resampling = by_time(np.arange(200)) if in_blocks else by_row(200)
        statistic = metrics.mae.statistic(10 + values, np.zeros(200))
        return resampling.interval(bootstrap({"it": statistic}, resampling, replicates=300, seed=seed)["it"])

    assert held(lambda seed: interval_of(seed, True), 10.0, 200) >= 0.83
    assert held(lambda seed: interval_of(seed, False), 10.0, 200) <= 0.75


@given(st.integers(0, 50), st.integers(1, 50))
def test_interval_of_a_share_holds_it_and_never_leaves_zero_to_one(hits: int, more: int) -> None:
    rows = hits + more
    low, high = share_interval(hits, rows)
    assert 0 <= low <= hits / rows <= high <= 1
    assert high > low


def test_share_of_nothing_may_be_anything() -> None:
    assert share_interval(0, 0) == (0.0, 1.0)


def test_more_rows_need_fewer_draws() -> None:
    assert [replicates_for(rows) for rows in (100, 16_000, 1_000_000)] == [1000, 625, 200]

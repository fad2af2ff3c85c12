"""Forecasts of values whose future is known: each finds what it should, and none looks ahead."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_ai.platform.frameworks.forecasting.boosted import fit_boosted
from lepton_ai.platform.frameworks.forecasting.features import view_of
from lepton_ai.platform.frameworks.forecasting.folds import folds_of
from lepton_ai.platform.frameworks.forecasting.linear import Shape, decompose, look_backs
from lepton_ai.platform.frameworks.forecasting.naive import Naive, Rule, naive_candidates
from lepton_ai.platform.frameworks.forecasting.packing import packed, unpacked
from lepton_ai.platform.frameworks.forecasting.reading import panel_of_array
from lepton_ai.platform.frameworks.forecasting.smoothing import fit_smoothing
from lepton_ai.platform.frameworks.forecasting.spread import fit_spread

STEPS = np.arange(240)
WAVE = 10 + np.sin(2 * np.pi * STEPS / 12)
GROWING = WAVE * 1.01**STEPS


def test_growth_of_the_last_season_goes_on() -> None:
    naive = Naive(Rule.GROWN, season=12, span=12, by_ratio=True)
    forecast = naive.predict(GROWING[None, :200], np.array([200]), 12)[0, 0]
    assert forecast == pytest.approx(GROWING[200:212], rel=1e-9)


def test_smoothing_finds_season_and_trend() -> None:
    values = (WAVE + 0.1 * STEPS)[None, :]
    forecast = fit_smoothing(values[:, :216], 12).predict(values[:, :216], np.array([216]), 24)[0, 0]
    assert forecast == pytest.approx(values[0, 216:], abs=0.1)


@pytest.mark.parametrize("shared", [False, True])
def test_ridge_regression_finds_what_is_linear(shared: bool) -> None:
    values = np.stack([WAVE, 3 - WAVE])
    ridge = decompose(values[:, :200], np.zeros(2, int), Shape(48, 12, shared), 18)
    assert ridge is not None
    forecast = ridge.solve(1e-6).predict(values[:, :200], np.array([190, 200]), 18)
    assert forecast[:, 1] == pytest.approx(values[:, 200:218], abs=1e-3)


def test_ridge_does_not_learn_from_before_a_line_begins() -> None:
    values = np.stack([WAVE, np.where(STEPS < 100, 1e6, WAVE)])
    clean = decompose(values[:1], np.zeros(1, int), Shape(24, 12, False), 6)
    both = decompose(values, np.array([0, 100]), Shape(24, 12, False), 6)
    assert clean is not None and both is not None
    assert both.sizes.max() < 2 * clean.sizes.max()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(1, 60), st.integers(20, 400))
def test_look_backs_fit_into_the_history(season: int, horizon: int, steps: int) -> None:
    for length in look_backs(season, horizon, steps):
        assert length % season == 0 or season == 1
        assert 2 * (length + horizon) <= steps


@settings(max_examples=50, deadline=None)
@given(st.integers(3, 500), st.integers(1, 40), st.sampled_from([(), (7,), (24, 168)]))
def test_folds_ask_only_what_ends_within_the_history(steps: int, horizon: int, seasons: tuple[int, ...]) -> None:
    for fold in folds_of(steps, horizon, seasons):
        assert fold.origins.min() == fold.cut > 0
        assert fold.origins.max() + horizon <= steps


def test_trees_as_arrays_answer_as_scikit_learn_does() -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    from lepton_ai.platform.frameworks.forecasting.boosted import _forest

    random = np.random.default_rng(0)
    rows = random.normal(size=(500, 4)).astype(np.float32)
    rows[random.random(rows.shape) < 0.1] = np.nan
    estimator = HistGradientBoostingRegressor(max_iter=30, random_state=0)
    estimator.fit(rows, np.nan_to_num(rows[:, 0]) * np.nan_to_num(rows[:, 1]))
    arrays = replace(_forest(estimator), compiled=None)
    assert arrays.answer(rows) == pytest.approx(estimator.predict(rows), abs=1e-9)


def test_no_forecast_looks_at_what_comes_after_its_origin() -> None:
    random = np.random.default_rng(1)
    values = np.stack([GROWING + random.normal(size=240), WAVE + random.normal(size=240)]).T
    origin = np.array([180])
    panel, later = panel_of_array(values).filled(12), values.copy()
    later[180:] = random.normal(size=later[180:].shape) * 1000
    changed = panel_of_array(later).filled(12)
    there = np.ones((2, 180), bool)
    before = panel.until(180)
    boosted = fit_boosted(before, there, view_of(before, (12,), 100), 12, seed=0)
    ridge = decompose(before.values, np.zeros(2, int), Shape(36, 12, True), 12)
    assert boosted is not None and ridge is not None
    assert np.array_equal(boosted.predict(panel, origin, 12), boosted.predict(changed, origin, 12))
    others = [*naive_candidates((12,), 12, 150, True), fit_smoothing(before.values, 12), ridge.solve(0.1)]
    for method in others:
        forecasts = [method.predict(each.values, origin, 12) for each in (panel, changed)]
        assert np.array_equal(*forecasts)
    arrays: dict[str, np.ndarray] = {}
    again = unpacked(packed(boosted, arrays), arrays)
    assert again.forests[0].compiled is None
    assert again.predict(panel, origin, 12) == pytest.approx(boosted.predict(panel, origin, 12), rel=1e-12)


def test_band_holds_as_often_as_it_says_also_where_errors_grow() -> None:
    random = np.random.default_rng(0)
    size = random.uniform(1, 20, size=(1, 4000, 1))
    forecasts = np.broadcast_to(size, (1, 4000, 6))
    truth = forecasts + random.normal(size=forecasts.shape) * 0.2 * size * np.arange(1, 7)
    unit, low = np.ones(1), np.full(1, -np.inf)
    spread = fit_spread(truth[:, :2000], forecasts[:, :2000], unit, (0.1, 0.5, 0.9), low)
    bounds = spread.around(forecasts[:, 2000:])
    inside = (truth[:, 2000:] >= bounds[..., 0]) & (truth[:, 2000:] <= bounds[..., 2])
    assert inside.mean() == pytest.approx(0.8, abs=0.02)
    assert inside[:, size[0, 2000:, 0] < 5].mean() == pytest.approx(0.8, abs=0.05)
    assert inside.mean(axis=(0, 1)) == pytest.approx(np.full(6, 0.8), abs=0.06)

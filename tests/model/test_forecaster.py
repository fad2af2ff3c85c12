"""A forecaster on real passengers and on series that were made up: forecasts, bands, backtests, files, errors."""

import json
from datetime import date
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import onnxruntime
import polars
import pytest

from lepton_ai.core.errors import Conflict, InvalidInput, NotFound, NotSupported
from lepton_ai.platform.frameworks.forecasting.forecaster import Forecaster
from lepton_ai.platform.preprocessing.signature import Signature

DATA = Path(__file__).parents[2] / "examples" / "data"
DAYS = np.arange(np.datetime64("2023-09-01"), np.datetime64("2024-04-30"))


@pytest.fixture(scope="module")
def passengers() -> polars.DataFrame:
    return polars.read_csv(DATA / "airline_passengers" / "airline-passengers.csv")


@pytest.fixture(scope="module")
def forecaster(passengers: polars.DataFrame) -> Forecaster:
    return Forecaster(12, time="Month", target="Passengers").fit(passengers[:132])


def shops(seed: int = 0) -> dict[str, list[Any]]:
    """Two shops, a week's pattern, and an offer that doubles what is sold: known ahead, and nowhere in past values."""
    random = np.random.default_rng(seed)
    rows: dict[str, list[Any]] = {"day": [], "shop": [], "sold": [], "offer": []}
    for shop, size in (("north", 50.0), ("south", 200.0)):
        offer = random.integers(0, 2, len(DAYS))
        weekend = np.arange(len(DAYS)) % 7 >= 5
        sold = size * (1 + 0.3 * weekend) * (1 + offer) * (1 + 0.02 * random.normal(size=len(DAYS)))
        rows["day"] += DAYS.tolist()
        rows["shop"] += [shop] * len(DAYS)
        rows["sold"] += sold.tolist()
        rows["offer"] += offer.tolist()
    return rows


def before(rows: dict[str, list[Any]], day: date) -> dict[str, list[Any]]:
    kept = [place for place, each in enumerate(rows["day"]) if each < day]
    return {name: [column[place] for place in kept] for name, column in rows.items()}


def test_passengers_of_the_last_year_are_forecast_better_than_by_naive_rules(
    forecaster: Forecaster, passengers: polars.DataFrame
) -> None:
    backtest = forecaster.backtest(passengers)
    assert backtest.metrics["mape"] < 0.04 < backtest.naive_metrics["mape"]
    assert backtest.metrics["coverage"] >= 0.6
    assert "last season (12)" in str(backtest)


def test_log_tells_what_raced_and_what_was_chosen(forecaster: Forecaster) -> None:
    tried = forecaster.log.of("race")[0].measured
    assert {"last value", "last season (12)", "smoothing, season 12", "linear on 24, logarithms"} <= set(tried)
    assert str(forecaster) == "Forecaster of 12 steps, from 132 steps of one series: blend"
    assert forecaster._repr_html_().count("<tr>") == len(forecaster.log) + 1


def test_forecast_has_moments_a_band_and_a_frame(forecaster: Forecaster) -> None:
    forecast = forecaster.predict()
    assert forecast.times[[0, -1]].tolist() == np.array(["1960-01", "1960-12"], "datetime64[us]").tolist()
    assert (np.diff(forecast.quantiles, axis=2) > 0).all()
    assert forecast.to_frame().columns == ["target", "time", "mean", "q0.1", "q0.5", "q0.9"]
    assert "<svg" in forecast._repr_html_()


def test_same_seed_and_data_give_the_same_forecast(forecaster: Forecaster, passengers: polars.DataFrame) -> None:
    again = Forecaster(12, time="Month", target="Passengers").fit(passengers[:132].to_pandas())
    assert np.array_equal(again.predict().mean, forecaster.predict().mean)
    assert again.log == forecaster.log


def test_forecasts_do_not_change_with_what_comes_later(forecaster: Forecaster, passengers: polars.DataFrame) -> None:
    later = passengers.with_columns(
        polars.when(polars.int_range(polars.len()) >= 138)
        .then(9999)
        .otherwise(polars.col("Passengers"))
        .alias("Passengers")
    )
    true = Forecaster(6, time="Month", target="Passengers", families=["linear"]).fit(passengers[:120])
    ours, changed = (true.backtest(each) for each in (passengers, later))
    assert np.array_equal(ours.mean[:, :19], changed.mean[:, :19])
    assert not np.array_equal(ours.truth[:, :19], changed.truth[:, :19])


def test_a_saved_one_forecasts_as_before(forecaster: Forecaster, tmp_path: Path) -> None:
    again = Forecaster.load(forecaster.save(tmp_path / "passengers"))
    assert np.array_equal(again.predict().quantiles, forecaster.predict().quantiles)
    assert (again.log, again.seasons, again.horizon) == (forecaster.log, (12,), 12)


def test_another_history_of_the_same_series_is_forecast(forecaster: Forecaster, passengers: polars.DataFrame) -> None:
    assert np.array_equal(forecaster.predict(passengers[:132]).mean, forecaster.predict().mean)
    assert forecaster.predict(passengers[60:]).times[0] == np.datetime64("1961-01-01")
    with pytest.raises(InvalidInput, match=r"the history must have \d+ steps or more, got 7"):
        forecaster.predict(passengers[125:132])


def test_trees_use_what_is_known_ahead() -> None:
    rows = shops()
    end = date(2024, 4, 1)
    told = {"time": "day", "series": "shop", "target": "sold", "known_ahead": ["offer"], "families": ["boosted"]}
    backtest = Forecaster(7, **told).fit(before(rows, end)).backtest(rows)
    assert backtest.metrics["rmse"] < 0.4 * backtest.naive_metrics["rmse"]


def test_what_is_known_ahead_comes_as_a_table_or_as_rows_without_values() -> None:
    rows, end = shops(), date(2024, 4, 1)
    told = {"time": "day", "series": "shop", "target": "sold", "known_ahead": ["offer"], "families": ["linear"]}
    forecaster = Forecaster(7, **told).fit(before(rows, end))
    with pytest.raises(InvalidInput, match=r"`offer` must be known for 7 steps ahead, got nothing from 2024-04-01"):
        forecaster.predict()
    coming = {name: column for name, column in rows.items() if name != "sold"}
    as_table = forecaster.predict(future=coming)
    assert as_table.mean.shape == (2, 7)
    open_end = {**rows, "sold": [s if d < end else None for s, d in zip(rows["sold"], rows["day"], strict=True)]}
    assert np.array_equal(Forecaster(7, **told).fit(open_end).predict().mean, as_table.mean)


@pytest.mark.parametrize(
    "values",
    [
        np.full(40, 3.0),
        np.zeros(30),
        np.arange(20.0),
        np.random.default_rng(0).normal(size=20).cumsum(),
        np.where(np.arange(90) % 11 == 3, np.nan, np.sin(np.arange(90) / 3)),
        np.random.default_rng(0).normal(size=(60, 2)) * [1, 1e9],
        [1.0, 2.0, 4.0],
    ],
    ids=["constant", "zeros", "a line", "20 points", "gaps", "two scales", "three points"],
)
def test_odd_series_are_forecast_with_finite_numbers(values: Any) -> None:
    forecast = Forecaster(4).fit(values).predict()
    assert np.isfinite(forecast.mean).all()
    assert (np.diff(forecast.quantiles, axis=2) >= 0).all()
    assert (forecast.quantiles[..., 0] <= forecast.mean).all() and (forecast.mean <= forecast.quantiles[..., -1]).all()


def test_series_of_unequal_length_are_forecast_together() -> None:
    rows = before(shops(), date(2024, 4, 1))
    late = [d >= date(2024, 2, 20) or shop == "north" for d, shop in zip(rows["day"], rows["shop"], strict=True)]
    rows = {name: [each for each, kept in zip(column, late, strict=True) if kept] for name, column in rows.items()}
    mean = Forecaster(7, time="day", series="shop", target="sold", known_ahead=["offer"], families=["linear"])
    forecast = mean.fit(rows).predict(future={k: v for k, v in shops().items() if k != "sold"})
    assert 40 < forecast.mean[0].mean() < 130
    assert 160 < forecast.mean[1].mean() < 520


def test_exported_graph_answers_as_the_forecaster_does(passengers: polars.DataFrame, tmp_path: Path) -> None:
    forecaster = Forecaster(12, time="Month", target="Passengers", families=["linear"]).fit(passengers[:132])
    folder = forecaster.export(tmp_path / "version", metrics=forecaster.backtest(passengers).metrics)
    signature = Signature.from_json(json.loads((folder / "signature.json").read_text()))
    (look_back,) = signature.row_shape
    rows = np.stack([passengers["Passengers"].to_numpy()[end - look_back : end] for end in (132, 140)]).astype(
        "float32"
    )
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    (answers,) = session.run(None, {"inputs": rows})
    forecast = forecaster.predict(passengers[:140])
    assert answers.shape == (2, 12, 4)
    assert answers[1, :, 0] == pytest.approx(forecast.mean[0], rel=1e-5)
    assert answers[1, :, 1:] == pytest.approx(forecast.quantiles[0], rel=1e-5)


def test_what_a_graph_cannot_hold_is_said(forecaster: Forecaster, tmp_path: Path) -> None:
    with pytest.raises(NotSupported, match="smoothing and trees"):
        forecaster.export(tmp_path / "version")
    with pytest.raises(NotSupported, match="one series, got 2"):
        Forecaster(2, families=[]).fit(np.ones((20, 2))).export(tmp_path / "version")
    assert not (tmp_path / "version").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"horizon": 0}, "`horizon`"),
        ({"quantiles": [0.5, 0.1]}, "`quantiles` must ascend"),
        ({"quantiles": [0, 1]}, "`quantiles`"),
        ({"families": ["nets"]}, "`families` must be some of smoothing, linear, boosted"),
        ({"target": "a", "known_ahead": ["a"]}, "one role, got two for 'a'"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_wrong_arguments_end_in_one_clear_error(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Forecaster(**{"horizon": 3, **arguments})


def test_wrong_uses_end_in_one_clear_error(
    forecaster: Forecaster, passengers: polars.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(Conflict, match="learned nothing yet"):
        Forecaster(3).predict()
    with pytest.raises(InvalidInput, match="three steps or more, got 2"):
        Forecaster(3).fit([1.0, 2.0])
    with pytest.raises(InvalidInput, match="needs a column of times"):
        Forecaster(3).fit(passengers)
    with pytest.raises(InvalidInput, match="an array has no columns"):
        Forecaster(3, time="Month").fit(np.arange(20.0))
    with pytest.raises(InvalidInput, match="must be a table, as it was in fit"):
        forecaster.predict(np.arange(40.0))
    with pytest.raises(InvalidInput, match="must begin with the history"):
        forecaster.backtest(passengers.with_columns(Passengers=1))
    with pytest.raises(InvalidInput, match="must not lie within the history"):
        forecaster.backtest(passengers, start="1955-01-01")
    with pytest.raises(InvalidInput, match="must go on for 12 steps"):
        forecaster.backtest(passengers, start="1960-06-01")
    with pytest.raises(NotFound, match="no file"):
        Forecaster.load(tmp_path / "nothing.npz")
    (tmp_path / "other.npz").write_bytes(b"no archive")
    with pytest.raises(InvalidInput, match="not a saved forecaster"):
        Forecaster.load(tmp_path / "other.npz")


def test_example_prints_what_it_promises(capsys: pytest.CaptureFixture[str]) -> None:
    run_path(str(Path(__file__).parents[2] / "examples" / "04_forecast.py"))
    assert "of the values lie within the band" in capsys.readouterr().out

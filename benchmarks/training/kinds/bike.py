"""Bicycle rentals hour by hour, the last fifth, a day ahead, with the weather known and with the weather up to now."""

import gzip

import polars as pl

CHECKS = (
    ("ours rmse, weather known", "<=", 58.0),
    ("ours rmse", "<=", 66.0),
    ("ours coverage, weather known", "within", (0.77, 0.83)),
)
_CALENDAR = ["season", "yr", "mnth", "hr", "holiday", "weekday", "workingday"]
_WEATHER = ["weathersit", "temp", "atemp", "hum", "windspeed"]


def measure(root, _seed):
    """Root mean squared error, and how often the band from 0.1 to 0.9 holds."""
    from lepton_ai import Forecaster

    with gzip.open(root / "bike_sharing/hour.csv.gz") as file:
        frame = pl.read_csv(file.read())
    day = pl.col("dteday").str.to_datetime("%d/%m/%Y", strict=False)
    frame = frame.with_columns(time=day + pl.duration(hours=pl.col("hr"))).select("time", *_CALENDAR, *_WEATHER, "cnt")
    cut = frame["time"].sort()[int(0.8 * len(frame))].replace(hour=0)
    told = {}
    for label, ahead, observed in ((", weather known", [*_CALENDAR, *_WEATHER], []), ("", _CALENDAR, _WEATHER)):
        forecaster = Forecaster(24, time="time", target="cnt", known_ahead=ahead, observed=observed)
        forecaster.fit(frame.filter(pl.col("time") < cut))
        found = forecaster.backtest(frame, stride=24)
        told[f"ours rmse{label}"], told[f"naive rmse{label}"] = found.metrics["rmse"], found.naive_metrics["rmse"]
        told[f"ours coverage{label}"] = found.metrics["coverage"]
    return told

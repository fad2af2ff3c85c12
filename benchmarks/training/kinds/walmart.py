"""Weekly sales of 45 stores: the last 8, 12 and 26 weeks, once each; the best naive forecast of the race beside."""

import gzip

import polars as pl

CHECKS = (
    ("ours wape at 8", "<=", 0.0306),
    ("ours wape at 12", "<=", 0.0346),
    ("ours wape at 26", "<=", 0.0420),
)


def measure(root, _seed):
    """Weighted absolute percentage error."""
    from lepton_ai import Forecaster

    with gzip.open(root / "walmart_sales/Walmart_Store_sales.csv.gz") as file:
        frame = pl.read_csv(file.read())
    frame = frame.with_columns(pl.col("Date").str.to_date("%d-%m-%Y"))
    weeks = frame["Date"].unique().sort()
    told = {}
    for horizon in (8, 12, 26):
        forecaster = Forecaster(
            horizon,
            time="Date",
            series="Store",
            target="Weekly_Sales",
            known_ahead=["Holiday_Flag"],
            observed=["Temperature", "Fuel_Price", "CPI", "Unemployment"],
        )
        forecaster.fit(frame.filter(pl.col("Date") < weeks[-horizon]))
        found = forecaster.backtest(frame)
        told[f"ours wape at {horizon}"] = found.metrics["wape"]
        told[f"naive wape at {horizon}"] = found.naive_metrics["wape"]
    return told

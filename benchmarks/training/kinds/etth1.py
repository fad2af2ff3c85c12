"""Load and oil temperature of a transformer (ETTh1): 12 months to learn, 4 to pass over, 4 to test, 96 hours ahead."""

import gzip

import numpy as np
import polars as pl

CHECKS = (("ours mse", "<=", 0.367),)


def measure(root, _seed):
    """Mean squared error of all seven columns, each in deviations of the months learned from, over all test windows."""
    from lepton_ai import Forecaster

    with gzip.open(root / "etth1/ETTh1.csv.gz") as file:
        values = pl.read_csv(file.read()).drop("date").to_numpy()
    month = 30 * 24
    learned = values[: 12 * month]
    scaled = ((values - learned.mean(axis=0)) / learned.std(axis=0))[: 20 * month]
    forecaster = Forecaster(96).fit(scaled[: 12 * month])
    found = forecaster.backtest(scaled, start=16 * month)
    return {
        "ours mse": found.metrics["mse"],
        "naive mse": found.naive_metrics["mse"],
        "windows": float(np.shape(found.truth)[1]),
    }

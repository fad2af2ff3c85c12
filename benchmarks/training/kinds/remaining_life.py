"""Remaining life of engines (C-MAPSS FD001), capped at 125 cycles, the given test engines; boosted trees beside.

A row is a cycle with what its engine's sensors said before it (`with_history`); the engine is a group.
"""

import gzip

import numpy as np
import polars as pl
from sklearn.ensemble import HistGradientBoostingRegressor

CHECKS = (("ours rmse", "<=", 11.0), ("ours nasa score", "<=", 200.0))
_CAP = 125.0
_SENSORS = [f"sensor_{number}" for number in (2, 3, 4, 7, 8, 9, 11, 12, 13, 14, 15, 17, 20, 21)]  # the rest is constant


def measure(root, seed):
    """Root mean squared error in cycles, and NASA's score, of the last cycle of each test engine."""
    from lepton_ai import Model, Schema
    from lepton_ai.platform.preprocessing.history import with_history

    train, test = (_read(root / f"cmapss_fd001/{part}_FD001.txt.gz") for part in ("train", "test"))
    truth = np.minimum(np.loadtxt(root / "cmapss_fd001/RUL_FD001.txt"), _CAP)
    rest = train.select((pl.col("cycle").max() - pl.col("cycle")).over("engine").clip(0, _CAP).alias("rest"))["rest"]
    train, test = (with_history(each, _SENSORS, time="cycle", group="engine") for each in (train, test))
    train, test = (each.drop(_SENSORS) for each in (train, test))  # single readings are mostly noise
    last = test.sort("engine", "cycle").group_by("engine", maintain_order=True).last()
    train = train.with_columns(rest)
    schema = Schema.infer(train, target="rest").with_roles("engine", "group").with_roles("cycle")
    model = Model(schema=schema, seed=seed)
    model.fit(train, verbose=0)
    ours = model.predict(last, verbose=0)[:, 0]
    columns = [name for name in train.columns if name not in ("engine", "cycle", "rest")]
    trees = HistGradientBoostingRegressor(random_state=seed).fit(train[columns].to_numpy(), rest.to_numpy())
    return {
        **_errors("ours", np.clip(ours, 0, _CAP), truth),
        **_errors("trees", np.clip(trees.predict(last[columns].to_numpy()), 0, _CAP), truth),
    }


def _errors(name, answers, truth):
    late = answers - truth
    score = np.where(late < 0, np.exp(-late / 13) - 1, np.exp(late / 10) - 1).sum()
    return {f"{name} rmse": float(np.sqrt(np.mean(late**2))), f"{name} nasa score": float(score)}


def _read(path):
    with gzip.open(path, "rt") as lines:
        table = np.loadtxt(lines)
    names = ["engine", "cycle", "setting_1", "setting_2", "setting_3", *(f"sensor_{n}" for n in range(1, 22))]
    frame = pl.DataFrame({name: table[:, at] for at, name in enumerate(names)})
    return frame.select("engine", "cycle", *_SENSORS)

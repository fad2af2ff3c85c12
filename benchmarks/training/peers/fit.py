"""One fit in a process of its own: `python fit.py JOB.json`, where the job names method, files, seed and threads.

Reads `train.parquet` and `test.parquet`, writes `answer.npz` with predictions for the test rows: probabilities
`(rows, classes)`, or numbers `(rows,)`. Each method runs with its own defaults on raw columns.
"""

import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

settings = json.loads(Path(sys.argv[1]).read_text())
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(settings["threads"])

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

TARGET = "target"


@dataclass(frozen=True)
class Job:
    """What a method gets: rows to fit on with the answer in `target`, rows to predict, and its settings."""

    train: pd.DataFrame
    test: pd.DataFrame
    is_regression: bool
    seed: int
    threads: int
    variant: str
    scratch: str


def main() -> None:
    """Fit, predict, write."""
    folder = Path(sys.argv[1]).parent
    train, test = (pd.read_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
    module, _, variant = settings["method"].partition(":")
    method = import_module(f"method_{module}")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        shared = {name: settings[name] for name in ("is_regression", "seed", "threads")}
        predictions = method.predictions(
            Job(train, test.drop(columns=TARGET), variant=variant, scratch=scratch, **shared)
        )
    seconds = time.perf_counter() - started
    np.savez(folder / "answer.npz", predictions=np.asarray(predictions, np.float64), seconds=seconds)


if __name__ == "__main__":
    main()

"""Running one fit in another process: files in, predictions out, ended at the cap."""

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

_PEERS = Path(__file__).resolve().parent / "peers"


@dataclass(frozen=True)
class Answer:
    """What came back: predictions for the test rows, or the reason why there are none."""

    predictions: np.ndarray | None
    seconds: float
    note: str = ""


def run_job(
    python: Path,
    method: str,
    train: pd.DataFrame,
    test: pd.DataFrame,
    *,
    is_regression: bool,
    seed: int,
    threads: int,
    cap_s: float,
) -> Answer:
    """Fit a method on one part and predict the other.

    Args:
        python: The interpreter to use.
        method: Its name, `module` or `module:variant`.
        train: Rows to fit on, the answer in `target`.
        test: Rows to predict, of the same columns.
        is_regression: Whether the answer is a number.
        seed: For the method.
        threads: How many it may use.
        cap_s: When to end it.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        train.to_parquet(folder / "train.parquet")
        test.to_parquet(folder / "test.parquet")
        job = {"method": method, "is_regression": is_regression, "seed": seed, "threads": threads}
        (folder / "job.json").write_text(json.dumps(job))
        command = [str(python), str(_PEERS / "fit.py"), str(folder / "job.json")]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        try:
            outcome = subprocess.run(command, capture_output=True, text=True, timeout=cap_s, env=environment)
        except subprocess.TimeoutExpired:
            return Answer(None, cap_s, f"over the cap of {cap_s:g} s")
        if outcome.returncode or not (folder / "answer.npz").exists():
            lines = outcome.stderr.strip().splitlines()
            return Answer(None, 0.0, f"failed: {lines[-1][:300] if lines else f'exit code {outcome.returncode}'}")
        with np.load(folder / "answer.npz") as answer:
            return Answer(answer["predictions"], float(answer["seconds"]))

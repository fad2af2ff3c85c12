"""Series, forecasts, texts and recommendations: one file of `kinds/` for each demand, its baseline in the same job."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
NAMES = ("ecg", "remaining_life", "walmart", "bike", "etth1", "sst2", "spam", "films")
QUICK = ("walmart", "etth1", "films")
_WITHOUT_CHANCE = ("walmart", "bike", "etth1")


def measure(root: Path, names: list[str], seeds: list[int]) -> dict[str, Any]:
    """Every demand for every seed; what nothing is drawn for is measured once."""
    told = {}
    for name in names:
        runs = [_fit(root, name, seed) for seed in (seeds[:1] if name in _WITHOUT_CHANCE else seeds)]
        told[name] = {
            metric: {"mean": float(np.mean(values)), "error": _error(values)}
            for metric in runs[0]
            for values in [[run[metric] for run in runs]]
        }
    return told


def verdicts(told: dict[str, Any]) -> list[tuple[str, bool]]:
    """What must hold, as each file says."""
    checks = []
    for name, metrics in told.items():
        for metric, how, bound in importlib.import_module(f"kinds.{name}").CHECKS:
            checks.append((f"{name}: {metric} {how} {bound}", _holds(metrics[metric]["mean"], how, bound)))
        checks.append((f"{name}: within five minutes", metrics["seconds"]["mean"] <= 300))
    return checks


def _holds(value: float, how: str, bound: Any) -> bool:
    if how == "within":
        return bound[0] <= value <= bound[1]
    return value >= bound if how == ">=" else value <= bound


def _error(values: list[float]) -> float | None:
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None


def _fit(root: Path, name: str, seed: int) -> dict[str, float]:
    command = [sys.executable, str(HERE / "kind_fit.py"), str(root), name, str(seed)]
    outcome = subprocess.run(command, capture_output=True, text=True)
    if outcome.returncode:
        raise RuntimeError(f"{name}: {outcome.stderr[-2000:]}")
    told: dict[str, float] = json.loads(outcome.stdout.splitlines()[-1])
    print(f"{name} seed {seed}: {told}", file=sys.stderr, flush=True)
    return told

"""The comparison on images: plain Keras and ours in turns, so that both meet the same machine."""

import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, median
from typing import Any

HERE = Path(__file__).resolve().parent


def measure(root: Path, seeds: list[int], *, quick: bool) -> dict[str, Any]:
    """Run everything once for each seed; budgets follow from what plain Keras took in this very run.

    Args:
        root: The folder of the data sets.
        seeds: For each fit.
        quick: Leave clothes and steel out.
    """
    told: dict[str, Any] = {}
    plain, founding = [], []
    for seed in seeds:
        plain.append(_fit(root, "mnist", "plain:10", seed))
        founding.append(_fit(root, "mnist", "founding:10", seed))
    told["mnist, plain Keras, 10 epochs"] = _summary(plain)
    told["mnist, founding script"] = _summary(founding)
    epoch_s = median(each["seconds"] - each["stalled_s"] for each in plain) / 10
    reaches = median(_epochs_to(each["by epoch"], 0.99) for each in plain) * epoch_s
    told["mnist, plain Keras reaches 0.99 after s"] = reaches
    for label, name, budget_s in (
        ("mnist, free, a fifth of that", "mnist", reaches / 5),
        ("mnist, free, three plain epochs", "mnist", 3 * epoch_s),
    ):
        told[label] = _summary([_fit(root, name, f"free:{budget_s:.1f}", seed) for seed in seeds])
    told["pneumonia, free"] = _summary([_fit(root, "pneumonia", "free:", seed) for seed in seeds])
    if quick:
        return told
    fashion = [_fit(root, "fashion", "plain:10", seed) for seed in seeds[:1]]
    fashion_s = median(each["seconds"] - each["stalled_s"] for each in fashion)
    told["fashion, plain Keras, 10 epochs"] = _summary(fashion)
    told["fashion, free, the same time"] = _summary(
        [_fit(root, "fashion", f"free:{fashion_s:.1f}", seed) for seed in seeds]
    )
    folds = [_fit(root, f"defects:{fold}", "free:", seed) for seed in seeds[:1] for fold in range(5)]
    told["steel defects, five folds, free"] = _summary(folds)
    return told


def verdicts(told: dict[str, Any]) -> list[tuple[str, bool]]:
    """What must hold on images."""
    founding, plain = told["mnist, founding script"], told["mnist, plain Keras, 10 epochs"]
    checks = [
        ("founding script: mean accuracy >= 0.9940", founding["accuracy"] >= 0.9940),
        ("founding script: at most plain Keras' time, stalls left out", founding["seconds"] <= plain["seconds"]),
        ("mnist: 0.99 five times sooner", told["mnist, free, a fifth of that"]["accuracy"] >= 0.99),
        ("mnist: 0.994 in three plain epochs' time", told["mnist, free, three plain epochs"]["accuracy"] >= 0.994),
        ("pneumonia: AUC >= 0.965", told["pneumonia, free"]["auc"] >= 0.965),
    ]
    for name, text, bound in (
        ("fashion, free, the same time", "fashion: 0.915 in ten plain epochs' time", 0.915),
        ("steel defects, five folds, free", "steel defects: accuracy >= 0.99", 0.99),
    ):
        if name in told:
            checks.append((text, told[name]["accuracy"] >= bound))
    return checks


def _epochs_to(accuracies: list[float], accuracy: float) -> int:
    """After how many epochs an accuracy was first reached; all of them where it was not."""
    return next((epoch for epoch, each in enumerate(accuracies, start=1) if each >= accuracy), len(accuracies))


def _summary(fits: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "accuracy": mean(fit["accuracy"] for fit in fits),
        "accuracies": [fit["accuracy"] for fit in fits],
        "seconds": median(fit["seconds"] - fit["stalled_s"] for fit in fits),
        "stalled s": [fit["stalled_s"] for fit in fits],
        **({"auc": mean(fit["auc"] for fit in fits)} if "auc" in fits[0] else {}),
    }


def _fit(root: Path, name: str, how: str, seed: int) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "image_fit.py"), str(root), name, how, str(seed)]
    outcome = subprocess.run(command, capture_output=True, text=True)
    if outcome.returncode:
        raise RuntimeError(f"{name} {how}: {outcome.stderr[-2000:]}")
    told = json.loads(outcome.stdout.splitlines()[-1])
    print(f"{name} {how} seed {seed}: {told}", file=sys.stderr, flush=True)
    return told

"""Does it adapt: spoiled rates, wrong labels, against the fixed recipe, and what each part of the algorithm gives."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
SETS = ("digits", "clothes", "lungs", "heartbeats")
_QUICK_SETS = ("digits", "heartbeats")
SPOILED = ("digits, rate x 30", "digits, rate / 30", "clothes, rate x 30", "clothes, rate / 30")
BUDGET, BUDGET_S = "digits, within 30 s", 30.0
NOISY = "a fifth of labels wrong"
PARTS = (
    "no race",
    "no steering",
    "no mirroring",
    "no doubt",
    "no averaging",
    "no schedule",
    "no augmentation",
    "no companion",
)


def measure(root: Path, seeds: list[int], *, quick: bool) -> dict[str, dict[str, Any]]:
    """By case and arm: the score for each seed, and the median of the seconds. The ablation takes the first seed."""
    wanted: list[tuple[str, str, list[int]]] = []
    for name in _QUICK_SETS if quick else SETS:
        wanted += [(name, arm, seeds) for arm in ("ours", "fixed")]
    for name in SPOILED:
        if not quick or name.startswith(_QUICK_SETS):
            wanted += [(name, arm, seeds) for arm in ("ours", "fixed")]
    wanted.append((BUDGET, "ours", seeds))
    for name in ("digits",) if quick else ("digits", "clothes"):
        wanted.append((name, "keras", seeds))
        wanted += [(f"{name}, {NOISY}", arm, seeds) for arm in ("ours", "fixed", "keras")]
    if not quick:
        cases = (*SETS, *SPOILED[:2], *(f"{name}, {NOISY}" for name in ("digits", "clothes")))
        wanted += [(name, part, seeds) for name in cases for part in PARTS if _concerns(name, part)]
    told: dict[str, dict[str, Any]] = {}
    for name, arm, of_seeds in wanted:
        fits = [_fit(root, name, arm, seed) for seed in of_seeds]
        told.setdefault(name, {"naive": fits[0]["naive"]})[arm] = {
            "scores": [fit["score"] for fit in fits],
            "seconds": float(np.median([fit["seconds"] for fit in fits])),
        }
    return told


def verdicts(told: dict[str, dict[str, Any]]) -> list[tuple[str, bool]]:
    """What must hold of adapting."""
    checks = []
    for name in (each for each in SPOILED if each in told):
        base = told[name.partition(",")[0]]
        tuned, naive = float(np.mean(base["ours"]["scores"])), base["naive"]
        kept = (float(np.mean(told[name]["ours"]["scores"])) - naive) / (tuned - naive)
        checks.append((f"{name}: {kept:.3f} of the skill is kept, >= 0.95", kept >= 0.95))
    for name in (each for each in ("digits", "clothes") if f"{each}, {NOISY}" in told):
        cost = {
            arm: float(np.mean(told[name][arm]["scores"]) - np.mean(told[f"{name}, {NOISY}"][arm]["scores"]))
            for arm in ("ours", "keras")
        }
        text = f"{name}, {NOISY}: costs ours {cost['ours']:.4f}, plain Keras {cost['keras']:.4f}, at most half"
        checks.append((text, cost["ours"] <= cost["keras"] / 2))
    taken_s = told[BUDGET]["ours"]["seconds"]
    checks.append((f"{BUDGET}: it took {taken_s:.1f} s, within 5 %", abs(taken_s / BUDGET_S - 1) <= 0.05))
    gains = {name: _gain(arms, "ours", "fixed") for name, arms in told.items() if "fixed" in arms}
    mean = float(np.mean([gain for gain, _ in gains.values()]))
    checks.append((f"against the fixed recipe: mean gain {mean:+.4f} above zero", mean > 0))
    for name, (gain, error) in gains.items():
        checks.append((f"{name}: {gain:+.4f} against the fixed recipe, not worse by 2 SE", not -gain > 2 * error))
    return checks


def ablation(told: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """By case and part: the score with all parts less the score without that one."""
    return {
        name: {part: _gain(arms, "ours", part)[0] for part in PARTS if part in arms}
        for name, arms in told.items()
        if any(part in arms for part in PARTS)
    }


def _gain(arms: dict[str, Any], ours: str, other: str) -> tuple[float, float]:
    """The mean gain paired by seed, and its standard error; of one seed the error is that of a score on its rows."""
    gains = np.subtract(arms[ours]["scores"], arms[other]["scores"])
    if len(gains) > 1:
        return float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains)))
    return float(gains[0]), _ERROR_OF_ONE


_ERROR_OF_ONE = 0.003


def _concerns(name: str, part: str) -> bool:
    is_image = name != "heartbeats"
    return is_image if part == "no mirroring" else not is_image if part == "no companion" else True


def _fit(root: Path, name: str, arm: str, seed: int) -> dict[str, float]:
    command = [sys.executable, str(HERE / "adapts_fit.py"), str(root), name, arm, str(seed)]
    outcome = subprocess.run(command, capture_output=True, text=True)
    if outcome.returncode:
        raise RuntimeError(f"{name}, {arm}: {outcome.stderr[-2000:]}")
    told: dict[str, float] = json.loads(outcome.stdout.splitlines()[-1])
    print(f"{name}, {arm}, seed {seed}: {told}", file=sys.stderr, flush=True)
    return told

"""Reports for tests: small models with known strengths and faults."""

from typing import Any

import numpy as np

from lepton_ai.platform.evaluation.evaluate import TrainingStory, evaluate_report
from lepton_ai.platform.evaluation.report import Report
from lepton_ai.platform.evaluation.row_facts import RowFacts


def two(probability: Any) -> Any:
    """Probabilities of two classes from that of class 1."""
    return np.stack([1 - probability, probability], axis=1)


def churn(rows: int = 1200, seed: int = 0) -> dict[str, Any]:
    """Customers who leave; the model knows all but the customers of plan "c", and women leave less."""
    random = np.random.default_rng(seed)
    plan = random.choice(["a", "b", "c"], rows).astype(object)
    sex = random.choice(["f", "m"], rows).astype(object)
    age = random.uniform(18, 80, rows)
    age[::50] = np.nan
    logit = random.normal(-0.5, 2, rows) - 1.0 * (sex == "f")
    truth = (random.random(rows) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    knows = np.where(plan == "c", 0.1 * logit - 0.5, logit)
    rough = 0.5 * logit + random.normal(0, 0.5, rows)
    return {
        "truth": truth,
        "predictions": two(1 / (1 + np.exp(-knows))),
        "baselines": {"naive": two(np.full(rows, 0.4)), "linear": two(1 / (1 + np.exp(-rough)))},
        "rows": RowFacts(groups={"sex": sex}, columns={"plan": plan, "age": age, "sex": sex}),
    }


def rent(rows: int = 900, seed: int = 0) -> dict[str, Any]:
    """Rents by day; the model is right until the last part, when rents rise and it does not know."""
    random = np.random.default_rng(seed)
    days = np.datetime64("2024-01-01") + np.sort(random.integers(0, 300, rows)).astype("timedelta64[D]")
    size = random.uniform(20, 120, rows)
    truth = 10 * size + random.normal(0, 50, rows)
    late = np.arange(rows) >= rows * 11 // 12
    truth[late] += 300
    numbers = 10 * size
    return {
        "truth": truth,
        "predictions": numbers,
        "baselines": {"naive": np.full(rows, truth.mean()), "linear": 9 * size + 70},
        "interval": np.stack([numbers - 82, numbers + 82], axis=1),
        "coverage": 0.9,
        "rows": RowFacts(time=days, columns={"size": size}),
    }


def digits(rows: int = 600, classes: int = 5, seed: int = 0) -> dict[str, Any]:
    """Pictures of several classes."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, rows)
    powers = np.exp(random.normal(0, 1, (rows, classes)) + 3 * np.eye(classes)[truth])
    rough = np.exp(random.normal(0, 1, (rows, classes)) + 1 * np.eye(classes)[truth])
    return {
        "truth": truth,
        "predictions": powers / powers.sum(axis=1, keepdims=True),
        "baselines": {
            "naive": np.full((rows, classes), 1 / classes),
            "linear": rough / rough.sum(axis=1, keepdims=True),
        },
    }


def churn_report(**changes: Any) -> Report:
    """A report with every section that a classifier of two classes has."""
    story = TrainingStory(
        history={"loss": [0.6, 0.5, 0.4], "val_loss": [0.6, 0.55, float("nan")], "accuracy": [0.6, 0.7, 0.8]},
        decisions=[
            {"step": "race", "what": "rate", "measured": {"0.001": 0.2, "steps": 5}, "chosen": "0.001", "why": "best"}
        ],
        test_openings=1,
    )
    given = churn() | {"labels": ("stays", "leaves"), "threshold": 0.4, "costs": [[0, 1], [3, 0]], "story": story}
    return evaluate_report(**(given | changes))

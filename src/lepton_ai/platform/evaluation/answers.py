"""What a classifier answers: the confusion matrix, and what other thresholds would do."""

import numpy as np

from lepton_ai.platform.evaluation.arrays import Classes, Floats
from lepton_ai.platform.evaluation.report_parts import Answers, ThresholdRow
from lepton_ai.platform.evaluation.threshold import Costs

USUAL_THRESHOLD = 0.5

_SHARES_ANSWERED = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def answered(probabilities: Floats, threshold: float | None) -> Classes:
    """The class number of each row, `(rows,)`: the likeliest, or with two classes what the threshold says."""
    if threshold is not None and probabilities.shape[1] == 2:
        return (probabilities[:, 1] >= threshold).astype(np.int64)
    answers: Classes = probabilities.argmax(axis=1)
    return answers


def answers(truth: Classes, probabilities: Floats, threshold: float | None, costs: Costs | None) -> Answers:
    """What is answered, and with two classes what would be at other thresholds.

    Thresholds are those that answer class 1 for 1, 2, 5, 10 … 90 % of the rows: where class 1 is rare, steps of
    probability would show nothing.
    """
    classes = probabilities.shape[1]
    cells = np.bincount(truth * classes + answered(probabilities, threshold), minlength=classes * classes)
    confusion = tuple(tuple(int(cell) for cell in row) for row in cells.reshape(classes, classes))
    if classes != 2:
        return Answers(confusion, None, ())
    chosen = USUAL_THRESHOLD if threshold is None else threshold
    by_share = np.quantile(probabilities[:, 1], [1 - share for share in _SHARES_ANSWERED])
    levels = sorted({chosen, USUAL_THRESHOLD, *(float(f"{level:.3g}") for level in by_share)})
    prices = None if costs is None else np.asarray(costs, np.float64)
    return Answers(
        confusion, chosen, tuple(_row(truth, probabilities, level, level == chosen, prices) for level in levels)
    )


def _row(truth: Classes, probabilities: Floats, level: float, is_chosen: bool, prices: Floats | None) -> ThresholdRow:
    answer = answered(probabilities, level)
    found, alarms = int((answer & truth).sum()), int((answer & (1 - truth)).sum())
    positives, negatives = int(truth.sum()), int((1 - truth).sum())
    return ThresholdRow(
        threshold=level,
        is_chosen=is_chosen,
        answered=(found + alarms) / len(truth),
        sensitivity=found / positives if positives else None,
        specificity=1 - alarms / negatives if negatives else None,
        precision=found / (found + alarms) if found + alarms else None,
        cost=None if prices is None else float(prices[truth, answer].mean()),
    )

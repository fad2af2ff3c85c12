"""What is answered for a model's outputs, by the rule that the version was decided with. Pure functions."""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.evaluation.answer_rule import AnswerRule
from lepton_ai.platform.model_management.serving.served_model import ServedModel

_NO_RULE = AnswerRule()


def answers_of(outputs: NDArray[Any], served: ServedModel) -> dict[str, Any]:
    """The parts of an answer that outputs decide.

    A classifier answers a label with probabilities for each row, and the labels that the row may have where the rule
    promises coverage. A regressor answers numbers, one plain number per row where it gives one, and beside them their
    intervals.

    Args:
        outputs: The model's output, `(batch, *output_shape)`, finite.
        served: The model that gave it.
    """
    rule = served.rule or _NO_RULE
    rows = np.ascontiguousarray(outputs)
    if served.is_classifier:
        return {"outputs": _labelled(rows, served.labels, rule)}
    if prod(outputs.shape[1:]) != 1:
        return {"outputs": rows}
    numbers = rows.reshape(-1)
    intervals = rule.intervals(numbers)
    if intervals is None:
        return {"outputs": numbers}
    # In the type of the numbers, so that both have as many digits.
    return {"outputs": numbers, "intervals": np.ascontiguousarray(intervals, numbers.dtype)}


def _labelled(rows: NDArray[Any], labels: tuple[int | str, ...], rule: AnswerRule) -> list[dict[str, Any]]:
    answered = rule.classes(rows)
    answers: list[dict[str, Any]] = [
        {"label": labels[best], "probability": row[best], "probabilities": row}
        for best, row in zip(answered, rows, strict=True)
    ]
    possible = rule.label_sets(rows)
    if possible is not None:
        for answer in answers:
            answer["labels"] = []
        for row_number, class_number in zip(*(each.tolist() for each in np.nonzero(possible)), strict=True):
            answers[row_number]["labels"].append(labels[class_number])
    return answers

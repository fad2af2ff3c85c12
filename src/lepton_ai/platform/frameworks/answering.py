"""What a model answers to checked rows, for whoever measures it: reports and decisions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.data import plain_batches
from lepton_ai.platform.frameworks.facts import class_numbers
from lepton_ai.platform.frameworks.intake import Intake, Rows
from lepton_ai.platform.frameworks.streams import is_stream
from lepton_ai.platform.frameworks.table_intake import TableIntake
from lepton_ai.platform.preprocessing.signature import Task

_BATCH_SIZE = 256


def checked_intake(model: Any, intake: Intake | TableIntake | None, x: Any, noun: str) -> Intake | TableIntake:
    """Refuse a model or rows that cannot be measured.

    Args:
        model: A `Model`.
        intake: What checks its data; None for a net whose data cannot be checked.
        x: The rows as they came.
        noun: What is to be made of them, for messages, such as "a report".

    Raises:
        InvalidInput: The net has several inputs or outputs, the rows are a stream, or nobody knows what is answered.
    """
    if intake is None or is_stream(x):
        raise InvalidInput(
            f"{noun} needs rows as arrays or a table, and a net with one input and one output, "
            f"got {type(x).__name__} for {model.name!r}",
            hint="Other nets: `evaluate_report` and `decide_rule` take truth and predictions.",
        )
    if model.task is None:
        raise InvalidInput(
            f"{noun} must know what the model answers, got a net whose last layer and loss do not tell",
            hint='Say it: Model(inputs=..., outputs=..., task="regression").',
        )
    if model.task is not Task.CLASSIFICATION and model.output_shape[-1] != 1:
        raise InvalidInput(
            f"{noun} takes one number per row, got {model.output_shape[-1]}",
            hint="Measure each by itself: `evaluate_report` and `decide_rule` take truth and predictions.",
        )
    return intake


def classes_of(model: Any) -> int | None:
    """How many classes a model tells apart; None for a regression."""
    return int(model.output_shape[-1]) if model.task is Task.CLASSIFICATION else None


def truth_and_answers(model: Any, rows: Rows) -> tuple[NDArray[Any], NDArray[Any]]:
    """Class numbers and probabilities `(batch, classes)`, or targets and numbers `(batch,)`."""
    answers = np.asarray(keras.Model.predict(model, plain_batches(rows.x, batch_size=_BATCH_SIZE), verbose=0))
    if classes_of(model) is None:
        return rows.y.reshape(len(rows)), answers[:, 0]
    return class_numbers(rows.y), answers

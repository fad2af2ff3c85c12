"""What becomes of another framework's model on its way to an artifact: ONNX bytes, and how to check them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.preprocessing.signature import Task

INPUT_NAME, OUTPUT_NAME, PROBABILITIES = "inputs", "outputs", "probabilities"

_ROWS = 100

Rows = NDArray[np.float32] | NDArray[np.float64]
"""`(batch, *row_shape)`, as exact as the user gave them: what an endpoint gets of them is float32."""

Answer = Callable[[Rows], NDArray[Any]]
"""Rows to the answers `(batch, *answer_shape)` of the model itself."""


@dataclass(frozen=True)
class Conversion:
    """A model as ONNX, not yet checked.

    Args:
        graph: The file.
        family: Where it comes from, in words: "scikit-learn".
        architecture: What it is, in the words of its own framework: "Pipeline(StandardScaler, LogisticRegression)".
        task: What it answers, if that is known.
        labels: What its classes are called, if that is known.
        rows: Rows to check it on, if there are any yet.
        rows_were_given: Whether the user gave them.
        gives_probabilities: Whether a classifier's answers are probabilities by the rules of its framework.
        answer: The model itself, to compare with; None where the file is all there is.
        parameters: How many numbers it learned, by kind, if its framework can tell.
        columns: What the numbers of a row are called, if they are.
        packages: Whose versions say how it was made.
    """

    graph: bytes
    family: str
    architecture: str
    task: Task | None = None
    labels: Sequence[int | str] | None = None
    rows: Rows | None = None
    rows_were_given: bool = False
    gives_probabilities: bool = False
    answer: Answer | None = None
    parameters: Mapping[str, int] | None = None
    columns: Sequence[str] | None = None
    packages: Sequence[str] = field(default=())


def random_rows(row_shape: Sequence[int]) -> NDArray[np.float32]:
    """Rows to ask a model of which nothing is known: from small numbers to large ones, always the same.

    Returns:
        `(batch, *row_shape)`.
    """
    generator = np.random.default_rng(0)
    sizes = 10.0 ** generator.uniform(-2, 2, size=(_ROWS, *(1 for _ in row_shape)))
    return (generator.standard_normal((_ROWS, *row_shape)) * sizes).astype(np.float32)


def first_line(error: BaseException) -> str:
    """The first line of an error's text that says something, cut to a readable length."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__

"""Whether an ONNX file answers as the model it was made from."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.export_failed import TOLERANCE, ExportFailed
from lepton_ai.platform.frameworks.foreign.conversion import Answer, Rows

_RANDOM_MOVES, _ROUNDINGS = 8, 4


def compare(model: Answer, answers: NDArray[Any], rows: Rows) -> float:
    """Compare what a file answered with what the model itself answers.

    Where a row lies on the edge between two leaves of a tree, the rounding of float32 decides: there the file may
    differ as much as the model's own answers do when the row is moved by a few roundings.

    Args:
        model: The model itself.
        answers: What the file answered, `(batch, *answer_shape)`.
        rows: `(batch, *row_shape)`.

    Returns:
        The largest difference over the rows that lie on no edge, relative where answers are larger than 1.

    Raises:
        ExportFailed: They differ by more than 1e-4.
    """
    expected = np.asarray(model(rows), np.float64)
    if expected.shape != answers.shape:
        raise ExportFailed(f"ONNX answers in the shape {answers.shape}, the model itself in {expected.shape}")
    known = np.isfinite(expected).reshape(len(rows), -1).all(axis=1)
    if not known.any():
        raise ExportFailed(
            "the model must answer finite numbers, got NaN or infinity on every row",
            hint="Give rows that it knows: sample=x_test[:100].",
        )
    rows, expected, answers = rows[known], expected[known], answers[known]
    # A small answer may be the difference of large numbers: it is as exact as those are.
    scale = np.maximum(np.abs(expected), max(1.0, float(np.median(np.abs(expected)))))
    differences = _by_row(np.abs(answers - expected) / scale)
    off = ~(differences <= TOLERANCE)
    if off.any():
        excess = differences[off] - _sway(model, rows[off], expected[off], scale[off])
        if not (excess <= TOLERANCE).all():
            raise ExportFailed(
                f"ONNX and the model must agree to {TOLERANCE:g} on {len(rows)} rows, got a difference of "
                f"{float(differences.max()):.3g}, on {int(off.sum())} of them",
                hint="Compare on rows that it knows: sample=x_test[:100]. Scale its inputs if they are large.",
            )
    return float(differences[~off].max(initial=0.0))


def _sway(model: Answer, rows: Rows, expected: NDArray[Any], scale: NDArray[Any]) -> NDArray[np.float64]:
    """How far the model's own answers move when rows move by a few roundings of float32, `(batch,)`."""
    generator = np.random.default_rng(0)
    together = [np.full(rows.shape[1:], steps) for steps in (-_ROUNDINGS, -1, 1, _ROUNDINGS)]
    apart = [generator.uniform(-_ROUNDINGS, _ROUNDINGS, rows.shape) for _ in range(_RANDOM_MOVES)]
    rounding = np.spacing(np.abs(rows).astype(np.float32)).astype(np.float64)
    moved = np.zeros(len(rows))
    for steps in (*together, *apart):
        answers = np.asarray(model(rows + steps * rounding), np.float64)
        moved = np.fmax(moved, _by_row(np.abs(answers - expected) / scale))
    return moved


def _by_row(differences: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(differences.reshape(len(differences), -1).max(axis=1), np.float64)

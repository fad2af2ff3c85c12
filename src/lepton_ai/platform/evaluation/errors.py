"""How a regression errs, in bins of many rows."""

import numpy as np

from lepton_ai.platform.evaluation.arrays import Floats
from lepton_ai.platform.evaluation.report_parts import ErrorBin, Errors

_BINS = 20
_FEWEST_ROWS_IN_BIN = 20
_BARS = 30
_CUT_OFF = 0.005


def errors(truth: Floats, numbers: Floats) -> Errors:
    """Errors (truth minus prediction) by the size of the prediction, and their histogram."""
    differences = truth - numbers
    order = np.argsort(numbers, kind="stable")
    parts = np.array_split(order, int(np.clip(len(order) // _FEWEST_ROWS_IN_BIN, 1, _BINS)))
    low, high = np.quantile(differences, [_CUT_OFF, 1 - _CUT_OFF])
    edges = np.linspace(low, high, _BARS + 1) if high > low else np.array([low - 0.5, low + 0.5])
    counts, _ = np.histogram(np.clip(differences, edges[0], edges[-1]), edges)
    return Errors(
        tuple(_bin(truth[part], numbers[part]) for part in parts),
        tuple(float(edge) for edge in edges),
        tuple(int(count) for count in counts),
    )


def _bin(truth: Floats, numbers: Floats) -> ErrorBin:
    low, middle, high = np.quantile(truth - numbers, [0.1, 0.5, 0.9])
    return ErrorBin(len(truth), float(numbers.mean()), float(truth.mean()), float(low), float(middle), float(high))

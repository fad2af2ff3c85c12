"""Checks at the door of a report: truth, predictions, baselines and what is known of the rows fit each other."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.evaluation.arrays import Classes, Floats

NAIVE, LINEAR = "naive", "linear"
"""The two baselines that every report has."""

_SUM_MAY_DIFFER = 0.01


def checked_probabilities(values: Any, field: str, shape: tuple[int, ...] | None = None) -> Floats:
    """Probabilities `(rows, classes)`, each row summing to 1."""
    array = _floats(values, field)
    if array.ndim != 2 or array.shape[1] < 2 or not len(array) or (shape is not None and array.shape != shape):
        wanted = "(rows, classes)" if shape is None else str(shape)
        raise InvalidInput(f"`{field}` must have shape {wanted}, got {array.shape}")
    if array.min() < 0 or np.abs(array.sum(axis=1) - 1).max() > _SUM_MAY_DIFFER:
        row = int(np.argmax(np.maximum(np.abs(array.sum(axis=1) - 1), -array.min(axis=1))))
        raise InvalidInput(
            f"`{field}` must hold probabilities that sum to 1 in each row, got {array[row].tolist()} in row {row}"
        )
    # What float32 rounds to zero was not certain; as float64 its log would make one row outweigh all others.
    kind = np.asarray(values).dtype
    return np.maximum(array, np.finfo(kind).eps) if kind.kind == "f" and kind.itemsize < 8 else array


def checked_numbers(values: Any, field: str, rows: int | None = None) -> Floats:
    """Numbers `(rows,)`; `(rows, 1)` is taken as well."""
    array = _floats(values, field)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or not len(array) or (rows is not None and len(array) != rows):
        raise InvalidInput(f"`{field}` must have shape ({'rows' if rows is None else rows},), got {array.shape}")
    return array


def checked_classes(values: Any, rows: int, classes: int) -> Classes:
    """Class numbers `(rows,)`; `(rows, 1)` is taken as well."""
    array = checked_numbers(values, "truth", rows)
    if (array != np.floor(array)).any() or array.min() < 0 or array.max() >= classes:
        raise InvalidInput(
            f"`truth` must hold class numbers from 0 to {classes - 1}, got values from {array.min():g} to "
            f"{array.max():g}",
            hint="Number the classes in the order of the probabilities.",
        )
    return array.astype(np.int64)


def checked_baselines(given: Mapping[str, Any], check: Callable[[Any, str], Floats]) -> dict[str, Floats]:
    """What the baselines predict; naive and linear must be among them."""
    missing = [name for name in (NAIVE, LINEAR) if name not in given]
    if missing:
        raise InvalidInput(
            f"`baselines` must hold 'naive' and 'linear', got {sorted(given)}",
            hint="A number says little without what the simplest models reach on the same rows.",
        )
    return {name: check(given[name], f"baselines[{name!r}]") for name in given}


def checked_labels(labels: Sequence[int | str] | None, classes: int) -> tuple[int | str, ...]:
    """One distinct label for each class; the class numbers where none are given."""
    names = tuple(range(classes)) if labels is None else tuple(labels)
    if len(names) != classes or len(set(names)) != classes:
        raise InvalidInput(f"`labels` must name each of {classes} classes once, got labels={list(names)}")
    return names


def checked_threshold(threshold: float | None, classes: int) -> float | None:
    """A threshold for two classes, or none."""
    if threshold is not None and (classes != 2 or not 0 <= threshold <= 1):
        raise InvalidInput(
            f"`threshold` must be a probability, for two classes, got threshold={threshold} for {classes}"
        )
    return threshold


def checked_interval(ends: Any, coverage: float | None, rows: int) -> Floats | None:
    """The ends of each row's interval `(rows, 2)`, with the coverage that it promises."""
    if ends is None and coverage is None:
        return None
    if ends is None or coverage is None or not 0 < coverage < 1:
        raise InvalidInput(
            f"`interval` and `coverage` go together, coverage between 0 and 1, got coverage={coverage}",
            hint="Give the ends (rows, 2), and how often they should hold the truth.",
        )
    array = _floats(ends, "interval")
    if array.shape != (rows, 2) or (array[:, 0] > array[:, 1]).any():
        raise InvalidInput(f"`interval` must hold a lower and an upper end for each of {rows} rows, got {array.shape}")
    return array


def checked_columns(columns: Mapping[str, Any], rows: int, field: str) -> dict[str, NDArray[Any]]:
    """Columns of one value per row."""
    return {name: checked_column(values, rows, f"{field}[{name!r}]") for name, values in columns.items()}


def checked_column(values: Any, rows: int, field: str) -> NDArray[Any]:
    """One value per row: numbers, dates or text."""
    array = np.asarray(values)
    if array.shape != (rows,):
        raise InvalidInput(f"`{field}` must hold one value for each of {rows} rows, got shape {array.shape}")
    return array


def checked_clusters(values: Any, rows: int) -> Classes:
    """The number of each row's cluster; a row without one is a cluster of its own."""
    array = checked_column(values, rows, "rows.clusters")
    numbers: dict[Any, int] = {}
    # NaN, NaT and None differ from every value or have none: their place stands for them.
    keys = [value if value is not None and value == value else (place,) for place, value in enumerate(array.tolist())]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def checked_times(values: Any, rows: int) -> NDArray[Any]:
    """When each row was: numbers or dates."""
    array = checked_column(values, rows, "rows.time")
    if array.dtype.kind not in "iufM":
        raise InvalidInput(
            f"`rows.time` must hold numbers or dates, got {array.dtype}",
            hint="Make dates of texts: np.array(texts, 'datetime64[us]').",
        )
    return array


def checked_openings(count: int | None) -> int | None:
    """How often the test part was opened: once at least."""
    if count is not None and count < 1:
        raise InvalidInput(f"`test_openings` must be 1 or more, got test_openings={count}")
    return count


def _floats(values: Any, field: str) -> Floats:
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"`{field}` must hold numbers, got {type(values).__name__}") from error
    if not np.isfinite(array).all():
        raise InvalidInput(f"`{field}` must hold finite numbers, got {array[~np.isfinite(array)][0]}")
    return array

"""Rows that are the same, found exactly: each row gets a number, and copies get the same one. NumPy only."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DIGEST_BYTES = 16


def copies_in_array(rows: NDArray[Any]) -> NDArray[np.int64]:
    """Number the distinct rows of an array.

    Args:
        rows: Numbers `(rows, ...)`, such as images `(rows, height, width, channels)`. Rows are the same where their
            bytes are.

    Returns:
        A number for each row `(rows,)`, counted from 0 in the order of first appearance.

    Example:

        >>> copies_in_array(np.array([[1, 2], [3, 4], [1, 2]]))
        array([0, 1, 0])
    """
    numbers: dict[bytes, int] = {}
    codes = np.empty(len(rows), dtype=np.int64)
    for at, row in enumerate(np.ascontiguousarray(rows)):
        # A digest and not the row itself as the key: 60,000 images would be held a second time. Two different rows
        # share one of 128 bits with a probability of some 10^-29.
        digest = hashlib.blake2b(row.tobytes(), digest_size=_DIGEST_BYTES).digest()
        codes[at] = numbers.setdefault(digest, len(numbers))
    return codes


def copies_in_table(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    """Number the distinct rows of a table; missing values count as equal.

    Args:
        columns: The columns to compare, each `(rows,)`, in the form of `columns.py`.

    Returns:
        A number for each row `(rows,)`, counted from 0 in the order of first appearance.

    Example:

        >>> columns = {"age": np.array([30.0, np.nan, np.nan]), "sex": np.array(["f", "m", "m"], dtype=object)}
        >>> copies_in_table(columns)
        array([0, 1, 1])
    """
    if not columns:
        return np.empty(0, dtype=np.int64)
    return copies_in_array(np.stack([codes_of(values) for values in columns.values()], axis=1))


def codes_of(values: NDArray[Any]) -> NDArray[np.int64]:
    """Number the distinct values of one column; all missing ones share a number.

    Args:
        values: Numbers, dates, or objects such as `str | None`, `(rows,)`.

    Returns:
        A number for each row `(rows,)`, from 0 and without gaps.

    Example:

        >>> codes_of(np.array(["b", "a", None, "b"], dtype=object))
        array([0, 1, 2, 0])
        >>> codes_of(np.array([2.5, np.nan, -0.0, 0.0, np.nan]))
        array([1, 2, 0, 0, 2])
    """
    if values.dtype.kind == "O":
        # A dictionary and not a sort: texts cannot be sorted beside None. A new value gets the count of those before.
        numbers: defaultdict[Any, int] = defaultdict()
        numbers.default_factory = numbers.__len__
        return np.array(list(map(numbers.__getitem__, values.tolist())), dtype=np.int64)
    return np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)

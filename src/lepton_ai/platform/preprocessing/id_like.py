"""Columns whose values name rows, or what several rows have in common, rather than say anything about them."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.preprocessing.column import Column, Kind
from lepton_ai.platform.preprocessing.columns import is_missing
from lepton_ai.platform.preprocessing.copies import codes_of

_FEWEST = 20
_NEARLY_ALL = 0.95
_GAPS = 1.5
_ROWS_OF_ONE = (1.5, 1000)
# `customer_id`, `customerId` and `ID`, and not `Paid` or `grid`.
_CALLED_ID = re.compile(r"(?i:(^|[_ .-])(id|ids|uid|uuid|guid|key|nr|no|number))$|[a-z](Id|ID|Number|No)$")
_CALLED_OWNER = re.compile(
    r"(?i)^(patient|subject|person|user|customer|client|member|donor|household|family|account|device|machine|engine|unit"
    r"|vehicle|session|store|shop|site|station|sensor|batch|lot|group)s?([_ .-]?(id|key|nr|no|number|code|name))?$"
)


def names_rows(column: Column, values: NDArray[Any]) -> bool:
    """Whether almost every row has a value of its own, in the way of an id.

    Whole numbers count the rows, or are called an id; texts are one word. Measured numbers differ in every row too, and
    so do sentences: neither is meant.
    """
    known = values[~is_missing(values)]
    if len(known) < _FEWEST or column.kind is Kind.DATE:
        return False
    distinct = len(np.unique(codes_of(known)))
    if distinct < _NEARLY_ALL * len(known):
        return False
    if column.kind is Kind.NUMBER:
        span = float(np.ptp(known)) + 1
        counts = distinct == len(known) and span <= _GAPS * len(known)
        return bool((known == np.floor(known)).all()) and (counts or _CALLED_ID.search(column.name) is not None)
    return float(np.mean([" " not in text for text in known.tolist()])) >= _NEARLY_ALL


def names_groups(column: Column, values: NDArray[Any]) -> bool:
    """Whether the column is called as owners of rows are, such as `patient`, and holds many with a few rows each."""
    if _CALLED_OWNER.match(column.name) is None and _CALLED_ID.search(column.name) is None:
        return False
    known = values[~is_missing(values)]
    if column.kind in (Kind.DATE, Kind.TEXT) or not len(known):
        return False
    if column.kind is Kind.NUMBER and not (known == np.floor(known)).all():
        return False
    distinct = len(np.unique(codes_of(known)))
    least, most = _ROWS_OF_ONE
    return distinct >= _FEWEST and least <= len(known) / distinct <= most

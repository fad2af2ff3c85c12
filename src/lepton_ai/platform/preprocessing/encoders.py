"""Each kind of feature as numbers: learned from training rows, kept as plain JSON, applied with NumPy alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.preprocessing.column import Column, Kind
from lepton_ai.platform.preprocessing.columns import is_missing
from lepton_ai.platform.preprocessing.layout import DatePart, date_parts
from lepton_ai.platform.preprocessing.text_numbers import TextNumbers

# Up to about two quartile distances from the median a number stays as it is, beyond it grows as its logarithm.
_STRAIGHT = 2.0
# Up to so many categories, trees find their way in any order.
_FEW = 12
_ROWS_PER_CATEGORY = 30
# How far, in standard deviations, categories must differ in the outcome beyond what chance makes of equal ones.
_BEYOND_CHANCE = 3.0
# Larger than any amount, and small enough that differences and quotients stay finite.
_LARGEST = 1e150

_DAY = np.timedelta64(1, "D")
_DAYS_IN_YEAR = 365.2425


class Encoder(Protocol):
    """What turns the values of a feature into numbers."""

    def apply(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """The numbers of some rows, `(batch, width)`, without the one that says that a value is missing."""
        ...

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        ...


def fit_encoder(column: Column, values: NDArray[Any], outcome: NDArray[np.float64] | None) -> Encoder:
    """Learn an encoder from training rows.

    Args:
        column: The feature.
        values: Its values, `(batch,)`.
        outcome: What is to be predicted, `(batch, outcomes)`: a number, or one share per class.
    """
    if column.kind is Kind.NUMBER:
        return NumberEncoder.fit(values)
    if column.kind is Kind.CATEGORY:
        return CodeEncoder.fit(column.categories or (), values, outcome)
    if column.kind is Kind.DATE:
        return DateEncoder.fit(date_parts(column), values)
    return TextNumbers.fit(values)


def encoder_from_json(column: Column, value: Mapping[str, Any]) -> Encoder:
    """Read what an encoder's `to_json` wrote."""
    if column.kind is Kind.NUMBER:
        return NumberEncoder(float(value["centre"]), float(value["scale"]))
    if column.kind is Kind.CATEGORY:
        return CodeEncoder(tuple(str(category) for category in value["categories"]))
    if column.kind is Kind.DATE:
        days = NumberEncoder(float(value["centre"]), float(value["scale"]))
        return DateEncoder(date_parts(column), days)
    return TextNumbers.from_json(value)


@dataclass(frozen=True)
class NumberEncoder:
    """A number, measured from the median in quartile distances, and beyond two of them as its logarithm.

    An outlier thus stays the largest without drowning the rest, and amounts that spread over powers of ten are as far
    apart as their logarithms. Unlike the "smooth clip" of RealMLP (Holzmueller et al. 2024), which bends everything
    towards 3, it keeps far values apart; docs/decisions/table-preprocessing.md has what was measured. Where half the
    rows have the same value, the distance is the median one of the other rows. A missing number is the median.

    Args:
        centre: The median of the training rows.
        scale: Their quartile distance.
    """

    centre: float
    scale: float

    @classmethod
    def fit(cls, values: NDArray[Any]) -> Self:
        """Learn from training rows, `(batch,)`."""
        known = _bounded(values[~is_missing(values)])
        if not known.size:
            return cls(0.0, 1.0)
        low, centre, high = (float(quantile) for quantile in np.quantile(known, (0.25, 0.5, 0.75)))
        scale = high - low
        if scale == 0:
            others = known[known != centre]
            scale = float(np.median(np.abs(others - centre))) if others.size else 1.0
        return cls(centre, scale)

    def apply(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """The numbers of some rows, `(batch, 1)`."""
        return bent(values, self.centre, self.scale)[:, np.newaxis]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"centre": self.centre, "scale": self.scale}


@dataclass(frozen=True)
class CodeEncoder:
    """A category as a code: 0 for unknown or missing, then 1, 2 … for the known ones.

    Where they are many, they go from the least to the greatest mean outcome. In this order a tree can part any high
    from any low categories at one point, which is the best partition for one number or two classes (Fisher 1958;
    Breiman et al. 1984, section 4.2.2); for more classes the order is that along the first principal component of the
    class shares (Coppersmith, Hong and Hosking 1999). The means are drawn towards the mean of all rows, a rare
    category's most, as far as chance explains their spread.

    Where they are few, where each has few rows, or where chance explains all, the order is that of the schema: it then
    tells a model nothing about the outcomes of its training rows, and predictions for rows that were held back among
    them are honest.

    Args:
        categories: The known categories in the order of their codes, from 1.
    """

    categories: tuple[str, ...]

    @classmethod
    def fit(cls, categories: tuple[str, ...], values: NDArray[Any], outcome: NDArray[np.float64] | None) -> Self:
        """Learn the order from training rows, `(batch,)`; without an outcome it is that of the schema."""
        if outcome is None or len(categories) <= _FEW or len(values) < _ROWS_PER_CATEGORY * len(categories):
            return cls(categories)
        codes = cls(categories).apply(values)[:, 0].astype(np.int64)
        rows = np.bincount(codes, minlength=len(categories) + 1)[1:]
        sums = np.stack(
            [np.bincount(codes, weights=each, minlength=len(categories) + 1)[1:] for each in outcome.T], axis=1
        )
        distances = sums - rows[:, np.newaxis] * outcome.mean(axis=0)  # (categories, outcomes), each times its rows
        order = np.argsort(_along(_shrunk(distances, rows, outcome), rows), kind="stable")
        return cls(tuple(categories[position] for position in order))

    def apply(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """The codes of some rows, `(batch, 1)`."""
        codes = self._codes
        found = np.fromiter((codes.get(value, 0) for value in values), dtype=np.float64, count=len(values))
        return found[:, np.newaxis]

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {category: code for code, category in enumerate(self.categories, start=1)}

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"categories": list(self.categories)}


@dataclass(frozen=True)
class DateEncoder:
    """A date as its days, scaled as a number, and its place in year, week and day, each as sine and cosine.

    Args:
        parts: What is taken from it.
        days: How its days are scaled.
    """

    parts: tuple[DatePart, ...]
    days: NumberEncoder

    @classmethod
    def fit(cls, parts: tuple[DatePart, ...], values: NDArray[Any]) -> Self:
        """Learn from training rows, `(batch,)`."""
        return cls(parts, NumberEncoder.fit(_days(values)))

    def apply(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """The numbers of some rows, `(batch, width)`; a missing date is the median day, at no place of the year."""
        numbers = []
        for part in self.parts:
            if part is DatePart.DAYS:
                numbers.append(self.days.apply(_days(values)))
            else:
                turn = 2 * np.pi * _turns(part, values)
                numbers.append(np.nan_to_num(np.stack([np.sin(turn), np.cos(turn)], axis=1)))
        return np.concatenate(numbers, axis=1)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return self.days.to_json()


def bent(values: NDArray[Any], centre: Any, scale: Any) -> NDArray[np.float64]:
    """Numbers as `NumberEncoder` has them; also many columns at once, `(batch, columns)`, each with its own scale."""
    known = np.where(np.isfinite(values), _bounded(values), centre)
    with np.errstate(over="ignore"):
        distance = np.clip((known - centre) / scale, -_LARGEST, _LARGEST)
    return np.asarray(_STRAIGHT * np.arcsinh(distance / _STRAIGHT))


def _bounded(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(np.clip(values, -_LARGEST, _LARGEST), dtype=np.float64)


def _shrunk(
    distances: NDArray[np.float64], rows: NDArray[np.int64], outcome: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far each category's mean outcome is from that of all, `(categories, outcomes)`, less what is chance.

    The variance between categories is estimated by the method of moments (DerSimonian and Laird 1986).

    Args:
        distances: The distances of the means, each times its rows.
        rows: How many rows each category has.
        outcome: The outcomes of all rows.
    """
    variance = float(outcome.var(axis=0).sum())
    known, freedom = int(rows.sum()), int((rows > 0).sum()) - 1
    if variance <= 0 or freedom < 1:
        return np.zeros_like(distances)
    spread = float((distances**2 / np.maximum(rows, 1)[:, np.newaxis]).sum()) / variance
    excess = spread - freedom
    if excess <= _BEYOND_CHANCE * np.sqrt(2 * freedom):
        return np.zeros_like(distances)
    prior_rows = (known - float((rows**2).sum()) / known) / excess
    return np.asarray(distances / (rows + prior_rows)[:, np.newaxis])


def _along(means: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Where each of several points `(categories, outcomes)` lies on the line along which they differ most."""
    if means.shape[1] == 1:
        return np.asarray(means[:, 0])
    _, _, directions = np.linalg.svd(means * np.sqrt(rows)[:, np.newaxis], full_matrices=False)
    direction = directions[0]
    # A line has no beginning: it shall begin where the class with the greatest part in it is rare.
    return np.asarray(means @ direction * np.sign(direction[np.argmax(np.abs(direction))] or 1.0))


def _days(values: NDArray[Any]) -> NDArray[np.float64]:
    """Days since 1970 with fractions, NaN for a missing date."""
    days = (values - np.datetime64(0, "us")) / _DAY
    return np.asarray(days, dtype=np.float64)


def _turns(part: DatePart, values: NDArray[Any]) -> NDArray[np.float64]:
    """How much of the year, week or day has passed, from 0 to 1, NaN for a missing date."""
    days = _days(values)
    if part is DatePart.HOUR:
        return np.asarray(days - np.floor(days))
    if part is DatePart.WEEKDAY:
        # The first day of 1970 was a Thursday, three days after Monday.
        return np.asarray(np.mod(np.floor(days) + 3, 7) / 7)
    return np.asarray((days - _days(values.astype("datetime64[Y]").astype("datetime64[us]"))) / _DAYS_IN_YEAR)

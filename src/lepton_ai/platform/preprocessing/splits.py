"""Splits: which rows train, which validate, and which are sealed for the test; by chance, group, time, or both."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.dealing import deal, spare_rare_classes
from lepton_ai.platform.preprocessing.split_keys import SplitKeys, SplitKind


class SealedTest:
    """The rows of the test part. They come out through `open` alone, which counts.

    A test part says how good a model is once. Each further look, with changes in between, makes it part of the
    choosing; so a report tells how often it was opened.

    Example:

        >>> sealed = SealedTest(np.array([4, 7]))
        >>> sealed.open().tolist(), sealed
        ([4, 7], SealedTest(2 rows, opened 1 time))
    """

    def __init__(self, rows: NDArray[np.int64]) -> None:
        self.__rows = rows
        self._opened = 0

    @property
    def opened(self) -> int:
        """How often the rows were taken out."""
        return self._opened

    def open(self) -> NDArray[np.int64]:
        """The positions of the test rows, `(test rows,)`, in ascending order. Counted."""
        self._opened += 1
        return self.__rows.copy()

    def __len__(self) -> int:
        return len(self.__rows)

    def __repr__(self) -> str:
        return f"SealedTest({len(self)} rows, opened {self._opened} time{'' if self._opened == 1 else 's'})"


@dataclass(frozen=True, eq=False)
class Split:
    """Where each row went. Positions are ascending, `(rows of the part,)`.

    Args:
        kind: How rows were kept apart.
        train: The rows to learn from.
        validation: The rows to choose by.
        test: The rows to report on, sealed.
        left_out: How many rows went nowhere. Only a split by group and time has any: the later rows of a group that
            is learnt from, and the earlier rows of a group that is kept back.
    """

    kind: SplitKind
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: SealedTest
    left_out: int = 0

    def to_json(self) -> dict[str, Any]:
        """Kind and sizes, without the rows, for logs and reports."""
        return {
            "kind": self.kind.value,
            "train_rows": len(self.train),
            "validation_rows": len(self.validation),
            "test_rows": len(self.test),
            "test_opened": self.test.opened,
            "left_out_rows": self.left_out,
        }


@dataclass(frozen=True, eq=False)
class Fold:
    """One turn of cross-validation: positions to learn from, and positions to judge by, both ascending."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]


def split(keys: SplitKeys, *, validation: float = 0.15, test: float = 0.15, seed: int = 0) -> Split:
    """Split rows into a part to train on, one to validate on, and a sealed one to test on.

    Args:
        keys: What the split looks at; this alone decides its kind.
        validation: The share of rows to validate on, from 0 to below 1. The same goes for `test`.
        test: The share of rows to test on; 0 where the test rows are elsewhere.
        seed: The same seed gives the same split.

    Returns:
        The positions of each part. Every row is in one of them, except as `Split.left_out` says.

    Raises:
        InvalidInput: Shares that leave nothing to train on; or too few rows, groups or times for that many parts.

    Example:

        >>> parts = split(SplitKeys(8, strata=np.array([0, 1] * 4)), validation=0.25, test=0.25)
        >>> parts.to_json()["train_rows"], parts.validation.shape, len(parts.test)
        (4, (2,), 2)
    """
    for name, share in (("validation", validation), ("test", test)):
        if not 0 <= share < 1:
            raise InvalidInput(f"`{name}` must be a share from 0 to below 1, got {name}={share}")
    if validation + test >= 1:
        raise InvalidInput(
            f"`validation` and `test` must leave rows to train on, got validation={validation}, test={test}",
            hint="Their sum must be below 1.",
        )
    generator = np.random.default_rng(seed)
    rows = np.arange(keys.rows)
    rows, sealed = _hold_back(keys, rows, test, generator)
    train, validated = _hold_back(keys, rows, validation / (1 - test), generator)
    left_out = keys.rows - len(train) - len(validated) - len(sealed)
    return Split(keys.kind, train, validated, SealedTest(sealed), left_out)


def folds(keys: SplitKeys, number: int = 5, *, seed: int = 0) -> tuple[Fold, ...]:
    """Split rows into folds for cross-validation, by the same rules.

    Args:
        keys: What the split looks at.
        number: How many folds, at least 2.
        seed: The same seed gives the same folds.

    Returns:
        The folds. By chance or group, each row is validated on once. By time they are chained forward: the rows are
        cut into `number + 1` spans, and each fold learns from all spans before the one that it is judged by; the first
        span is never judged by.

    Raises:
        InvalidInput: Too few rows, groups or times for that many folds.

    Example:

        >>> chain = folds(SplitKeys(6, times=np.arange(6)), 2)
        >>> [(fold.train.tolist(), fold.validation.tolist()) for fold in chain]
        [([0, 1], [2, 3]), ([0, 1, 2, 3], [4, 5])]
    """
    if number < 2:
        raise InvalidInput(f"`number` of folds must be at least 2, got number={number}")
    generator = np.random.default_rng(seed)
    if keys.times is None:
        units = keys.units(number)
        parts = deal([1 / number] * number, keys.classes(), units, generator)
        return tuple(Fold(np.flatnonzero(parts != part), np.flatnonzero(parts == part)) for part in range(number))
    spans = _spans(keys.times, [1 / (number + 1)] * (number + 1))
    if keys.groups is None:
        return tuple(Fold(np.flatnonzero(spans < at), np.flatnonzero(spans == at)) for at in range(1, number + 1))
    units = keys.units(number)
    parts = deal([1 / number] * number, np.zeros(keys.rows, dtype=np.int64), units, generator)
    return tuple(_checked(_later_groups(units, spans, at, parts == at - 1)) for at in range(1, number + 1))


def _hold_back(
    keys: SplitKeys, rows: NDArray[np.int64], share: float, generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of some rows, those to keep and those to hold back."""
    if share == 0:
        return rows, np.empty(0, dtype=np.int64)
    keys = keys.take(rows)
    shares = [1 - share, share]
    if keys.times is None:
        units, strata = keys.units(2), keys.classes()
        parts = spare_rare_classes(deal(shares, strata, units, generator), strata, units, generator)
        return rows[parts == 0], rows[parts == 1]
    spans = _spans(keys.times, shares)
    if keys.groups is None:
        return rows[spans == 0], rows[spans == 1]
    units = keys.units(2)
    parts = deal(shares, np.zeros(keys.rows, dtype=np.int64), units, generator)
    fold = _checked(_later_groups(units, spans, 1, parts == 1))
    return rows[fold.train], rows[fold.validation]


def _later_groups(units: NDArray[np.int64], spans: NDArray[np.int64], at: int, dealt: NDArray[np.bool_]) -> Fold:
    """Judge by the rows of a span whose group was dealt so or is new in it, after earlier rows of the other groups."""
    first_span = np.full(int(units.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first_span, units, spans)
    judged = (spans == at) & (dealt | (first_span[units] == at))
    return Fold(np.flatnonzero((spans < at) & ~np.isin(units, units[judged])), np.flatnonzero(judged))


def _checked(fold: Fold) -> Fold:
    if not len(fold.train) or not len(fold.validation):
        raise InvalidInput(
            "rows cannot be split by group and time: no rows are left on one side of a cut in time",
            hint="Split by one of the two only, or into fewer or larger parts.",
        )
    return fold


def _spans(times: NDArray[Any], shares: list[float]) -> NDArray[np.int64]:
    """The number of the span of time of each row. Rows of the same time are in the same span, and none is empty."""
    distinct, positions, counts = np.unique(times, return_inverse=True, return_counts=True)
    if len(distinct) < len(shares):
        raise InvalidInput(
            f"at least {len(shares)} different times are needed to split into {len(shares)} spans, got {len(distinct)}"
        )
    rows_until = np.concatenate([[0], np.cumsum(counts)])
    cuts = [0]
    for number in range(1, len(shares)):
        wanted = sum(shares[:number]) * len(times)
        nearest = int(np.abs(rows_until - wanted).argmin())
        cuts.append(min(max(nearest, cuts[-1] + 1), len(distinct) - len(shares) + number))
    return np.searchsorted(np.array(cuts), positions.reshape(-1), side="right").astype(np.int64) - 1

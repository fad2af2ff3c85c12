"""What a split looks at in each row, and how the roles of a schema choose it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.copies import codes_of, copies_in_table
from lepton_ai.platform.preprocessing.schema import Role, Schema
from lepton_ai.platform.preprocessing.signature import Task

_BINS = 10
# Not the id of a row: copies may have been given ids of their own.
_COMPARED = frozenset({Role.FEATURE, Role.TARGET, Role.TIME, Role.GROUP})


class SplitKind(StrEnum):
    """How rows are kept apart."""

    STRATIFIED = "stratified"
    GROUP = "group"
    TIME = "time"
    GROUP_TIME = "group_time"


@dataclass(frozen=True, eq=False)
class SplitKeys:
    """What a split looks at in each row.

    Args:
        rows: How many rows there are.
        strata: A class of each row, of which every part gets its share, `(rows,)`. For a target of numbers see
            `strata_of_numbers`.
        groups: What must not be torn apart, such as the patient of each row, `(rows,)`.
        times: Dates or numbers, `(rows,)`. Rows to learn from come before the rows to be judged by.
        copies: A number for each row, equal where rows are the same, `(rows,)`; see `copies.py`. Copies stay together.
            Counts only where there are neither groups nor times: the same row has the same group and the same time.
    """

    rows: int
    strata: NDArray[Any] | None = None
    groups: NDArray[Any] | None = None
    times: NDArray[Any] | None = None
    copies: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        for name, values in self._present().items():
            if values.shape != (self.rows,):
                raise InvalidInput(f"`{name}` must have one value for each of {self.rows} rows, got {values.shape}")
            missing = int(_missing(values).sum()) if name in ("groups", "times") else 0
            if missing:
                raise InvalidInput(
                    f"`{name}` must be known for every row to split by, got {missing} rows without",
                    hint="Fill the missing values, leave these rows out, or take the role from the column.",
                )

    @property
    def kind(self) -> SplitKind:
        """What these keys ask for."""
        if self.times is not None:
            return SplitKind.TIME if self.groups is None else SplitKind.GROUP_TIME
        return SplitKind.STRATIFIED if self.groups is None else SplitKind.GROUP

    def take(self, rows: NDArray[np.int64]) -> "SplitKeys":
        """The keys of some of the rows, to split these further."""
        return SplitKeys(len(rows), **{name: values[rows] for name, values in self._present().items()})

    def classes(self) -> NDArray[np.int64]:
        """The stratum of each row as a number, 0 for all where there are none, `(rows,)`."""
        return np.zeros(self.rows, dtype=np.int64) if self.strata is None else codes_of(self.strata)

    def units(self, parts: int) -> NDArray[np.int64]:
        """The number of what must stay together, for each row, `(rows,)`.

        Raises:
            InvalidInput: There are fewer units than parts to split into.
        """
        if self.groups is not None:
            units, noun = codes_of(self.groups), "different groups"
        elif self.copies is not None:
            units, noun = codes_of(self.copies), "different rows"
        else:
            units, noun = np.arange(self.rows), "rows"
        found = int(units.max(initial=-1)) + 1
        if found < parts:
            raise InvalidInput(f"at least {parts} {noun} are needed to split into {parts} parts, got {found}")
        return units

    def _present(self) -> Mapping[str, NDArray[Any]]:
        found = {"strata": self.strata, "groups": self.groups, "times": self.times, "copies": self.copies}
        return {name: values for name, values in found.items() if values is not None}


@dataclass(frozen=True)
class SplitRule:
    """Which columns a split looks at. `rule_for` reads it from a schema.

    Args:
        target: The column of which each part gets its share of every class, or of every range of numbers.
        classes: Whether the target is a class rather than a number.
        group: The column whose equal values stay together.
        time: The column that says which rows come later.
        compared: The columns by which rows are copies of each other.
    """

    target: str | None
    classes: bool
    group: str | None
    time: str | None
    compared: tuple[str, ...]

    @property
    def kind(self) -> SplitKind:
        """How rows are kept apart by this rule."""
        if self.time is not None:
            return SplitKind.TIME if self.group is None else SplitKind.GROUP_TIME
        return SplitKind.STRATIFIED if self.group is None else SplitKind.GROUP

    def keys(self, columns: Mapping[str, NDArray[Any]]) -> SplitKeys:
        """What the rule looks at, taken out of a table.

        Args:
            columns: The table in the form of `columns.py`, each column `(rows,)`.

        Raises:
            InvalidInput: The column to split by is not there, lacks values, or says no time that can be ordered.
        """
        rows = len(next(iter(columns.values())))
        strata = columns[self.target] if self.target is not None and self.target in columns else None
        return SplitKeys(
            rows,
            strata=strata if strata is None or self.classes else strata_of_numbers(strata),
            groups=None if self.group is None else _column(columns, self.group, "group"),
            times=None if self.time is None else in_order(_column(columns, self.time, "time"), self.time),
            copies=self.copies(columns),
        )

    def copies(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.int64] | None:
        """A number for each row, equal where rows are copies, `(rows,)`.

        None where most rows are: then few different rows are possible, and meeting one twice is no leak.
        """
        compared = {name: columns[name] for name in self.compared if name in columns}
        copies = copies_in_table(compared)
        return copies if compared and 2 * (int(copies.max(initial=-1)) + 1) >= len(copies) else None

    def __str__(self) -> str:
        match self.kind:
            case SplitKind.STRATIFIED:
                return "at random" if self.target is None else f"at random, with equal shares of `{self.target}`"
            case SplitKind.GROUP:
                return f"each `{self.group}` on one side"
            case SplitKind.TIME:
                return f"earlier `{self.time}` before later"
            case SplitKind.GROUP_TIME:
                return f"earlier `{self.time}` before later, and each `{self.group}` on one side"


def rule_for(schema: Schema) -> SplitRule:
    """The rule that the roles of a schema ask for: by time, by group, by both, else by chance.

    Example:

        >>> schema = Schema.infer({"dose": [1.5, 2.5, 1.0], "patient": ["a", "a", "b"], "ill": [0, 1, 0]}, target="ill")
        >>> print(rule_for(schema.with_roles("patient", "group")))
        each `patient` on one side
    """
    holders = {
        role: next((column.name for column in schema.columns if role in column.roles), None)
        for role in (Role.TARGET, Role.GROUP, Role.TIME)
    }
    compared = [column.name for column in schema.columns if column.roles & _COMPARED]
    return SplitRule(
        target=holders[Role.TARGET],
        classes=schema.task is Task.CLASSIFICATION,
        group=holders[Role.GROUP],
        time=holders[Role.TIME],
        compared=tuple(compared),
    )


def strata_of_numbers(values: NDArray[Any]) -> NDArray[np.int64]:
    """Bins of about equal size for a target of numbers, to use as strata, `(rows,)`; equal numbers share a bin.

    Example:

        >>> strata_of_numbers(np.array([5.0, 1.0, 1.0, 9.0]))
        array([6, 0, 0, 9])
    """
    numbers = np.asarray(values, dtype=np.float64)
    edges = np.nanquantile(numbers, np.arange(1, _BINS) / _BINS) if np.isfinite(numbers).any() else np.empty(0)
    return np.searchsorted(edges, numbers, side="left").astype(np.int64)


def in_order(values: NDArray[Any], name: str) -> NDArray[Any]:
    """The times of a column in a form that can be put in order: numbers or dates, `(rows,)`.

    Categories such as years are read as numbers, as texts would order 10 before 9.

    Raises:
        InvalidInput: They are texts that are no numbers.
    """
    if values.dtype.kind != "O":
        return values
    try:
        return np.array([np.nan if value is None else float(value) for value in values.tolist()])
    except ValueError as error:
        raise InvalidInput(
            f"`{name}` must hold dates or numbers to order rows by time, got {str(error).rpartition(': ')[2]}",
            hint=f'Write schema.with_column("{name}", kind="date") if they are dates.',
        ) from error


def _column(columns: Mapping[str, NDArray[Any]], name: str, role: str) -> NDArray[Any]:
    if name not in columns:
        raise InvalidInput(
            f"`{name}` must be in the table to split by it, got {', '.join(f'`{other}`' for other in columns)}",
            hint=f"Add the column, or take the role `{role}` from it.",
        )
    return columns[name]


def _missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype.kind == "O":
        return np.array([value is None or value != value for value in values.tolist()], dtype=bool)
    if values.dtype.kind in "fM":
        return np.asarray(np.isnan(values) if values.dtype.kind == "f" else np.isnat(values))
    return np.zeros(len(values), dtype=bool)

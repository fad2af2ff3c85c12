"""The profile of a table: what each column holds, what is missing, and how it goes with the target. NumPy only."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.core.files import write_atomically
from lepton_ai.platform.preprocessing.column import Column, Kind, Role
from lepton_ai.platform.preprocessing.columns import Columns, is_missing
from lepton_ai.platform.preprocessing.finding import Finding
from lepton_ai.platform.preprocessing.profile_page import page, table_page
from lepton_ai.platform.preprocessing.relation import relation, target_of
from lepton_ai.platform.preprocessing.schema import Schema
from lepton_ai.platform.preprocessing.signature import Task
from lepton_ai.platform.preprocessing.split_keys import rule_for

VERSION = 1

_RANGES = 20
_MOST_VALUES = 12
_TAIL = 0.005
_FAR = 3.0
_GREATEST = 1e300
_QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}


@dataclass(frozen=True)
class Bin:
    """Rows of like values: of a range of numbers, or of one category.

    Args:
        name: The category, or the range in words.
        rows: How many rows it holds.
        low: Where a range begins; None for a category.
        high: Where it ends.
        target: The mean target of its rows, or for two classes the share of the second; None where that says nothing.
    """

    name: str
    rows: int
    low: float | None = None
    high: float | None = None
    target: float | None = None


@dataclass(frozen=True)
class ColumnProfile:
    """What one column holds.

    Args:
        name: Its name.
        kind: What its values are.
        roles: What it is for.
        unit: The unit of its numbers.
        missing: How many rows lack a value.
        distinct: How many different values there are.
        numbers: `min`, `q25`, `median`, `q75`, `max` of numbers and dates, `mean` and `std` of numbers; of a text, of
            its length in characters.
        bins: The rows by value: ranges in order, or the most frequent categories and all others.
        relation: How well it alone tells the target, cross-validated; None without a target. See `relation.py`.
    """

    name: str
    kind: Kind
    roles: tuple[Role, ...]
    unit: str | None
    missing: int
    distinct: int
    numbers: dict[str, float | str]
    bins: tuple[Bin, ...]
    relation: float | None = None


@dataclass(frozen=True)
class TableProfile:
    """What a table holds; draws itself in a notebook.

    Args:
        rows: How many rows there are.
        columns: Its columns in their order.
        target: The name of the target, if there is one.
        task: What is to be predicted, if there is a target.
        measure: What `ColumnProfile.relation` is: `"auc"` or `"r2"`.
        positive: The class of which `Bin.target` is the share, where there are two.
        copies: How many rows are copies of others.
        findings: What the leakage lint said.
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    target: str | None
    task: Task | None
    measure: str | None
    positive: str | None
    copies: int
    findings: tuple[Finding, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        value = asdict(self) | {"findings": [finding.to_json() for finding in self.findings]}
        for column in value["columns"]:
            column["kind"], column["roles"] = column["kind"].value, [role.value for role in column["roles"]]
        return {"version": VERSION, "kind": "table"} | value

    def save(self, path: str | Path) -> None:
        """Write it as one HTML file that needs no other."""
        write_atomically(Path(path), page("Profile of a table", self._repr_html_()).encode())

    def __str__(self) -> str:
        width = max(len(column.name) for column in self.columns)
        lines = [
            f"{self.rows} rows, {len(self.columns)} columns" + (f", target `{self.target}`" if self.target else "")
        ]
        for column in self.columns:
            told = "" if column.relation is None else f"  {self.measure} {column.relation:.3f}"
            missing = f"  {column.missing} missing" if column.missing else ""
            lines.append(f"  {column.name.ljust(width)}  {column.kind:8}  {column.distinct} different{told}{missing}")
        return "\n".join([*lines, *map(str, self.findings)])

    def _repr_html_(self) -> str:
        return table_page(self)


def profile(schema: Schema, columns: Columns, *, findings: Sequence[Finding] = ()) -> TableProfile:
    """Profile a table.

    Args:
        schema: What the columns are.
        columns: The table in the form of `columns.py`. Pass the training rows: what is seen here is learnt from.
        findings: What `find_leaks` said about it, to be shown with it.

    Example:

        >>> table = {"age": [31, 47, 25, 52], "ill": [0, 1, 0, 1]}
        >>> schema = Schema.infer(table, target="ill")
        >>> columns = {"age": np.array([31.0, 47, 25, 52]), "ill": np.array(["0", "1", "0", "1"], dtype=object)}
        >>> profile(schema, columns).columns[0].numbers["median"]
        39.0
    """
    present = [column for column in schema.columns if column.name in columns]
    if not present:
        raise InvalidInput("a profile needs at least one column of the schema, got none")
    rows = len(columns[present[0].name])
    if not rows:
        raise InvalidInput("a profile needs at least one row, got none")
    aim = schema.target if schema.target is not None and schema.target.name in columns else None
    classes = schema.task is Task.CLASSIFICATION
    told = None if aim is None else target_of(columns[aim.name], classes=classes)
    labels = aim.categories or () if aim is not None and classes else ()
    positive = labels[1] if len(labels) == 2 else None
    means = None if aim is None else _target_numbers(columns[aim.name], positive, classes=classes)
    profiles = []
    for column in present:
        values = columns[column.name]
        alone = None
        if told is not None and column.is_a(Role.FEATURE):
            alone = relation(values, told).score
        profiles.append(_column(column, values, None if column is aim else means, alone))
    copies = rule_for(schema).copies(columns)
    return TableProfile(
        rows,
        tuple(profiles),
        None if aim is None else aim.name,
        None if aim is None else schema.task,
        None if told is None else told.measure,
        positive,
        0 if copies is None else rows - len(np.unique(copies)),
        tuple(findings),
    )


def _column(
    column: Column, values: NDArray[Any], means: NDArray[np.float64] | None, alone: float | None
) -> ColumnProfile:
    there = ~is_missing(values)
    known = values[there]
    known_means = None if means is None else means[there]
    numbers: dict[str, float | str] = {}
    bins: tuple[Bin, ...] = ()
    if column.kind is Kind.CATEGORY:
        found = _frequencies(known)
        bins = _category_bins(known, found, known_means)
        distinct = len(found)
    elif column.kind is Kind.TEXT:
        lengths = np.array([len(text) for text in known.tolist()], dtype=np.float64)
        numbers = _summary(lengths)
        bins = _range_bins(lengths, None, str_of=_plain)
        distinct = len(set(known.tolist()))
    elif column.kind is Kind.DATE:
        moments = known.astype("datetime64[us]").astype(np.int64).astype(np.float64)
        numbers = {name: _date(value) for name, value in _summary(moments).items() if name in _QUANTILES}
        bins = _range_bins(moments, known_means, str_of=_date)
        distinct = len(np.unique(known))
    else:
        numbers = _summary(known)
        bins = _range_bins(known, known_means, str_of=_plain)
        distinct = len(np.unique(known))
    roles = tuple(role for role in Role if column.is_a(role))
    missing = int((~there).sum())
    return ColumnProfile(column.name, column.kind, roles, column.unit, missing, distinct, numbers, bins, alone)


def _target_numbers(values: NDArray[Any], positive: str | None, *, classes: bool) -> NDArray[np.float64] | None:
    """The target as a number of which means can be taken: itself, or 1 for the second of two classes."""
    if not classes:
        return values.astype(np.float64)
    if positive is None:
        return None
    return np.array([np.nan if value is None else float(value == positive) for value in values.tolist()])


def _summary(numbers: NDArray[np.float64]) -> dict[str, float | str]:
    if not len(numbers):
        return {}
    found = np.quantile(numbers, list(_QUANTILES.values()))
    summary: dict[str, float | str] = dict(zip(_QUANTILES, map(float, found), strict=True))
    # Measured in the greatest, as squares of giants overflow.
    unit = float(np.abs(numbers).max()) or 1.0
    return summary | {"mean": float((numbers / unit).mean() * unit), "std": float((numbers / unit).std() * unit)}


def _range_bins(numbers: NDArray[np.float64], means: NDArray[np.float64] | None, *, str_of: Any) -> tuple[Bin, ...]:
    if not len(numbers):
        return ()
    numbers = np.clip(numbers, -_GREATEST, _GREATEST)
    edges, exact = _edges(numbers)
    places = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)
    rows = np.bincount(places, minlength=len(edges) - 1)
    told = _bin_means(places, means, len(rows))
    names = (
        [str_of(low) for low in exact]
        if exact is not None
        else [f"{str_of(low)} to {str_of(high)}" for low, high in pairwise(edges)]
    )
    return tuple(
        Bin(name, int(count), float(low), float(high), mean)
        for name, count, low, high, mean in zip(names, rows, edges[:-1], edges[1:], told, strict=True)
    )


def _edges(numbers: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Where ranges begin and end, and the value of each where a range holds one whole number."""
    low, high = float(numbers.min()), float(numbers.max())
    if high - low < _RANGES and (numbers == np.floor(numbers)).all():
        exact = np.arange(low, high + 1)
        return np.arange(low - 0.5, high + 1), exact
    inner_low, inner_high = np.quantile(numbers, [_TAIL, 1 - _TAIL])
    spread = inner_high - inner_low
    # A few giants would leave all others in one range: the last range takes them in, and the first likewise.
    begin = inner_low if spread > 0 and inner_low - low > _FAR * spread else low
    end = inner_high if spread > 0 and high - inner_high > _FAR * spread else high
    edges = np.linspace(begin, end, _RANGES + 1)
    edges[0], edges[-1] = low, high
    return edges, None


def _frequencies(known: NDArray[Any]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for value in known.tolist():
        counts[value] = counts.get(value, 0) + 1
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def _category_bins(
    known: NDArray[Any], found: list[tuple[str, int]], means: NDArray[np.float64] | None
) -> tuple[Bin, ...]:
    shown = found[:_MOST_VALUES]
    place = {name: at for at, (name, _) in enumerate(shown)}
    places = np.array([place.get(value, len(shown)) for value in known.tolist()], dtype=np.int64)
    told = _bin_means(places, means, len(shown) + 1)
    bins = [Bin(name, count, target=mean) for (name, count), mean in zip(shown, told, strict=False)]
    rest = len(known) - sum(count for _, count in shown)
    if rest:
        bins.append(Bin(f"{len(found) - len(shown)} others", rest, target=told[-1]))
    return tuple(bins)


def _bin_means(places: NDArray[np.int64], means: NDArray[np.float64] | None, count: int) -> list[float | None]:
    if means is None:
        return [None] * count
    known = np.isfinite(means)
    rows = np.bincount(places[known], minlength=count)
    sums = np.bincount(places[known], means[known], count)
    return [float(total / number) if number else None for total, number in zip(sums, rows, strict=True)]


def _plain(value: float) -> str:
    return f"{value:,.6g}"


def _date(value: float | str) -> str:
    return str(np.datetime64(int(value), "us").astype("datetime64[s]")).removesuffix("T00:00:00")

"""Who took what, how they liked it, and when: read from a table, checked, and numbered."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.time_column import moments_in
from lepton_ai.platform.preprocessing.column import unknown_column
from lepton_ai.platform.preprocessing.readers import read_table

Name = int | str

_SPELLINGS = {
    "user": ("user", "userid", "customer", "customerid"),
    "item": ("item", "itemid", "product", "productid"),
    "rating": ("rating", "stars"),
    "time": ("time", "timestamp", "date", "when"),
}
_UNNAMED = ("x0", "x1", "x2", "x3")


@dataclass(frozen=True)
class Interactions:
    """Interactions in the order of users and, for each, of time.

    Args:
        users: The name of each user number.
        items: The name of each item number.
        user: The user of each interaction `(rows,)`.
        item: Its item `(rows,)`.
        rating: How it was rated `(rows,)`, or None.
        time: When it happened, in seconds `(rows,)`, or None.
    """

    users: tuple[Name, ...]
    items: tuple[Name, ...]
    user: NDArray[np.int64]
    item: NDArray[np.int64]
    rating: NDArray[np.float64] | None
    time: NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: NDArray[Any]) -> "Interactions":
        """Some of the interactions, among the same users and items."""
        return replace(
            self,
            user=self.user[rows],
            item=self.item[rows],
            rating=None if self.rating is None else self.rating[rows],
            time=None if self.time is None else self.time[rows],
        )

    @property
    def starts(self) -> NDArray[np.int64]:
        """The first row of each user, and the number of rows last, `(users + 1,)`."""
        counts = np.bincount(self.user, minlength=len(self.users))
        return np.concatenate([[0], np.cumsum(counts)])

    @property
    def ages(self) -> NDArray[np.float64]:
        """How many interactions of the same user came after each, `(rows,)`; those of one moment share their mean."""
        starts = self.starts
        after = (starts[self.user + 1] - 1 - np.arange(len(self))).astype(np.float64)
        if self.time is None or not len(self):
            return after
        begins = np.concatenate([[True], (np.diff(self.user) != 0) | (np.diff(self.time) != 0)])
        moment = np.cumsum(begins) - 1
        return (np.bincount(moment, after) / np.bincount(moment))[moment]


def read_interactions(
    data: Any,
    *,
    user: str | None = None,
    item: str | None = None,
    rating: str | None = None,
    time: str | None = None,
) -> Interactions:
    """Read interactions from whatever `read_table` takes, or from arrays `(users, items[, ratings[, times]])`.

    Args:
        data: The table; one row is one interaction.
        user: The column of users; left out, the one called user, userId or customer_id, say. So for the others.
        item: The column of items.
        rating: The column of ratings; may be missing.
        time: The column of times: numbers or dates; may be missing.

    Where a user has the same item twice, the later row counts.

    Raises:
        InvalidInput: Columns are missing, cells are empty, or ratings are not numbers.

    Example:

        >>> read = read_interactions({"user": ["ann", "bob", "ann"], "item": [7, 7, 9], "time": [2, 1, 1]})
        >>> read.users, read.items, read.item.tolist()
        (('ann', 'bob'), (7, 9), [1, 0, 0])
    """
    if isinstance(data, tuple):
        if len(data) > len(_SPELLINGS):
            raise InvalidInput(f"a tuple must be (users, items[, ratings[, times]]), got {len(data)} parts")
        data = dict(zip(_SPELLINGS, data, strict=False))
    frame = read_table(data)
    wanted = dict(zip(_SPELLINGS, (user, item, rating, time), strict=True))
    names = {role: _column(frame.columns, role, name) for role, name in wanted.items()}
    for role in ("user", "item"):
        if names[role] is None:
            told = ", ".join(f"`{name}`" for name in frame.columns)
            raise InvalidInput(
                f"the column of each {role} is not clear, got the columns {told}",
                hint=f"Name it: {role}='{frame.columns[0]}', say.",
            )
    taken = [name for name in names.values() if name is not None]
    if doubled := [name for name in taken if taken.count(name) > 1]:
        raise InvalidInput(f"user, item, rating and time must be columns of their own, got {doubled[0]!r} for two")
    user_names, users = _numbered(frame[str(names["user"])], "user")
    item_names, items = _numbered(frame[str(names["item"])], "item")
    ratings = None if names["rating"] is None else _numbers(frame[names["rating"]], "rating")
    times = None if names["time"] is None else _times(frame[names["time"]])
    order = np.lexsort((users,)) if times is None else np.lexsort((times, users))
    read = Interactions(user_names, item_names, users, items, ratings, times).take(order)
    # The last of equal pairs stays: seen from the end it is the first.
    pairs = read.user * len(item_names) + read.item
    _, from_end = np.unique(pairs[::-1], return_index=True)
    return read.take(np.sort(len(pairs) - 1 - from_end))


def seconds_of(moments: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Moments as seconds since 1970."""
    return np.asarray(moments.astype("datetime64[us]").astype(np.int64) / 1e6)


def _column(columns: Sequence[str], role: str, name: str | None) -> str | None:
    if name is not None:
        if name not in columns:
            raise unknown_column(name, list(columns))
        return name
    if all(column in _UNNAMED for column in columns):
        place = list(_SPELLINGS).index(role)
        return columns[place] if place < len(columns) else None
    spelled = {column.lower().replace("_", "").replace(" ", ""): column for column in columns}
    return next((spelled[each] for each in _SPELLINGS[role] if each in spelled), None)


def _numbered(column: Any, role: str) -> tuple[tuple[Name, ...], NDArray[np.int64]]:
    _refuse_missing(column, role)
    if column.dtype.is_float() and not column.is_finite().all():
        raise InvalidInput(f"each {role} must have a name or a number, got infinity in `{column.name}`")
    if column.dtype.is_float() and bool((column == column.floor()).all()):
        column = column.cast(int)
    if not column.dtype.is_integer():
        column = column.cast(str)
    names, numbers = np.unique(column.to_numpy(), return_inverse=True)
    return tuple(names.tolist()), numbers.astype(np.int64)


def _numbers(column: Any, role: str) -> NDArray[np.float64]:
    _refuse_missing(column, role)
    if not column.dtype.is_numeric():
        raise InvalidInput(
            f"each {role} must be a number, got {column[0]!r} in `{column.name}`", hint="Convert the column first."
        )
    numbers = column.to_numpy().astype(np.float64)
    if not np.isfinite(numbers).all():
        row = int(np.argmin(np.isfinite(numbers)))
        raise InvalidInput(f"each {role} must be a finite number, got {numbers[row]} in row {row}")
    return numbers


def _times(column: Any) -> NDArray[np.float64]:
    if column.dtype.is_numeric():
        return _numbers(column, "time")
    return seconds_of(moments_in(column))


def _refuse_missing(column: Any, role: str) -> None:
    missing = column.is_null()
    if missing.any():
        raise InvalidInput(
            f"every interaction must have {'an' if role == 'item' else 'a'} {role}, "
            f"got {int(missing.sum())} empty cells in `{column.name}`, "
            f"the first in row {int(missing.arg_max())}",
            hint="Remove these rows.",
        )

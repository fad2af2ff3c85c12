"""One column of a table: its kind, roles, limits and codes, checked when it is made."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from lepton_ai.core.errors import InvalidInput


class Kind(StrEnum):
    """What the values of a column are."""

    NUMBER = "number"
    CATEGORY = "category"
    DATE = "date"
    TEXT = "text"


class Role(StrEnum):
    """What a column is for."""

    FEATURE = "feature"
    """It is known when a prediction is asked for, and the model uses it."""
    TARGET = "target"
    """What the model is to predict."""
    ID = "id"
    """It names the row and says nothing about it."""
    TIME = "time"
    """When the row happened: rows are split by it, past for training and future for testing."""
    GROUP = "group"
    """Rows of one group, such as one patient, stay together when the rows are split."""
    SENSITIVE = "sensitive"
    """Results are also reported by it."""
    OUTCOME_LATER = "outcome_later"
    """It becomes known only after the prediction, so the model must not see it."""


# What the model must not see, and so is never a feature.
_HIDDEN = frozenset({Role.TARGET, Role.ID, Role.OUTCOME_LATER})


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Args:
        name: Its name.
        kind: What its values are.
        roles: What it is for. A feature may be sensitive, time or group as well; target, id and outcome_later may not
            be features.
        unit: The unit of its numbers, for people: `"mm Hg"`.
        low: The least number that is possible. `Transform` does not need it: less is a mistake in the data.
        high: The greatest number that is possible.
        missing_codes: Values that stand for a missing one, as text: `("?", "-9")`. Nothing, null, NaN and the empty
            text always do.
        categories: The known values of a category, as text, in the order of the model's classes if it is the target.
        whole: Whether the categories are whole numbers, so that labels are given back as `int`.
        closed: Whether a value outside `categories` is refused. Otherwise it counts as unknown, which a model can
            take: most categories grow.
        may_be_missing: Whether a row may lack a value.
        date_format: How its dates are written, in the words of `datetime.strptime`; None for ISO 8601, which is
            understood in any case.
        has_time: Whether its dates say the time of the day.
        words: How many words of a text a net that reads has room for; None leaves it to that net.
    """

    name: str
    kind: Kind
    roles: frozenset[Role] = frozenset({Role.FEATURE})
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    missing_codes: tuple[str, ...] = ()
    categories: tuple[str, ...] | None = None
    whole: bool = False
    closed: bool = False
    may_be_missing: bool = False
    date_format: str | None = None
    has_time: bool = False
    words: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", choice(Kind, self.kind, f"kind of column {self.name!r}"))
        object.__setattr__(self, "roles", _roles(self.name, self.roles))
        for name in ("missing_codes", "categories"):
            object.__setattr__(self, name, _texts(self.name, name, getattr(self, name)))
        _check_roles(self)
        _check_limits(self)
        _check_categories(self)

    def is_a(self, role: Role) -> bool:
        """Whether this role is among its roles."""
        return role in self.roles

    @property
    def labels(self) -> tuple[int | str, ...]:
        """The categories in their own type: `int` where they are whole numbers, else `str`."""
        categories = self.categories or ()
        return tuple(int(category) for category in categories) if self.whole else categories

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; what is as by default is left out."""
        value: dict[str, Any] = {"name": self.name, "kind": self.kind.value, "roles": sorted(self.roles)}
        for each in fields(self):
            if each.name not in value and getattr(self, each.name) != each.default:
                plain = getattr(self, each.name)
                value[each.name] = list(plain) if isinstance(plain, tuple) else plain
        return value


def unknown_column(name: object, known: Iterable[str]) -> InvalidInput:
    """The error for a column that is not there, with those that are spelled alike."""
    known = list(known)
    return InvalidInput(
        f"there is no column {name!r}{alike(str(name), known)}",
        hint=f"The columns are {listed(known)}.",
    )


def choice(kinds: type[StrEnum], value: Any, what: str) -> Any:
    """The member of an enum that a text names.

    Raises:
        InvalidInput: It names none; the message calls it `what` and lists those that there are.
    """
    try:
        return kinds(value)
    except ValueError as error:
        known = [kind.value for kind in kinds]
        raise InvalidInput(
            f"the {what} must be one of {', '.join(known)}, got {value!r}{alike(str(value), known)}"
        ) from error


def names_of(names: Any, field: str) -> list[Any]:
    """Several names as a list, also where only one was given.

    Args:
        names: What was given.
        field: What to call it in a message.

    Raises:
        InvalidInput: It is neither a text nor several.

    Example:

        >>> names_of("age", "ids"), names_of(("age", "sex"), "ids")
        (['age'], ['age', 'sex'])
    """
    # A single name where several are asked for would otherwise be read letter by letter.
    if isinstance(names, str):
        return [names]
    if not isinstance(names, Iterable):
        raise InvalidInput(f"`{field}` must be a list, got {names!r}", hint="Write [value], also for a single one.")
    return list(names)


def alike(name: str, known: list[str]) -> str:
    """The end of a message: which of the known names are spelled alike, if there are any."""
    close = get_close_matches(name, known, n=3)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


def listed(names: Iterable[str], most: int = 12) -> str:
    """The first few of some names for a message, and how many more there are."""
    names = [f"`{name}`" for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _roles(name: str, roles: Any) -> frozenset[Role]:
    return frozenset(
        choice(Role, role, f"roles of column {name!r}") for role in names_of(roles, f"roles of column {name!r}")
    )


def _texts(column: str, name: str, values: Any) -> tuple[str, ...] | None:
    if values is None:
        return None
    if isinstance(values, str):
        raise InvalidInput(
            f"`{name}` of column {column!r} must be several values, got {values!r}", hint=f"Write ({values!r},)."
        )
    return tuple(str(value) for value in values)


def _check_roles(column: Column) -> None:
    hidden = sorted(column.roles & _HIDDEN)
    if hidden and Role.FEATURE in column.roles:
        raise InvalidInput(
            f"column {column.name!r} cannot be {hidden[0]} and feature at once: the model must not see it",
            hint=f'Choose one: schema.with_roles({column.name!r}, "{hidden[0]}").',
        )
    if Role.TARGET in column.roles and len(column.roles) > 1:
        others = ", ".join(sorted(column.roles - {Role.TARGET}))
        raise InvalidInput(f"the target {column.name!r} cannot have other roles, got {others}")
    if Role.TARGET in column.roles and column.kind in (Kind.DATE, Kind.TEXT):
        raise InvalidInput(
            f"the target must be a number or a category, got {column.name!r} of kind {column.kind.value}",
            hint="Predict something that is counted from it, such as the days until that date.",
        )


def _check_limits(column: Column) -> None:
    for name in ("low", "high"):
        limit = getattr(column, name)
        if limit is None:
            continue
        if column.kind is not Kind.NUMBER:
            raise InvalidInput(f"`{name}` is for numbers, and column {column.name!r} is a {column.kind.value}")
        if isinstance(limit, bool) or not isinstance(limit, int | float) or limit != limit:
            raise InvalidInput(f"`{name}` of column {column.name!r} must be a number, got {limit!r}")
    if column.low is not None and column.high is not None and column.low > column.high:
        raise InvalidInput(
            f"`low` of column {column.name!r} must not be above `high`, got low={column.low} high={column.high}"
        )


def _check_categories(column: Column) -> None:
    if (column.kind is Kind.CATEGORY) != (column.categories is not None):
        if column.kind is Kind.CATEGORY:
            raise InvalidInput(
                f"column {column.name!r} is a category and must have `categories`",
                hint=f'Write categories=("a", "b"), or Schema.infer(data, kinds={{{column.name!r}: "category"}}).',
            )
        raise InvalidInput(
            f"`categories` are for categories, and column {column.name!r} is a {column.kind.value}",
            hint="Write categories=None as well.",
        )
    categories = column.categories or ()
    doubled = sorted({category for category in categories if categories.count(category) > 1})
    if doubled:
        raise InvalidInput(f"the categories of column {column.name!r} must differ, got twice: {listed(doubled)}")
    if Role.TARGET in column.roles and column.kind is Kind.CATEGORY and len(categories) < 2:
        raise InvalidInput(
            f"the target {column.name!r} must have at least two classes, got {listed(categories) or 'none'}",
            hint="Train on rows of more than one class, or predict a number.",
        )

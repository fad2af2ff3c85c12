"""What a table holds: its columns with their kinds and roles; inferred from data, then edited."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.column import Column, Kind, Role, alike, choice, listed, names_of, unknown_column
from lepton_ai.platform.preprocessing.schema_drawing import as_html, as_text
from lepton_ai.platform.preprocessing.signature import Task

__all__ = ["Column", "Kind", "Role", "Schema"]

VERSION = 1


@dataclass(frozen=True)
class Schema:
    """The columns of a table. Infer it from data, look at it, and change what you know better.

    Args:
        columns: The columns in their order.
        notes: What was decided when it was inferred, and why.

    Example:

        >>> schema = Schema.infer({"age": [31, 47, 25], "sex": ["f", "m", "f"], "ill": [0, 1, 0]}, target="ill")
        >>> schema.task.value, [column.name for column in schema.features]
        ('classification', ['age', 'sex'])
        >>> schema = schema.with_column("age", unit="years", low=0, high=120).with_roles("sex", "feature", "sensitive")
        >>> print(schema)
        3 columns, classification of `ill` (0, 1)
          age  number    feature             from 0 to 120 years
          sex  category  feature, sensitive  f, m
          ill  category  target              0, 1
    """

    columns: tuple[Column, ...]
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "notes", tuple(self.notes))
        if not self.columns:
            raise InvalidInput("a schema must have at least one column, got none")
        names = [column.name for column in self.columns]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise InvalidInput(f"column names must differ, got twice: {listed(doubled)}", hint="Rename one of each.")
        for role in (Role.TARGET, Role.TIME, Role.GROUP):
            holders = [column.name for column in self.having(role)]
            if len(holders) > 1:
                raise InvalidInput(
                    f"at most one column may have the role {role.value!r}, got {listed(holders)}",
                    hint=f'Give the others another role: schema.with_roles({holders[-1]!r}, "feature").',
                )

    @classmethod
    def infer(
        cls,
        data: Any,
        target: str | None = None,
        *,
        ids: Iterable[str] = (),
        time: str | None = None,
        group: str | None = None,
        sensitive: Iterable[str] = (),
        outcome_later: Iterable[str] = (),
        kinds: Mapping[str, Kind | str] | None = None,
        missing_codes: Mapping[str, Iterable[Any]] | None = None,
    ) -> "Schema":
        """Work out the schema of a table from its content; `notes` says what was decided, and why.

        A category's values, and whether a column may lack values, are taken from this table, so pass the training
        rows. Limits and units are not guessed.

        Args:
            data: A pandas or polars frame, an Arrow table, a NumPy array, a dict of columns, a list of rows, or the
                path of a CSV or Parquet file.
            target: The column to predict. Text, true/false and whole numbers with few values make a classification.
            ids: Columns that name the row. Counters and texts that differ in all rows are found without it.
            time: When the rows happened; stays a feature if it was one.
            group: Rows that belong together, such as those of one patient; not a feature.
            sensitive: Columns by which results are reported as well; they stay features.
            outcome_later: Columns that become known only after the prediction.
            kinds: Kinds that you know better: `{"zip": "category"}`.
            missing_codes: Values that stand for a missing one, by column: `{"glucose": [0]}`.

        Raises:
            InvalidInput: The table cannot be read, a column named here is not in it, or the target cannot be learned.
        """
        from lepton_ai.platform.preprocessing.infer import Told, infer_schema

        for name, value, example in (("kinds", kinds, "category"), ("missing_codes", missing_codes, ["?"])):
            if value is not None and not isinstance(value, Mapping):
                raise InvalidInput(
                    f"`{name}` must be a dictionary by column, got {type(value).__name__}",
                    hint=f"Write {name}={{'zip': {example!r}}}.",
                )
        told = Told(
            target=target,
            ids=tuple(names_of(ids, "ids")),
            time=time,
            group=group,
            sensitive=tuple(names_of(sensitive, "sensitive")),
            outcome_later=tuple(names_of(outcome_later, "outcome_later")),
            kinds={name: choice(Kind, kind, f"kind of column {name!r}") for name, kind in (kinds or {}).items()},
            missing_codes={
                name: tuple(names_of(codes, f"missing_codes of column {name!r}"))
                for name, codes in (missing_codes or {}).items()
            },
        )
        return infer_schema(data, told)

    def __getitem__(self, name: str) -> Column:
        """The column of this name.

        Raises:
            InvalidInput: There is none; the message names those that are spelled alike.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise unknown_column(name, [column.name for column in self.columns])

    @cached_property
    def features(self) -> tuple[Column, ...]:
        """What the model sees, in the order of the columns."""
        return self.having(Role.FEATURE)

    @property
    def target(self) -> Column | None:
        """What the model is to predict, None if that is not said."""
        return next(iter(self.having(Role.TARGET)), None)

    @property
    def task(self) -> Task | None:
        """Classification where the target is a category, regression where it is a number, None without a target."""
        if self.target is None:
            return None
        return Task.CLASSIFICATION if self.target.kind is Kind.CATEGORY else Task.REGRESSION

    def having(self, role: Role) -> tuple[Column, ...]:
        """The columns with this role."""
        return tuple(column for column in self.columns if role in column.roles)

    def with_column(self, name: str, **changes: Any) -> "Schema":
        """A copy in which one column is different.

        Args:
            name: The column.
            changes: Fields of `Column` with their new values: `unit="mm Hg"`, `low=0`, `missing_codes=("0",)`. A column
                that gets missing codes may be missing from then on.

        Raises:
            InvalidInput: No such column or field, or the values do not fit together.
        """
        known = [each.name for each in fields(Column)]
        for change in changes:
            if change not in known:
                raise InvalidInput(
                    f"a column has no {change!r}, it has {', '.join(known)}{alike(change, known)}",
                    hint='Write schema.with_column("age", low=0, high=120).',
                )
        if changes.get("missing_codes"):
            changes = {"may_be_missing": True, **changes}
        changed = replace(self[name], **changes)
        return replace(self, columns=tuple(changed if each.name == name else each for each in self.columns))

    def with_roles(self, name: str, *roles: Role | str) -> "Schema":
        """A copy in which one column has these roles and no others; without any, the column is left aside."""
        return self.with_column(name, roles=frozenset(roles))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "version": VERSION,
            "columns": [column.to_json() for column in self.columns],
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Schema":
        """Read what `to_json` wrote.

        Raises:
            InvalidInput: It is not a schema; the message says what is missing or wrong.
        """
        try:
            if value["version"] != VERSION:
                raise InvalidInput(f"a schema must be of version {VERSION}, got version={value['version']!r}")
            columns = tuple(Column(**column) for column in value["columns"])
            return cls(columns, tuple(str(note) for note in value.get("notes", ())))
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(
                f"not a schema: {type(error).__name__} {error}",
                hint="A schema has `version` and `columns`; `Schema.to_json` writes it.",
            ) from error

    def __str__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)

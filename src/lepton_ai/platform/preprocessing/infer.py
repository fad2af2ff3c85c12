"""Works out the schema of a table from its content."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.column import Column, Kind, Role, unknown_column
from lepton_ai.platform.preprocessing.guess import guess
from lepton_ai.platform.preprocessing.guess_category import Guess
from lepton_ai.platform.preprocessing.readers import read_table
from lepton_ai.platform.preprocessing.schema import Schema
from lepton_ai.platform.preprocessing.values import text_of


@dataclass(frozen=True)
class Told:
    """What the user says about the columns, by name; the rest is worked out. See `Schema.infer`."""

    target: str | None = None
    ids: tuple[str, ...] = ()
    time: str | None = None
    group: str | None = None
    sensitive: tuple[str, ...] = ()
    outcome_later: tuple[str, ...] = ()
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    missing_codes: Mapping[str, Iterable[Any]] = field(default_factory=dict)

    def roles(self, name: str) -> set[Role]:
        """The roles that were given to a column by name."""
        single = {Role.TARGET: self.target, Role.TIME: self.time, Role.GROUP: self.group}
        several = {Role.ID: self.ids, Role.SENSITIVE: self.sensitive, Role.OUTCOME_LATER: self.outcome_later}
        return {role for role, named in single.items() if named == name} | {
            role for role, named in several.items() if name in named
        }


def infer_schema(data: Any, told: Told) -> Schema:
    """The schema of a table; see `Schema.infer`, which calls it."""
    frame = read_table(data)
    single = [name for name in (told.target, told.time, told.group) if name is not None]
    several = [*told.ids, *told.sensitive, *told.outcome_later, *told.kinds, *told.missing_codes]
    for name in (*single, *several):
        if name not in frame.columns:
            raise unknown_column(name, frame.columns)
    columns, notes = [], []
    for name in frame.columns:
        roles = told.roles(name)
        found = guess(
            frame[name],
            target=Role.TARGET in roles,
            kind=told.kinds.get(name),
            codes=tuple(_code(name, code) for code in told.missing_codes.get(name, ())),
        )
        all_roles, why = _roles(roles, found)
        # Names of people and numbers of contracts are not carried along in the schema.
        names_rows = found.kind is Kind.CATEGORY and all_roles and all_roles <= {Role.ID, Role.GROUP, Role.TIME}
        columns.append(
            Column(
                name,
                Kind.TEXT if names_rows else found.kind,
                all_roles,
                missing_codes=found.missing_codes,
                categories=None if names_rows else found.categories,
                whole=found.whole and not names_rows,
                may_be_missing=found.missing > 0,
                date_format=found.date_format,
                has_time=found.has_time,
                words=found.words,
            )
        )
        notes += [f"`{name}` {note}" for note in ([why] if why else found.notes)]
    return Schema(tuple(columns), tuple(notes))


def _roles(told: set[Role], found: Guess) -> tuple[frozenset[Role], str | None]:
    """What a column is for: as told, else a feature, unless it says nothing about a row."""
    if told & {Role.TARGET, Role.ID, Role.OUTCOME_LATER}:
        return frozenset(told), None
    if Role.GROUP in told and Role.TIME not in told:
        return frozenset(told), None
    if not told and found.names_rows:
        return frozenset({Role.ID}), f"{found.names_rows}, so it is an id and no feature"
    if not told and found.says_nothing:
        return frozenset(), f"{found.says_nothing}, so it is left aside"
    return frozenset({*told, Role.FEATURE}), None


def _code(name: str, code: Any) -> str:
    try:
        text = text_of(code)
    except TypeError:
        text = None
    if text is None:
        raise InvalidInput(
            f"`missing_codes` of column {name!r} must be texts or numbers, got {code!r}",
            hint="Nothing, null and NaN are missing in any case.",
        )
    return text

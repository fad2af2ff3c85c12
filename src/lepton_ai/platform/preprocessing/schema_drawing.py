"""A schema as people read it: as lines of text, and as a table in a notebook."""

from html import escape
from typing import TYPE_CHECKING

from lepton_ai.platform.preprocessing.column import Column, Kind, Role

if TYPE_CHECKING:
    from lepton_ai.platform.preprocessing.schema import Schema

_MOST_CATEGORIES = 8


def as_text(schema: "Schema") -> str:
    """One line for the whole, one for each column, then the notes."""
    rows = [(column.name, column.kind.value, _roles(column), _values(column)) for column in schema.columns]
    widths = [max(len(row[position]) for row in rows) for position in range(3)]
    lines = [_headline(schema)]
    for *cells, values in rows:
        padded = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        lines.append(f"  {padded}  {values}".rstrip())
    lines += [f"note: {note}" for note in schema.notes]
    return "\n".join(lines)


def as_html(schema: "Schema") -> str:
    """The same as a table."""
    head = "".join(f"<th style='text-align:left'>{name}</th>" for name in ("column", "kind", "roles", "values"))
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td style='text-align:left'>{escape(cell)}</td>"
            for cell in (column.name, column.kind.value, _roles(column), _values(column))
        )
        + "</tr>"
        for column in schema.columns
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in schema.notes)
    return f"<p>{escape(_headline(schema))}</p><table><tr>{head}</tr>{rows}</table>" + (
        f"<ul>{notes}</ul>" if notes else ""
    )


def _headline(schema: "Schema") -> str:
    count = len(schema.columns)
    text = f"{count} column{'s' if count > 1 else ''}"
    target = schema.target
    if target is None:
        return f"{text}, no target"
    if target.kind is Kind.CATEGORY:
        return f"{text}, classification of `{target.name}` ({_categories(target)})"
    return f"{text}, regression of `{target.name}`"


def _roles(column: Column) -> str:
    return ", ".join(role for role in Role if role in column.roles) or "left aside"


def _values(column: Column) -> str:
    said = []
    if column.kind is Kind.CATEGORY:
        said.append(_categories(column) + (", no others" if column.closed else ""))
    limits = [f"{word} {limit:g}" for word, limit in (("from", column.low), ("to", column.high)) if limit is not None]
    measure = " ".join([*limits, *([column.unit] if column.unit else [])])
    if measure:
        said.append(measure)
    if column.date_format:
        said.append(f"written as {column.date_format}")
    if column.may_be_missing:
        said.append("may be missing")
    if column.missing_codes:
        said.append(
            f"{', '.join(map(repr, column.missing_codes))} mean{'s' * (len(column.missing_codes) == 1)} missing"
        )
    return "; ".join(said)


def _categories(column: Column) -> str:
    categories = column.categories or ()
    if len(categories) <= _MOST_CATEGORIES:
        return ", ".join(categories)
    return f"{', '.join(categories[:_MOST_CATEGORIES])} and {len(categories) - _MOST_CATEGORIES} more"

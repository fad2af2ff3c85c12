"""Rows of named values in OpenAPI: what each column may hold, and an example row."""

from typing import Any

from lepton_ai.platform.preprocessing.column import Column, Kind
from lepton_ai.platform.preprocessing.schema import Schema

_MOST_CATEGORIES = 200


def row_schema(schema: Schema) -> dict[str, Any]:
    """The JSON schema of one row.

    Example:

        >>> row_schema(Schema.infer({"age": [31, 47]}))["properties"]["age"]
        {'type': 'number'}
    """
    features = schema.features
    return {
        "type": "object",
        "required": [column.name for column in features if not column.may_be_missing],
        "properties": {column.name: _value_schema(column) for column in features},
    }


def example_row(schema: Schema) -> dict[str, Any]:
    """A row that the model answers."""
    return {column.name: _example(column) for column in schema.features}


def _value_schema(column: Column) -> dict[str, Any]:
    value: dict[str, Any]
    if column.kind is Kind.NUMBER:
        limits = {"minimum": column.low, "maximum": column.high}
        value = {"type": "number", **{name: limit for name, limit in limits.items() if limit is not None}}
    elif column.kind is Kind.CATEGORY:
        value = {"type": ["string", "number", "boolean"]}
        labels = column.labels
        if column.closed:
            value["enum"] = list(labels)
        elif labels:
            more = f" and {len(labels) - _MOST_CATEGORIES} more" if len(labels) > _MOST_CATEGORIES else ""
            known = ", ".join(map(str, labels[:_MOST_CATEGORIES]))
            value["description"] = f"Known values: {known}{more}. Any other counts as unknown."
    else:
        value = {"type": "string"}
        if column.kind is Kind.DATE:
            value["description"] = f"A date as {column.date_format or 'ISO 8601'}."
    if column.unit:
        value["description"] = f"{value.get('description', '')} In {column.unit}.".strip()
    if column.may_be_missing:
        kinds = value["type"] if isinstance(value["type"], list) else [value["type"]]
        value["type"] = [*kinds, "null"]
        if "enum" in value:
            value["enum"] = [*value["enum"], None]
    return value


def _example(column: Column) -> Any:
    if column.kind is Kind.NUMBER:
        least = column.low if column.low is not None else 0.0
        return least if column.high is None else min(max(0.0, least), column.high)
    if column.kind is Kind.CATEGORY:
        return next(iter(column.labels), "")
    if column.kind is Kind.TEXT:
        return "a text"
    return None if column.may_be_missing else "2026-01-31"

"""The JSON Schema of a report, each field with what the docstring of its record says.

`python -m lepton_ai.platform.evaluation.report_schema > docs/reference/report.schema.json` writes it anew.
"""

import inspect
import json
import re
import sys
from typing import Any

from lepton_ai.platform.evaluation import reliability, report, report_parts

_TITLE = "Report on a model"
_ARGUMENT = re.compile(r"^    (\w+): (.+?)(?=^    \w+: |^\S|\Z)", re.MULTILINE | re.DOTALL)


def report_schema() -> dict[str, Any]:
    """The schema that `Report.to_json` follows, as JSON values."""
    from pydantic import TypeAdapter

    schema: dict[str, Any] = TypeAdapter(report.Report).json_schema(mode="serialization")
    records = {"Report": schema, **schema.pop("$defs")}
    for name, record in records.items():
        _describe(record, _record(name))
    definitions = {name: record for name, record in records.items() if name != "Report"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": _TITLE,
        "$defs": definitions,
    }


def _record(name: str) -> type:
    """The record of a name, from whichever of its homes has it."""
    homes = (report, report_parts, reliability)
    found: type = next(getattr(home, name) for home in homes if hasattr(home, name))
    return found


def _describe(record: dict[str, Any], kind: type) -> None:
    """Put the docstring's sentences where they belong, in place."""
    words = inspect.cleandoc(kind.__doc__ or "")
    lead, _, arguments = words.partition("\nArgs:\n")
    record["description"] = _one_line(lead)
    record.pop("title", None)
    said = {name: _one_line(text) for name, text in _ARGUMENT.findall(arguments)}
    for name, field in record.get("properties", {}).items():
        field.pop("title", None)
        field["description"] = said[name]


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    sys.stdout.write(json.dumps(report_schema(), indent=2) + "\n")

"""Writes what the documentation takes from the code: commands, settings, routes, errors, states, public Python names.

A page marks each such part with `<!-- begin generated: NAME -->` and `<!-- end generated: NAME -->`; the rest of the
page is written by hand. `python scripts/docs.py --check` writes nothing and ends with 1 when a page is stale.
"""

import asyncio
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import groupby
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent))  # beside this file, also when a test loads it

from docs_source import class_section, error_classes

from lepton_ai.cli.main import lepton
from lepton_ai.core.lifecycle import Lifecycle
from lepton_ai.core.settings import Settings, load_settings
from lepton_ai.infrastructure.compute.jobs.lifecycle import JOB_LIFECYCLE, WORKER_LIFECYCLE
from lepton_ai.platform.model_management.endpoints.lifecycle import ENDPOINT_LIFECYCLE, REPLICA_LIFECYCLE
from lepton_ai.platform.model_management.runs.lifecycle import RUN_LIFECYCLE

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src" / "lepton_ai"
DOCS = ROOT / "docs"

PUBLIC_CLASSES = (
    ("Cloud", ("sdk/cloud.py",)),
    (
        "Model",
        (
            "platform/frameworks/model.py",
            "platform/frameworks/measured.py",
            "platform/frameworks/saving.py",
            "sdk/model.py",
        ),
    ),
    ("Schema", ("platform/preprocessing/schema.py",)),
    ("Column", ("platform/preprocessing/column.py",)),
    ("DecisionLog", ("platform/frameworks/adaptive/log.py",)),
    ("Forecaster", ("platform/frameworks/forecasting/forecaster.py",)),
    ("Forecast", ("platform/frameworks/forecasting/forecast.py",)),
    ("Backtest", ("platform/frameworks/forecasting/forecast.py",)),
    ("Recommender", ("platform/frameworks/recommendation/recommender.py",)),
    ("Recommendation", ("platform/frameworks/recommendation/recommender.py",)),
    ("RecommendationReport", ("platform/frameworks/recommendation/evaluation.py",)),
    ("AnswerRule", ("platform/evaluation/answer_rule.py",)),
    ("Report", ("platform/evaluation/report.py",)),
    ("CardFacts", ("platform/evaluation/card.py",)),
    ("TrainingData", ("platform/evaluation/card.py",)),
    ("Models", ("sdk/models.py",)),
    ("ModelVersion", ("sdk/models.py",)),
    ("Endpoints", ("sdk/endpoints.py",)),
    ("Endpoint", ("sdk/endpoints.py",)),
    ("Prediction", ("sdk/endpoints.py",)),
    ("Jobs", ("sdk/jobs.py",)),
    ("Job", ("sdk/jobs.py",)),
    ("Runs", ("sdk/runs.py",)),
    ("Run", ("sdk/runs.py",)),
    ("Curves", ("sdk/curves.py",)),
    ("Point", ("sdk/curves.py",)),
    ("Datasets", ("sdk/datasets.py",)),
    ("Volumes", ("sdk/volumes.py",)),
    ("Volume", ("sdk/volumes.py",)),
    ("Buckets", ("sdk/buckets.py",)),
    ("Bucket", ("sdk/buckets.py",)),
    ("KeyValues", ("sdk/kv.py",)),
    ("Namespace", ("sdk/kv.py",)),
    ("Queues", ("sdk/queues.py",)),
    ("Queue", ("sdk/queues.py",)),
    ("Message", ("sdk/queues.py",)),
    ("Photons", ("sdk/photons.py",)),
    ("Leftovers", ("sdk/gc.py",)),
    ("Secrets", ("sdk/secrets.py",)),
    ("Tokens", ("sdk/tokens.py",)),
    ("Workspaces", ("sdk/workspaces.py",)),
    ("Audit", ("sdk/audit.py",)),
    ("LeptonError", ("core/errors.py",)),
)
"""What a user meets in Python, each with the files that make it: `Model` is in four parts."""

_PART = re.compile(r"(<!-- begin generated: (\S+) -->\n).*?(<!-- end generated: \2 -->)", re.DOTALL)
_HELP_WIDTH = 100


def main(arguments: Sequence[str]) -> int:
    """Write the stale pages, or with `--check` only name them; returns the exit code."""
    stale = {page: text for page, text in rendered_pages() if page.read_text(encoding="utf-8") != text}
    for page, text in stale.items():
        if "--check" not in arguments:
            page.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{page.relative_to(ROOT)}\n")
    return 1 if stale and "--check" in arguments else 0


def rendered_pages() -> Iterator[tuple[Path, str]]:
    """Every page with a generated part, as it should be."""
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if _PART.search(text):
            yield page, with_generated_parts(text)


def with_generated_parts(text: str) -> str:
    """A page's text with each generated part as the code has it now."""
    return _PART.sub(lambda part: f"{part[1]}{PARTS[part[2]]().strip()}\n{part[3]}", text)


def command_line() -> str:
    """The `--help` of every command."""
    root = _context(lepton, "lepton", None)
    written = [_help("## lepton", root)]
    for command in _subcommands(root):
        written.append(_help(f"## {command.command_path}", command))
        written += [_help(f"### {inner.command_path}", inner) for inner in _subcommands(command)]
    return "\n".join(written)


def settings_table() -> str:
    """One row for each setting."""
    up = lepton.get_command(click.Context(lepton), "up")
    assert up is not None
    options = {option.name: option.opts[0] for option in up.params}
    rows = [
        (
            f"`{setting.name}`",
            f"`{setting.metadata['env']}`",
            f"`{options[setting.name]}`" if setting.name in options else "",
            f"`{setting.default}`" if setting.default not in ((), "") else "empty",
            setting.metadata["help"],
        )
        for setting in fields(Settings)
    ]
    return _table(("setting", "variable", "option of `lepton up`", "default", "meaning"), rows)


def http_routes() -> str:
    """The routes of the API port, by their noun."""
    rows = [
        (operation["tags"][0], f"`{method.upper()} {path}`", _first_line(operation), _answers(operation))
        for path, operations in _openapi()["paths"].items()
        for method, operation in operations.items()
    ]
    written = []
    for noun, routes in groupby(sorted(rows, key=lambda row: row[0]), key=lambda row: row[0]):
        table = _table(("request", "what it does", "answers"), [route[1:] for route in routes])
        written.append(f"## {noun.capitalize()}\n\n{table}")
    return "\n".join(written)


def error_table() -> str:
    """Every error code with its HTTP status and exit code."""
    errors = sorted(error_classes(SOURCES), key=lambda error: (error.status, error.code))
    rows = [
        (f"`{error.code}`", error.status, error.exit_code, f"`{error.name}`" if error.is_public else "", error.meaning)
        for error in errors
    ]
    return _table(("code", "HTTP status", "exit code", "Python class", "meaning"), rows)


def python_names() -> str:
    """The public classes with their methods, from the docstrings."""
    return "\n".join(class_section(name, [SOURCES / file for file in files]) for name, files in PUBLIC_CLASSES)


def states(lifecycle: Lifecycle[Any, Any]) -> str:
    """A lifecycle as a diagram and two tables."""
    statuses = [(status.value, text) for status, text in lifecycle.statuses.items()]
    reasons = [
        (meaning.status.value, f"`{reason.value}`", meaning.sentence) for reason, meaning in lifecycle.reasons.items()
    ]
    return (
        f"```mermaid\n{lifecycle.diagram()}\n```\n\n"
        f"{_table(('state', 'what is true'), statuses)}\n"
        f"{_table(('state', 'reason', 'what you read'), reasons)}"
    )


PARTS: dict[str, Callable[[], str]] = {
    "cli": command_line,
    "settings": settings_table,
    "http": http_routes,
    "errors": error_table,
    "python": python_names,
    "endpoint-states": lambda: states(ENDPOINT_LIFECYCLE),
    "replica-states": lambda: states(REPLICA_LIFECYCLE),
    "job-states": lambda: states(JOB_LIFECYCLE),
    "job-worker-states": lambda: states(WORKER_LIFECYCLE),
    "run-states": lambda: states(RUN_LIFECYCLE),
}


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(
        command, parent=parent, info_name=name, max_content_width=_HELP_WIDTH, terminal_width=_HELP_WIDTH
    )


def _subcommands(context: click.Context) -> Iterator[click.Context]:
    group = context.command
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield _context(command, name, context)


def _help(heading: str, context: click.Context) -> str:
    text = "\n".join(line.rstrip() for line in context.command.get_help(context).splitlines())
    return f"{heading}\n\n```text\n{text}\n```\n"


def _openapi() -> Any:
    """The document that a server gives, asked of a control plane that is wired up and never started."""
    from lepton_ai.server.app import create_app
    from lepton_ai.server.control_plane import ControlPlane

    with tempfile.TemporaryDirectory(prefix="lepton-docs-") as folder:
        settings, _ = load_settings({"data_dir": folder, "gateway": "python_proxy"}, {})
        (Path(folder) / "run" / "workers").mkdir(parents=True)
        plane = ControlPlane.open(settings, {"XDG_RUNTIME_DIR": folder})
        try:
            return json.loads(asyncio.run(_get(create_app(plane), "/openapi.json")))
        finally:
            plane.executor.close()
            plane.database.close()


async def _get(app: Any, path: str) -> bytes:
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "root_path": "",
        "path": path,
    }
    scope |= {"raw_path": path.encode(), "query_string": b"", "headers": [(b"host", b"127.0.0.1")]}
    body = bytearray()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        body.extend(message.get("body", b""))

    await app(scope, receive, send)
    return bytes(body)


def _first_line(operation: dict[str, Any]) -> str:
    return str(operation.get("description", "")).partition("\n")[0]


def _answers(operation: dict[str, Any]) -> str:
    return ", ".join(status for status in operation["responses"] if status < "400")


def _table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

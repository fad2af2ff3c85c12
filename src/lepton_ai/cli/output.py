"""The one renderer: data goes to stdout as a table or as JSON, talk goes to stderr."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

import click

_LINE_END = "\n"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
"""The `--json` that every reading command has; it arrives as `as_json`."""


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print rows under column headings to stdout.

    On a terminal the table fits its width; elsewhere no cell is cut, so that `grep` and `awk` see everything.

    Args:
        rows: One mapping for each row; a column that a row lacks stays empty.
        columns: The keys to show, in order. `_` in a key becomes a space in its heading.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        numeric = bool(rows) and all(_is_number(row.get(column)) for row in rows)
        heading = Text(column.replace("_", " ").upper())
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        # Text, so that brackets in a value are no markup.
        table.add_row(*(Text(_cell(row.get(column))) for column in columns))
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 100_000, highlight=False)
    with console.capture() as captured:
        console.print(table)
    _write(sys.stdout, "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n")


def print_fields(fields: Mapping[str, Any]) -> None:
    """Print one thing as `name: value` lines to stdout, leaving out what is empty."""
    shown = {name.replace("_", " "): _cell(value) for name, value in fields.items() if value not in (None, "")}
    width = max(map(len, shown), default=0) + 1
    _write(sys.stdout, "".join(f"{name + ':':<{width}} {value}\n" for name, value in shown.items()))


def print_json(value: Any) -> None:
    """Print plain JSON values to stdout: the keys in the order given, indented by two."""
    _write(sys.stdout, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def print_text(text: str) -> None:
    """Print lines for people to stdout, whatever they were made of."""
    _write(sys.stdout, _printable(text, keep=_LINE_END) + "\n")


def print_events(events: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print what happened to a thing, oldest first, to stdout."""
    if as_json:
        print_json(list(events))
        return
    rows = [{"when": event["last_observed_time"], "what": event["type"], **event} for event in events]
    print_table(rows, ["when", "what", "reason", "actor", "message"])


def print_chunks(chunks: Iterator[bytes]) -> None:
    """Print what a process prints to stdout, byte for byte, each chunk as it comes."""
    for chunk in chunks:
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def say(text: str) -> None:
    """Tell the user something, on stderr."""
    _write(sys.stderr, f"{text}\n")


def say_error(message: str, hint: str | None = None) -> None:
    """Tell what went wrong and what to do about it, as the last words of a command."""
    _write(sys.stderr, f"{_coloured('error:', 31)} {_printable(message, keep=_LINE_END)}\n")
    if hint:
        _write(sys.stderr, f"{_coloured('hint:', 36)} {_printable(hint, keep=_LINE_END)}\n")


@contextmanager
def progress(description: str, total: float | None) -> Iterator[Callable[[float], None]]:
    """A progress bar on stderr for long work; nothing at all where stderr is not a terminal.

    Args:
        description: What is being done.
        total: How much there is to do; None when nobody knows.

    Yields:
        A function to call with the amount done since the last call.
    """
    if not sys.stderr.isatty():
        yield lambda amount: None  # noqa: ARG005
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=total)
        yield lambda amount: bar.advance(task, amount)


def size_text(size_bytes: int) -> str:
    """A size for people.

    Example:

        >>> size_text(512), size_text(11_490_434)
        ('512 B', '11.5 MB')
    """
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def when_text(at_ms: int | None) -> str:
    """A time for people, where they are; nothing for None."""
    if at_ms is None:
        return ""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _printable(str(value))


def _printable(text: str, keep: str = "") -> str:
    # A name or message from elsewhere must not steer the terminal.
    return "".join(letter if letter.isprintable() or letter in keep else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def _coloured(text: str, colour: int) -> str:
    if os.environ.get("NO_COLOR") or not sys.stderr.isatty():
        return text
    return f"\x1b[{colour};1m{text}\x1b[0m"


def _write(stream: TextIO, text: str) -> None:
    # A letter that the terminal's encoding lacks is no reason to fail.
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()

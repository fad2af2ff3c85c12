"""`lepton audit`: what was changed in the workspace, and by whom."""

import re
import time
from datetime import UTC, datetime

import click

from lepton_ai.cli.cloud import cloud_of
from lepton_ai.cli.main import data_dir_option
from lepton_ai.cli.output import json_option, print_json, print_table, when_text
from lepton_ai.core.errors import InvalidInput

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


@click.command("audit")
@click.option("--noun", help="What was changed: endpoint, run, model, token, secret, workspace.")
@click.option("--name", help="The name of what was changed.")
@click.option("--actor", help="Who did it: a token's name, or system.")
@click.option("--since", metavar="TIME", help="Not before: 30m, 12h, 7d ago, or a date such as 2026-01-31T12:00.")
@click.option("--until", metavar="TIME", help="Before: likewise.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many at most.")
@json_option
@data_dir_option
@click.pass_context
def command(
    ctx: click.Context,
    noun: str | None,
    name: str | None,
    actor: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show what was changed in the workspace, newest first.

    \b
    Examples:
      lepton audit
      lepton audit --noun token --since 7d
      lepton audit --actor build --json
    """
    now_s = time.time()
    found = cloud_of(ctx).audit.list(
        noun=noun,
        name=name,
        actor=actor,
        since_ms=_time_ms("--since", since, now_s),
        until_ms=_time_ms("--until", until, now_s),
        limit=limit,
    )
    if as_json:
        print_json([item.model_dump(mode="json") for item in found])
        return
    rows = [{"when": when_text(item.at_ms), "what": item.action, **item.model_dump()} for item in found]
    print_table(rows, ["when", "actor", "what", "noun", "name", "message"])


def _time_ms(option: str, text: str | None, now_s: float) -> int | None:
    """A time as it is typed: so long ago, or a date in UTC."""
    if text is None:
        return None
    ago = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if ago:
        return max(0, int((now_s - int(ago[1]) * _UNITS_S[ago[2]]) * 1000))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"`{option}` must be a time such as 12h, 7d or 2026-01-31T12:00, got {text[:40]!r}"
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)

"""`lepton gc`: remove files that nobody needs any more."""

import re

import click

from lepton_ai.cli.cloud import cloud_of
from lepton_ai.cli.main import data_dir_option
from lepton_ai.cli.output import json_option, print_json, print_table, print_text, say, size_text

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(_ctx: click.Context, _parameter: click.Parameter, value: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value)
    if found is None:
        raise click.BadParameter(f"a time such as 90s, 30m, 24h or 7d, got {value!r}")
    return float(found[1]) * _UNITS_S[found[2]]


@click.command()
@click.option(
    "--older-than",
    "older_than_s",
    default="24h",
    show_default=True,
    metavar="TIME",
    callback=_seconds,
    help="Only what has not changed for this time.",
)
@click.option("--yes", is_flag=True, help="Remove it. Without, it is only shown.")
@json_option
@data_dir_option
@click.pass_context
def command(ctx: click.Context, older_than_s: float, yes: bool, as_json: bool) -> None:
    """Show what nobody needs any more, and with --yes remove it for good.

    That are files of removed versions, runs and photons, logs of replicas and runs that are gone, folders of removed
    runs, and what a crash left of an upload. What any record names stays.

    \b
    Examples:
      lepton gc
      lepton gc --older-than 7d --yes
    """
    leftovers = cloud_of(ctx).leftovers
    found = leftovers.remove(older_than_s=older_than_s) if yes else leftovers.list(older_than_s=older_than_s)
    if as_json:
        print_json([item.model_dump() for item in found])
        return
    total = size_text(sum(item.size_bytes for item in found))
    if found:
        rows = [{"kind": item.kind, "name": item.name, "size": size_text(item.size_bytes)} for item in found]
        print_table(rows, ["kind", "name", "size"])
    print_text(f"{len(found)} removed, {total} freed" if yes else f"{len(found)} to remove, {total}")
    if found and not yes:
        say("Nothing was removed. To do it: lepton gc --yes")

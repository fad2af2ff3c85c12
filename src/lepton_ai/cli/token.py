"""`lepton token`: the tokens of the workspace."""

import click

from lepton_ai.cli.cloud import cloud_of
from lepton_ai.cli.main import data_dir_option
from lepton_ai.cli.output import json_option, print_json, print_table, say, when_text
from lepton_ai.core.errors import InvalidInput

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


@click.group("token")
def command() -> None:
    """Make, list and revoke the workspace's tokens."""


@command.command("list")
@json_option
@data_dir_option
@click.pass_context
def list_tokens(ctx: click.Context, as_json: bool) -> None:
    """List the tokens that are good, without their values.

    \b
    Example:
      lepton token list
    """
    found = cloud_of(ctx).tokens.list()
    if as_json:
        print_json([token.model_dump(mode="json") for token in found])
        return
    rows = [
        {
            "name": token.name,
            "role": token.role,
            "token": token.masked_value,
            "made": when_text(token.created_at),
            "expires": when_text(token.expires_at),
        }
        for token in found
    ]
    print_table(rows, ["name", "role", "token", "made", "expires"])


@command.command("create")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["admin", "developer", "viewer", "endpoint"]),
    default="developer",
    show_default=True,
    help="What it may do: all, all but tokens, only read, or only call endpoints.",
)
@click.option("--expires", metavar="TIME", help="How long it is good: 90s, 12h, 30d. By default until it is revoked.")
@json_option
@data_dir_option
@click.pass_context
def create(ctx: click.Context, name: str, role: str, expires: str | None, as_json: bool) -> None:
    """Make a token and print its value, which is shown this once.

    \b
    Examples:
      lepton token create build --role developer --expires 30d
      lepton token create app --role endpoint
    """
    made = cloud_of(ctx).tokens.create(name, role=role, expires_in_s=None if expires is None else _seconds(expires))
    if as_json:
        print_json(made.model_dump(mode="json"))
        return
    click.echo(made.value)
    until = f", good until {when_text(made.expires_at)}" if made.expires_at is not None else ""
    say(f"Token {name} of role {role}{until}. Keep its value: it is not shown again")


@command.command("revoke")
@click.argument("name")
@data_dir_option
@click.pass_context
def revoke(ctx: click.Context, name: str) -> None:
    """Revoke a token, by its name or its id. It stops working within a second everywhere.

    \b
    Example:
      lepton token revoke build
    """
    cloud_of(ctx).tokens.revoke(name)
    say(f"Revoked {name}")


def _seconds(text: str) -> int:
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isdigit() or len(number) > 9 or not int(number):
        raise InvalidInput(f"`--expires` must be a number and s, m, h or d, got {text[:40]!r}", hint="For example 30d.")
    return int(number) * _UNITS[unit]

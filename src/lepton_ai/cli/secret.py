"""`lepton secret`: values that workloads get and nobody sees."""

import sys

import click

from lepton_ai.cli.cloud import cloud_of
from lepton_ai.cli.main import data_dir_option
from lepton_ai.cli.output import json_option, print_json, print_table, say, when_text


@click.group("secret")
def command() -> None:
    """Make, list and remove secrets: values that workloads get and nobody sees."""


@command.command("list")
@json_option
@data_dir_option
@click.pass_context
def list_secrets(ctx: click.Context, as_json: bool) -> None:
    """List the secrets that you may see, without their values.

    \b
    Example:
      lepton secret list
    """
    found = cloud_of(ctx).secrets.list()
    if as_json:
        print_json([secret.model_dump(mode="json") for secret in found])
        return
    rows = [
        {
            "name": secret.name,
            "visibility": secret.visibility,
            "owner": secret.owner,
            "tags": ", ".join(secret.tags),
            "made": when_text(secret.created_at),
        }
        for secret in found
    ]
    print_table(rows, ["name", "visibility", "owner", "tags", "made"])


@command.command("create")
@click.argument("name")
@click.option("--value", metavar="TEXT", help="The value. Others on this machine may see it while the command runs.")
@click.option("--public", is_flag=True, help="For everybody's workloads in the workspace, not yours alone.")
@click.option("--tag", "tags", metavar="WORD", multiple=True, help="A word to find it by. May be repeated.")
@data_dir_option
@click.pass_context
def create(ctx: click.Context, name: str, value: str | None, public: bool, tags: tuple[str, ...]) -> None:
    """Make a secret of what standard input holds, without the line's end.

    \b
    Examples:
      lepton secret create HF_TOKEN < token.txt
      lepton secret create API_KEY --value abc --public
    """
    if value is None:
        asked = sys.stdin.isatty()
        value = click.prompt("Value", hide_input=True, err=True) if asked else sys.stdin.read().removesuffix("\n")
    visibility = "public" if public else "private"
    cloud_of(ctx).secrets.create({name: value}, visibility=visibility, tags=tags)
    say(f"Made {visibility} secret {name}")


@command.command("remove")
@click.argument("name")
@data_dir_option
@click.pass_context
def remove(ctx: click.Context, name: str) -> None:
    """Remove a secret. What runs keeps what it was given.

    \b
    Example:
      lepton secret remove API_KEY
    """
    cloud_of(ctx).secrets.remove(name)
    say(f"Removed {name}")


@command.command("rotate")
@data_dir_option
@click.pass_context
def rotate(ctx: click.Context) -> None:
    """Change the master key that seals the secrets of all workspaces. For admins of the server.

    The old <data-dir>/master-key opens nothing in this database any more: renew the copy that you keep of it.

    \b
    Example:
      lepton secret rotate
    """
    key_id = cloud_of(ctx).secrets.rotate()
    say(f"The master key is now {key_id}. Renew the copy that you keep of <data-dir>/master-key")

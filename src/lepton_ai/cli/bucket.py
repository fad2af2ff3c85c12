"""`lepton bucket`: objects under keys, and addresses that need no token."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lepton_ai.cli.cloud import cloud_of
from lepton_ai.cli.main import data_dir_option
from lepton_ai.cli.output import json_option, print_json, print_table, print_text, progress, say, size_text, when_text

if TYPE_CHECKING:
    from lepton_ai.sdk.buckets import Bucket

public_option = click.option("--public", is_flag=True, help="The bucket that everybody may read who has an address.")


@click.group()
def command() -> None:
    """Keep objects under keys, and hand out addresses for them that need no token.

    There are two buckets: a private one, whose addresses are good for 15 minutes, and a public one.

    \b
    Examples:
      lepton bucket put report.html reports/june.html
      lepton bucket url reports/june.html
    """


@command.command("list")
@click.argument("prefix", default="")
@public_option
@json_option
@data_dir_option
@click.pass_context
def list_(ctx: click.Context, prefix: str, public: bool, as_json: bool) -> None:
    """List the objects whose keys begin with PREFIX.

    \b
    Examples:
      lepton bucket list
      lepton bucket list reports/ --public
    """
    found = list(_bucket(ctx, public).list(prefix))
    if as_json:
        print_json([item.model_dump() for item in found])
        return
    rows = [{"key": item.key, "size": size_text(item.size), "changed": when_text(item.last_modified)} for item in found]
    print_table(rows, ["key", "size", "changed"])


@command.command("put")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("key", required=False)
@public_option
@data_dir_option
@click.pass_context
def put(ctx: click.Context, file: Path, key: str | None, public: bool) -> None:
    """Keep FILE under KEY, by default its name. An object that is there is replaced.

    \b
    Example:
      lepton bucket put report.html reports/june.html
    """
    name = key or file.name
    with progress("Sending", None) as advance:
        _bucket(ctx, public).put(name, file, progress=advance)
    say(f"Kept {name}")


@command.command("get")
@click.argument("key")
@click.argument("target", type=click.Path(path_type=Path), default=".")
@public_option
@data_dir_option
@click.pass_context
def get(ctx: click.Context, key: str, target: Path, public: bool) -> None:
    """Copy the object KEY to this machine: into the folder TARGET, or under that name.

    \b
    Example:
      lepton bucket get reports/june.html june.html
    """
    with progress("Receiving", None) as advance:
        written = _bucket(ctx, public).download(key, target, progress=advance)
    say(f"Got {written}")


@command.command("url")
@click.argument("key")
@public_option
@data_dir_option
@click.pass_context
def url(ctx: click.Context, key: str, public: bool) -> None:
    """Print an address to read the object KEY by without a token.

    \b
    Example:
      lepton bucket url reports/june.html
    """
    print_text(_bucket(ctx, public).url(key))


@command.command("remove")
@click.argument("key")
@public_option
@data_dir_option
@click.pass_context
def remove(ctx: click.Context, key: str, public: bool) -> None:
    """Remove the object KEY, if it is there.

    \b
    Example:
      lepton bucket remove reports/june.html
    """
    _bucket(ctx, public).remove(key)
    say(f"Removed {key}")


def _bucket(ctx: click.Context, public: bool) -> "Bucket":
    buckets = cloud_of(ctx).buckets
    return buckets.public if public else buckets.private

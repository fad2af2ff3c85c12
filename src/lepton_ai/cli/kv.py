"""`lepton kv`: key-value namespaces."""

import sys

import click

from lepton_ai.cli.cloud import cloud_of
from lepton_ai.cli.main import data_dir_option
from lepton_ai.cli.output import json_option, print_chunks, print_json, print_table, print_text, say, when_text


@click.group()
def command() -> None:
    """Keep small values under keys.

    \b
    Examples:
      lepton kv create settings
      lepton kv put settings threshold 0.4
      lepton kv get settings threshold
    """


@command.command("create")
@click.argument("namespace")
@data_dir_option
@click.pass_context
def create(ctx: click.Context, namespace: str) -> None:
    """Make the namespace NAMESPACE.

    \b
    Example:
      lepton kv create settings
    """
    cloud_of(ctx).kv.create(namespace)
    say(f"Made {namespace}")


@command.command("list")
@json_option
@data_dir_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List the namespaces by name.

    \b
    Example:
      lepton kv list
    """
    found = [namespace.details for namespace in cloud_of(ctx).kv.list()]
    if as_json:
        print_json([item.model_dump() for item in found])
        return
    rows = [
        {"name": item.name, "made": when_text(item.metadata.created_at), "owner": item.metadata.owner} for item in found
    ]
    print_table(rows, ["name", "made", "owner"])


@command.command("remove")
@click.argument("namespace")
@data_dir_option
@click.pass_context
def remove(ctx: click.Context, namespace: str) -> None:
    """Remove the namespace NAMESPACE with all that is in it.

    \b
    Example:
      lepton kv remove settings
    """
    cloud_of(ctx).kv.remove(namespace)
    say(f"Removed {namespace}")


@command.command("keys")
@click.argument("namespace")
@click.argument("prefix", default="")
@json_option
@data_dir_option
@click.pass_context
def keys(ctx: click.Context, namespace: str, prefix: str, as_json: bool) -> None:
    """List the keys that begin with PREFIX, in the order in which they were first written.

    \b
    Example:
      lepton kv keys settings
    """
    found = cloud_of(ctx).kv.get(namespace).keys(prefix)
    if as_json:
        print_json(list(found))
        return
    for key in found:
        print_text(key)


@command.command("put")
@click.argument("namespace")
@click.argument("key")
@click.argument("value", required=False)
@data_dir_option
@click.pass_context
def put(ctx: click.Context, namespace: str, key: str, value: str | None) -> None:
    """Keep VALUE, or without it what comes in on stdin, under KEY.

    \b
    Examples:
      lepton kv put settings threshold 0.4
      lepton kv put settings colours < colours.json
    """
    data = sys.stdin.buffer.read() if value is None else value.encode()
    cloud_of(ctx).kv.get(namespace).put(key, data)
    say(f"Kept {key}")


@command.command("get")
@click.argument("namespace")
@click.argument("key")
@data_dir_option
@click.pass_context
def get(ctx: click.Context, namespace: str, key: str) -> None:
    """Print the value under KEY, byte for byte.

    \b
    Example:
      lepton kv get settings threshold
    """
    print_chunks(iter((cloud_of(ctx).kv.get(namespace).get(key),)))


@command.command("delete")
@click.argument("namespace")
@click.argument("key")
@data_dir_option
@click.pass_context
def delete(ctx: click.Context, namespace: str, key: str) -> None:
    """Remove KEY, if it is there.

    \b
    Example:
      lepton kv delete settings threshold
    """
    removed = cloud_of(ctx).kv.get(namespace).remove(key)
    say(f"Removed {key}" if removed else f"There was no {key}")

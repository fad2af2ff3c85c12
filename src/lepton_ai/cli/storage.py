"""`lepton storage`: files in the cloud's volumes."""

from pathlib import Path

import click

from lepton_ai.cli.cloud import cloud_of
from lepton_ai.cli.main import data_dir_option
from lepton_ai.cli.output import json_option, print_json, print_table, print_text, progress, say, size_text, when_text

volume_option = click.option("--volume", default="default", show_default=True, help="Which volume.")


@click.group()
def command() -> None:
    """Keep files in the cloud: in volumes, that jobs see as folders.

    Paths begin at a volume's root. Every workspace has the volume `default`.

    \b
    Examples:
      lepton storage upload weights.npz /models/
      lepton storage ls /models
      lepton storage download /models/weights.npz
    """


@command.command("ls")
@click.argument("path", default="/")
@volume_option
@json_option
@data_dir_option
@click.pass_context
def list_(ctx: click.Context, path: str, volume: str, as_json: bool) -> None:
    """List what the folder PATH holds.

    \b
    Examples:
      lepton storage ls
      lepton storage ls /models --volume shared
    """
    found = cloud_of(ctx).volumes.get(volume).list(path)
    if as_json:
        print_json([entry.model_dump() for entry in found])
        return
    rows = [
        {
            "name": entry.name + ("/" if entry.type == "dir" else ""),
            "size": "" if entry.type == "dir" else size_text(entry.size_bytes),
            "changed": when_text(entry.changed_at),
        }
        for entry in found
    ]
    print_table(rows, ["name", "size", "changed"])


@command.command("mkdir")
@click.argument("path")
@volume_option
@data_dir_option
@click.pass_context
def make_folder(ctx: click.Context, path: str, volume: str) -> None:
    """Make the folder PATH, with those above it. `/` makes the volume itself.

    \b
    Examples:
      lepton storage mkdir /models/digits
      lepton storage mkdir / --volume shared
    """
    cloud_of(ctx).volumes.get(volume).make_folder(path)
    say(f"Made {path}" if path.strip("/") else f"Made the volume {volume}")


@command.command("upload")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("path", default="/")
@click.option("-r", "--recursive", is_flag=True, help="Copy a folder with what is below it.")
@volume_option
@data_dir_option
@click.pass_context
def upload(ctx: click.Context, source: Path, path: str, recursive: bool, volume: str) -> None:
    """Copy the file SOURCE to PATH; with a slash at its end, into that folder.

    \b
    Examples:
      lepton storage upload weights.npz /models/
      lepton storage upload runs /runs --recursive
    """
    there = cloud_of(ctx).volumes.get(volume)
    with progress("Sending", None) as advance:
        if recursive:
            sent = there.upload_folder(source, path, progress=advance)
        elif source.is_dir():
            raise click.UsageError(f"{source} is a folder: give --recursive to copy it with what is below it", ctx)
        else:
            sent = [there.upload(source, path, progress=advance)]
    say(f"Uploaded {len(sent)} files to {path}" if recursive else f"Uploaded {sent[0]}")


@command.command("download")
@click.argument("path")
@click.argument("target", type=click.Path(path_type=Path), default=".")
@volume_option
@data_dir_option
@click.pass_context
def download(ctx: click.Context, path: str, target: Path, volume: str) -> None:
    """Copy the file PATH to this machine: into the folder TARGET, or under that name.

    \b
    Examples:
      lepton storage download /models/weights.npz
      lepton storage download /models/weights.npz /tmp/best.npz
    """
    with progress("Receiving", None) as advance:
        written = cloud_of(ctx).volumes.get(volume).download(path, target, progress=advance)
    say(f"Downloaded {written}")


@command.command("rm")
@click.argument("path")
@volume_option
@data_dir_option
@click.pass_context
def remove(ctx: click.Context, path: str, volume: str) -> None:
    """Remove the file PATH.

    \b
    Example:
      lepton storage rm /models/weights.npz
    """
    there = cloud_of(ctx).volumes.get(volume)
    if there.is_folder(path):
        raise click.UsageError(f"{path} is a folder: lepton storage rmdir {path}", ctx)
    there.remove(path)
    say(f"Removed {path}")


@command.command("rmdir")
@click.argument("path")
@click.option("-r", "--recursive", is_flag=True, help="Remove what it holds, too.")
@volume_option
@data_dir_option
@click.pass_context
def remove_folder(ctx: click.Context, path: str, recursive: bool, volume: str) -> None:
    """Remove the folder PATH, if it is empty. `/` with --recursive removes the volume itself.

    \b
    Examples:
      lepton storage rmdir /models
      lepton storage rmdir /runs --recursive
    """
    there = cloud_of(ctx).volumes.get(volume)
    if not there.is_folder(path):
        raise click.UsageError(f"{path} is a file: lepton storage rm {path}", ctx)
    there.remove(path, recursive=recursive)
    say(f"Removed {path}" if path.strip("/") else f"Removed the volume {volume}")


@command.command("du")
@json_option
@data_dir_option
@click.pass_context
def usage(ctx: click.Context, as_json: bool) -> None:
    """Show how much each volume holds.

    \b
    Example:
      lepton storage du
    """
    found = {item.metadata.name: item.status.total_usage_bytes for item in cloud_of(ctx).volumes.list()}
    if as_json:
        print_json(found)
        return
    print_table([{"volume": name, "size": size_text(size)} for name, size in found.items()], ["volume", "size"])
    print_text(f"{size_text(sum(found.values()))} in all")

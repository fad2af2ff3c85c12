"""`lepton photon`: the photons that the cloud keeps."""

from pathlib import Path

import click

from lepton_ai.cli.cloud import cloud_of
from lepton_ai.cli.main import data_dir_option
from lepton_ai.cli.output import (
    json_option,
    print_fields,
    print_json,
    print_table,
    progress,
    say,
    size_text,
    when_text,
)

public_option = click.option("--public", is_flag=True, help="Among those that every workspace may read.")


@click.group()
def command() -> None:
    """Keep photons: archives that `lep photon create` made. Running them comes with a later version.

    \b
    Examples:
      lepton photon push counter.photon
      lepton photon list
    """


@command.command("push")
@click.argument("file", type=click.Path(path_type=Path))
@public_option
@data_dir_option
@click.pass_context
def push(ctx: click.Context, file: Path, public: bool) -> None:
    """Keep FILE as a new version of the photon that it holds, and print its id.

    \b
    Example:
      lepton photon push counter.photon
    """
    with progress("Sending", None) as advance:
        photon = cloud_of(ctx).photons.push(file, public=public, progress=advance)
    click.echo(photon.id)
    say(f"Pushed {photon.name}")


@command.command("list")
@public_option
@json_option
@data_dir_option
@click.pass_context
def list_(ctx: click.Context, public: bool, as_json: bool) -> None:
    """List all versions, newest first.

    \b
    Example:
      lepton photon list
    """
    found = cloud_of(ctx).photons.list(public=public)
    if as_json:
        print_json([item.model_dump() for item in found])
        return
    rows = [
        {
            "name": item.name,
            "id": item.id,
            "model": item.model,
            "size": size_text(item.size_bytes),
            "pushed": when_text(item.created_at),
            "owner": item.owner,
        }
        for item in found
    ]
    print_table(rows, ["name", "id", "model", "size", "pushed", "owner"])


@command.command("show")
@click.argument("photon")
@public_option
@json_option
@data_dir_option
@click.pass_context
def show(ctx: click.Context, photon: str, public: bool, as_json: bool) -> None:
    """Show what the photon of that id says about itself, or the newest of that name.

    \b
    Example:
      lepton photon show counter
    """
    found = cloud_of(ctx).photons.get(photon, public=public)
    if as_json:
        print_json(found.model_dump())
        return
    print_fields(
        {
            "name": found.name,
            "id": found.id,
            "model": found.model,
            "needs": ", ".join(found.requirement_dependency),
            "image": found.image,
            "size": size_text(found.size_bytes),
            "sha256": found.sha256,
            "pushed": when_text(found.created_at),
            "owner": found.owner,
        }
    )


@command.command("fetch")
@click.argument("photon")
@click.argument("target", type=click.Path(path_type=Path), default=".")
@public_option
@data_dir_option
@click.pass_context
def fetch(ctx: click.Context, photon: str, target: Path, public: bool) -> None:
    """Copy the archive of PHOTON, an id or a name, to this machine.

    \b
    Example:
      lepton photon fetch counter /tmp
    """
    with progress("Receiving", None) as advance:
        written = cloud_of(ctx).photons.fetch(photon, target, public=public, progress=advance)
    say(f"Fetched {written}")


@command.command("remove")
@click.argument("photon_id", metavar="ID")
@public_option
@data_dir_option
@click.pass_context
def remove(ctx: click.Context, photon_id: str, public: bool) -> None:
    """Remove the version of that id.

    \b
    Example:
      lepton photon remove counter-01jd9x3k7q-0f3a9k2m
    """
    cloud_of(ctx).photons.remove(photon_id, public=public)
    say(f"Removed {photon_id}")

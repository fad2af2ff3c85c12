"""`lepton data`: the data sets on this machine; works without a running cloud."""

import sys
from pathlib import Path

import click

from lepton_ai.cli.main import data_dir_option, settings_of
from lepton_ai.cli.output import json_option, print_fields, print_json, print_table, progress, say, size_text
from lepton_ai.infrastructure.storage.datasets_records import Description
from lepton_ai.sdk.datasets import Datasets


@click.group()
def command() -> None:
    """Add, list and show data sets. No running cloud is needed.

    \b
    Scripts under `lepton run` find them in this order:
      the folders of LEPTON_DATASETS, <data-dir>/datasets, examples/data of a source checkout
    \b
    Examples:
      lepton data list
      lepton data add visits.csv --licence "CC BY 4.0"
    """


@command.command("add")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", help="Its name; by default made from that of the file.")
@click.option("--title", default="", help="A name for people.")
@click.option("--task", default="", help="What it is for, as `classification, column C`.")
@click.option("--source", default="", help="Where it comes from.")
@click.option("--licence", default="", help="Under which licence.")
@click.option("--citation", default="", help="Whom to cite.")
@data_dir_option
@click.pass_context
def add(ctx: click.Context, /, path: Path, name: str | None, **about: str) -> None:
    """Copy the file or folder PATH into the data folder.

    It appears whole or not at all. What a `dataset.json` in the folder says about the data is taken over.

    \b
    Examples:
      lepton data add visits.csv
      lepton data add ~/Downloads/ward-7 --name ward_7 --source "Our own records" --licence internal
    """
    with progress("Copying", None) as advance:
        dataset = Datasets(settings_of(ctx)).add(path, name, Description(**about), advance)  # type: ignore[arg-type]
    count = len(dataset.files)
    say(f"Added {dataset.name}: {count} {'file' if count == 1 else 'files'}, {size_text(dataset.bytes)}")


@command.command("list")
@json_option
@data_dir_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List the data sets by name.

    \b
    Examples:
      lepton data list
      lepton data list --json
    """
    datasets = Datasets(settings_of(ctx))
    for folder in datasets.missing_folders:
        say(f"LEPTON_DATASETS names {folder}, which is not a folder")
    found = datasets.list()
    if as_json:
        print_json([dataset.to_json() for dataset in found])
        return
    if not found:
        say("There are no data sets yet. Add one: lepton data add FILE")
        return
    print_table(
        [
            {
                "name": dataset.name,
                "task": dataset.about.task,
                "rows": dataset.about.rows,
                "size": size_text(dataset.bytes),
                "licence": dataset.about.licence,
                "folder": dataset.folder,
            }
            for dataset in found
        ],
        ["name", "task", "rows", "size", "licence", "folder"],
    )


@command.command("show", short_help="Show one, and check its files.")
@click.argument("name")
@json_option
@data_dir_option
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show the data set NAME: where it comes from, its licence, and whether its files are those that were recorded.

    \b
    Examples:
      lepton data show mnist
      lepton data show mnist --json
    """
    check = Datasets(settings_of(ctx)).show(name)
    if as_json:
        print_json(check.to_json())
        return
    dataset = check.dataset
    print_fields({"name": name, **vars(dataset.about), "added": dataset.added_at, "folder": dataset.folder})
    print()
    print_table(
        [{"file": file.name, "size": size_text(file.bytes), "state": file.state.value} for file in check.files],
        ["file", "size", "state"],
    )
    if check.changed:
        say(f"The files of {name} are not those that were recorded.")


@command.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_dir_option
@click.pass_context
def remove(ctx: click.Context, name: str, yes: bool) -> None:
    """Remove the data set NAME from the data folder.

    \b
    Examples:
      lepton data remove ward_7
      lepton data remove ward_7 --yes
    """
    datasets = Datasets(settings_of(ctx))
    if not yes and sys.stdin.isatty() and not click.confirm(f"Remove the data set {name} for good?", err=True):
        ctx.exit(1)
    datasets.remove(name)
    say(f"Removed {name}")

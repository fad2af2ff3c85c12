"""`lepton model`: register, list and show models, and move aliases."""

from pathlib import Path
from typing import Any

import click

from lepton_ai.cli.cloud import cloud_of
from lepton_ai.cli.main import data_dir_option
from lepton_ai.cli.output import (
    json_option,
    print_fields,
    print_json,
    print_table,
    print_text,
    progress,
    say,
    size_text,
    when_text,
)
from lepton_ai.core.errors import InvalidInput


@click.group("model")
def command() -> None:
    """Register, list and show models, and move aliases."""


@command.command("list")
@json_option
@data_dir_option
@click.pass_context
def list_models(ctx: click.Context, as_json: bool) -> None:
    """List all models.

    \b
    Example:
      lepton model list
    """
    found = [model.model_dump() for model in cloud_of(ctx).models.list()]
    if as_json:
        print_json(found)
        return
    rows = [{**model, "aliases": _aliases(model["aliases"]), "made": when_text(model["created_at"])} for model in found]
    print_table(rows, ["name", "versions", "latest", "aliases", "made"])


@command.command("show")
@click.argument("model", metavar="MODEL[:VERSION|@ALIAS]")
@json_option
@data_dir_option
@click.pass_context
def show(ctx: click.Context, model: str, as_json: bool) -> None:
    """Show one version, by default the champion: what it takes and gives, how good it is, where it comes from.

    \b
    Examples:
      lepton model show digits
      lepton model show digits:2 --json
    """
    version = cloud_of(ctx).models.version(model)
    details = version.details
    if as_json:
        print_json(details.model_dump())
        return
    taken, given = details.signature["inputs"][0], details.signature["outputs"][0]
    print_fields(
        {
            "version": str(version),
            "task": details.signature["task"],
            "takes": f"{taken['dtype']} {taken['shape']}",
            "gives": f"{given['name']} {given['shape']}",
            **{name.replace("_", " "): f"{value:.4f}" for name, value in details.metrics.items()},
            "size": size_text(details.size_bytes),
            "made": f"{when_text(details.created_at)} by {details.created_by}",
            "message": details.message,
        }
    )


@command.command("versions")
@click.argument("name")
@json_option
@data_dir_option
@click.pass_context
def versions(ctx: click.Context, name: str, as_json: bool) -> None:
    """List a model's versions, newest first.

    \b
    Example:
      lepton model versions digits
    """
    found = cloud_of(ctx).models.get(name).versions
    if as_json:
        print_json([version.model_dump() for version in found])
        return
    rows = [
        {
            "version": version.version,
            "aliases": " ".join(version.aliases),
            "metrics": ", ".join(f"{key} {value:.4f}" for key, value in version.metrics.items()),
            "size": size_text(version.size_bytes),
            "made": when_text(version.created_at),
            "message": version.message,
        }
        for version in found
    ]
    print_table(rows, ["version", "aliases", "metrics", "size", "made", "message"])


@command.command("alias")
@click.argument("name")
@click.argument("alias", required=False)
@click.argument("version", type=click.IntRange(1), required=False)
@click.option("--reason", default="", help="Why; the history keeps it.")
@json_option
@data_dir_option
@click.pass_context
def alias(ctx: click.Context, name: str, alias: str | None, version: int | None, reason: str, as_json: bool) -> None:
    """Point an alias at a version; without a version, show the history of the model's aliases.

    \b
    Examples:
      lepton model alias digits
      lepton model alias digits champion 2 --reason "better on the new data"
    """
    models = cloud_of(ctx).models
    if alias is not None and version is None:
        raise InvalidInput(
            f"to which version shall {alias!r} point?", hint=f"lepton model alias {name} {alias} VERSION"
        )
    if alias is not None and version is not None:
        models.move_alias(name, alias, version, reason=reason)
        say(f"{name}@{alias} is now {name}:{version}")
        return
    moves = [move.model_dump() for move in models.get(name).history]
    if as_json:
        print_json(moves)
        return
    rows = [{**move, "when": when_text(move["at"]), "from": move["previous"], "to": move["version"]} for move in moves]
    print_table(rows, ["when", "alias", "from", "to", "actor", "reason"])


@command.command("push")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("name")
@click.option("--message", default="", help="Why this version was made.")
@click.option(
    "--task",
    type=click.Choice(["classification", "regression"]),
    help="What an .onnx file answers, if that is unclear.",
)
@click.option("--labels", metavar="A,B,…", help="What the classes are called, in the order of the answers.")
@json_option
@data_dir_option
@click.pass_context
def push(
    ctx: click.Context, source: Path, name: str, message: str, task: str | None, labels: str | None, as_json: bool
) -> None:
    """Register a saved model as a new version: a .keras or an .onnx file, or a folder with an artifact.

    \b
    Examples:
      lepton model push digits.keras digits
      lepton model push churn.onnx churn --labels stays,leaves
      lepton model push ./artifact digits --message "trained on June's data"
    """
    cloud = cloud_of(ctx)
    cloud.ping()
    if source.is_dir():
        if task or labels:
            raise InvalidInput("an artifact says itself what it answers, got --task or --labels")
        total = sum(path.stat().st_size for path in source.iterdir() if path.is_file())
        with progress(f"Pushing {name}", total) as advance:
            version = cloud.models.push_folder(source, name, message=message, progress=advance)
    else:
        model = _loaded(source)
        with progress(f"Pushing {name}", None) as advance:
            version = cloud.push(
                model,
                name,
                message=message,
                task=task,
                labels=[_label(label) for label in labels.split(",")] if labels else None,
                progress=advance,
            )
    if as_json:
        print_json(version.details.model_dump())
    else:
        say(f"Registered {version}")


@command.command("export")
@click.argument("model", metavar="MODEL[:VERSION|@ALIAS]")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@data_dir_option
@click.pass_context
def export(ctx: click.Context, model: str, folder: Path) -> None:
    """Fetch a version's files into a folder: model.onnx runs anywhere, without Lepton.

    \b
    Example:
      lepton model export digits@champion ./digits
    """
    version = cloud_of(ctx).models.download(model, folder)
    say(f"{version} is in {folder}: {', '.join(sorted(version.details.files))}")


@command.command("card")
@click.argument("model", metavar="MODEL[:VERSION|@ALIAS]")
@data_dir_option
@click.pass_context
def card(ctx: click.Context, model: str) -> None:
    """Show a version's model card as JSON.

    \b
    Example:
      lepton model card digits
    """
    print_json(cloud_of(ctx).models.card(model))


@command.command("report")
@click.argument("model", metavar="MODEL[:VERSION|@ALIAS]")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Write the whole report as a page into this file."
)
@json_option
@data_dir_option
@click.pass_context
def report(ctx: click.Context, model: str, html: Path | None, as_json: bool) -> None:
    """Show how good a version is on rows that it did not learn from, beside a naive and a linear model.

    \b
    Examples:
      lepton model report digits
      lepton model report digits:2 --html report.html
    """
    version = cloud_of(ctx).models.version(model)
    found = version.report()
    if html is not None:
        found.save(html)
        say(f"The report on {version} is in {html}")
    if as_json:
        print_json(found.to_json())
    elif html is None:
        print_text(str(found))


@command.command("remove")
@click.argument("model", metavar="MODEL[:VERSION]")
@click.option("--all", "everything", is_flag=True, help="Remove the model with all its versions.")
@data_dir_option
@click.pass_context
def remove(ctx: click.Context, model: str, everything: bool) -> None:
    """Remove one version that nothing uses, or with --all the whole model.

    \b
    Examples:
      lepton model remove digits:1
      lepton model remove digits --all
    """
    name, colon, version = model.partition(":")
    if bool(colon) == everything:
        raise InvalidInput(
            "say which: one version, or all of them", hint=f"lepton model remove {name}:1, or {name} --all"
        )
    if colon and not version.isdigit():
        raise InvalidInput(f"a version is a whole number, got {version!r}")
    removed = cloud_of(ctx).models.remove(name, int(version) if colon else None)
    say(f"Removed {removed} version{'s' if removed != 1 else ''} of {name}.")


def _loaded(source: Path) -> Any:
    """The model in a .keras file; the path itself of anything else, which the SDK knows or refuses."""
    if source.suffix.lower() != ".keras":
        return source
    from lepton_ai.sdk.model import Model

    return Model.load(source)


def _label(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and str(int(text)) == text else text.strip()


def _aliases(aliases: dict[str, int]) -> str:
    return " ".join(f"{alias}={version}" for alias, version in sorted(aliases.items()))

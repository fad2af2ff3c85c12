"""`lepton train`: a training run from a table, and the runs there are."""

from typing import TYPE_CHECKING, Any

import click

from lepton_ai.cli.cloud import cloud_of
from lepton_ai.cli.main import data_dir_option
from lepton_ai.cli.output import (
    json_option,
    print_chunks,
    print_events,
    print_fields,
    print_json,
    print_table,
    progress,
    say,
    when_text,
)
from lepton_ai.cli.train_follow import follow_run

if TYPE_CHECKING:
    from lepton_ai.sdk.runs import Run

_KINDS = ("number", "category", "date", "text")
_ROLES = ("feature", "id", "time", "group", "sensitive", "outcome_later")
_ASIDE = "aside"

follow_option = click.option("-f", "--follow", is_flag=True, help="Show its curves until it is over.")


@click.group("train", invoke_without_command=True)
@click.option("--data", metavar="FILE|NAME[/FILE]", help="A file on this machine, or a data set of the cloud.")
@click.option("--target", metavar="COLUMN", help="The column to predict.")
@click.option("--name", metavar="MODEL", help="The model to register a version of.")
@click.option("--budget", metavar="TIME", help="How long to train: 90s, 5m, 1.5h.")
@click.option("--steps", type=click.IntRange(1), help="How many steps to train, instead.")
@click.option("--epochs", type=click.IntRange(1), help="How often to pass over the rows, instead.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, help="Decides test rows, weights and order.")
@click.option(
    "--column",
    "columns",
    metavar="COLUMN=WORD[,WORD]",
    multiple=True,
    help="What you know about a column: its kind (number, category, date, text), its roles (feature, id, time, group, "
    "sensitive, outcome_later), or `aside` to leave it out. May be repeated.",
)
@follow_option
@json_option
@data_dir_option
@click.pass_context
def command(
    ctx: click.Context,
    data: str | None,
    target: str | None,
    name: str | None,
    budget: str | None,
    steps: int | None,
    epochs: int | None,
    seed: int,
    columns: tuple[str, ...],
    follow: bool,
    as_json: bool,
) -> None:
    """Train a model from a table, as a run of the cloud that registers a version when it is done.

    The run goes on when this command ends, and from its last checkpoint when the cloud is stopped or killed. With
    --follow, Ctrl-C leaves it going.

    \b
    Examples:
      lepton train --data visits.csv --target stay --name visits --budget 5m --follow
      lepton train --data pima_diabetes --target x8 --name diabetes --epochs 20
      lepton train --data visits.csv --target stay --name visits --column ward=category --column patient=group
      lepton train list
      lepton train follow visits
    """
    if ctx.invoked_subcommand is not None:
        return
    needed = {"--data": data, "--target": target, "--name": name}
    missing = [option for option, value in needed.items() if not value]
    if data is None or target is None or name is None or missing:
        raise click.UsageError(f"{', '.join(missing)} missing: say what to train on, what to predict, and a name", ctx)
    known = _columns(columns, ctx)
    cloud = cloud_of(ctx)
    with progress("Sending", None) as advance:
        run = cloud.train(
            data,
            target,
            name,
            budget=budget,
            steps=steps,
            epochs=epochs,
            seed=seed,
            columns=known,
            progress=advance,
        )
    if follow:
        follow_run(run, as_json=as_json)
        return
    _tell(run, as_json)
    if not as_json:
        click.echo(run.id)
        say(f"Watch it: lepton train follow {name}")


@command.command("list")
@json_option
@data_dir_option
@click.pass_context
def list_runs(ctx: click.Context, as_json: bool) -> None:
    """List all runs, newest first.

    \b
    Example:
      lepton train list
    """
    found = cloud_of(ctx).runs.list()
    if as_json:
        print_json([run.details.model_dump(mode="json") for run in found])
        return
    rows = [
        {
            "run": run.id,
            "model": run.details.model,
            "state": run.state,
            "step": _step(run),
            "version": run.details.version,
            "data": run.details.data,
            "made": when_text(run.details.created_at),
        }
        for run in found
    ]
    print_table(rows, ["run", "model", "state", "step", "version", "data", "made"])


@command.command("show")
@click.argument("run")
@json_option
@data_dir_option
@click.pass_context
def show(ctx: click.Context, run: str, as_json: bool) -> None:
    """Show one run, by its id, or by its model's name for the newest.

    \b
    Example:
      lepton train show visits
    """
    found = cloud_of(ctx).runs.get(run)
    details = found.details
    if as_json:
        print_json(details.model_dump(mode="json"))
        return
    measured = found.version.metrics if found.version is not None else {}
    print_fields(
        {
            "run": found.id,
            "state": found.state,
            "why": details.message,
            "model": f"{details.model}:{details.version}" if details.version is not None else details.model,
            "data": details.data,
            "target": details.target,
            "step": _step(found),
            "loss": (details.progress or {}).get("loss"),
            "checkpoint": f"after step {details.checkpoint_step:,}" if details.checkpoint_step else "",
            "processes": details.attempt,
            "made": f"{when_text(details.created_at)} by {details.owner}",
            "ended": when_text(details.finished_at) if details.finished_at else "",
            **{f"test {name}": f"{value:.4f}" for name, value in measured.items()},
        }
    )


@command.command("follow")
@click.argument("run")
@json_option
@data_dir_option
@click.pass_context
def follow(ctx: click.Context, run: str, as_json: bool) -> None:
    """Show a run's curves until it is over. Ctrl-C leaves it going.

    \b
    Examples:
      lepton train follow visits
      lepton train follow visits --json
    """
    follow_run(cloud_of(ctx).runs.get(run), as_json=as_json)


@command.command("logs")
@click.argument("run")
@click.option("--process", "attempt", type=click.IntRange(1), help="Which of its processes; by default the newest.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what it prints from now on.")
@data_dir_option
@click.pass_context
def logs(ctx: click.Context, run: str, attempt: int | None, follow: bool) -> None:
    """Show what a run's process printed.

    \b
    Examples:
      lepton train logs visits
      lepton train logs visits --process 1
    """
    with cloud_of(ctx).runs.get(run).logs(attempt, follow=follow) as chunks:
        print_chunks(chunks)


@command.command("events")
@click.argument("run")
@json_option
@data_dir_option
@click.pass_context
def events(ctx: click.Context, run: str, as_json: bool) -> None:
    """Show what happened to a run, oldest first.

    \b
    Example:
      lepton train events visits
    """
    found = [event.model_dump(mode="json") for event in cloud_of(ctx).runs.get(run).events()]
    print_events(found, as_json=as_json)


@command.command("stop")
@click.argument("run")
@json_option
@data_dir_option
@click.pass_context
def stop(ctx: click.Context, run: str, as_json: bool) -> None:
    """Stop a run once it has written a last checkpoint.

    \b
    Example:
      lepton train stop visits
    """
    _tell(cloud_of(ctx).runs.get(run).stop(), as_json)


@command.command("resume")
@click.argument("run")
@follow_option
@json_option
@data_dir_option
@click.pass_context
def resume(ctx: click.Context, run: str, follow: bool, as_json: bool) -> None:
    """Let a run that was stopped or has failed go on from its last checkpoint.

    \b
    Example:
      lepton train resume visits --follow
    """
    resumed = cloud_of(ctx).runs.get(run).resume()
    if follow:
        follow_run(resumed, as_json=as_json)
    else:
        _tell(resumed, as_json)


@command.command("remove")
@click.argument("run")
@data_dir_option
@click.pass_context
def remove(ctx: click.Context, run: str) -> None:
    """Remove a run with its checkpoints, stopping it first. A version that it registered stays.

    \b
    Example:
      lepton train remove visits
    """
    found = cloud_of(ctx).runs.get(run)
    found.remove()
    say(f"Run {found.id} is gone.")


def _tell(run: "Run", as_json: bool) -> None:
    if as_json:
        print_json(run.details.model_dump(mode="json"))
    else:
        say(f"Run {run.id} is {run.state}: {run.details.message}")


def _columns(said: tuple[str, ...], ctx: click.Context) -> dict[str, dict[str, Any]]:
    """`ward=category,group` as what a run takes: kind and roles by column."""
    columns: dict[str, dict[str, Any]] = {}
    for text in said:
        column, equals, words = text.rpartition("=")
        if not equals or not column:
            raise click.UsageError(f"--column must be COLUMN=WORD[,WORD], got {text!r}", ctx)
        for word in words.split(","):
            about = columns.setdefault(column, {})
            if word in _KINDS:
                about["kind"] = word
            elif word in _ROLES:
                about["roles"] = [*about.get("roles", []), word]
            elif word == _ASIDE:
                about["roles"] = []
            else:
                choices = ", ".join((*_KINDS, *_ROLES, _ASIDE))
                raise click.UsageError(f"--column {column}: {word!r} is none of {choices}", ctx)
    return columns


def _step(run: "Run") -> str:
    point = run.details.progress
    if not point:
        return ""
    return f"{point['step']:,} of {point['steps']:,}" if point.get("steps") else f"{point['step']:,}"

"""`lepton job`: commands that run in the cloud, on one worker or on several at once."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

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
)

if TYPE_CHECKING:
    from lepton_ai.sdk.jobs import Job


@click.group("job")
def command() -> None:
    """Run commands in the cloud, list them, read what they print and stop them."""


@command.command("create", context_settings={"ignore_unknown_options": False})
@click.option("--name", required=True, help="What to call it; its id is made of it.")
@click.option("--workers", type=click.IntRange(1), default=1, help="How many run it at once; all start or none.")
@click.option("--shape", default="cpu.small", help="How much each counts for: cpu.small, cpu.medium, cpu.large.")
@click.option("--sync", "folder", metavar="FOLDER", help="A folder to send along; each worker starts in a copy of it.")
@click.option("--env", "variables", metavar="NAME=VALUE", multiple=True, help="A variable. May be repeated.")
@click.option("--secret", "secrets", metavar="NAME=SECRET", multiple=True, help="A variable that holds a secret.")
@click.option("--label", "labels", metavar="NAME=VALUE", multiple=True, help="A label. May be repeated.")
@click.option("--priority", metavar="CLASS", help="low-1000 to high-9000; higher ones go first.")
@click.option("--retries", type=click.IntRange(0), default=0, help="How often each worker is tried again.")
@click.option("--job-retries", type=click.IntRange(0), default=0, help="How often the whole job is tried again.")
@click.option("--start-in", metavar="TIME", help="Not before this much time does it start: 90s, 5m, 1.5h.")
@click.option("--ttl", metavar="TIME", help="Archive it this long after its end.")
@click.option("--template", metavar="NAME", help="A template instead of a command, such as torchrun.")
@click.option("--run", metavar="COMMAND", default="", help="What goes into the template.")
@click.option("-f", "--follow", is_flag=True, help="Show what its first worker prints, and wait until it is over.")
@json_option
@data_dir_option
@click.argument("words", metavar="[--] COMMAND…", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def create(
    ctx: click.Context,
    name: str,
    workers: int,
    shape: str,
    folder: str | None,
    variables: tuple[str, ...],
    secrets: tuple[str, ...],
    labels: tuple[str, ...],
    priority: str | None,
    retries: int,
    job_retries: int,
    start_in: str | None,
    ttl: str | None,
    template: str | None,
    run: str,
    follow: bool,
    as_json: bool,
    words: tuple[str, ...],
) -> None:
    """Run a command as a job. It goes on when this command ends; with --follow, Ctrl-C leaves it going.

    \b
    Examples:
      lepton job create --name hello -- echo hello
      lepton job create --name train --workers 2 --sync . -- python train.py
      lepton job create --name ddp --workers 2 --sync . --template torchrun --run train.py
    """
    if bool(words) == bool(template):
        raise click.UsageError("give a command after --, or --template, one of the two", ctx)
    with progress("Sending", None) as advance:
        job = cloud_of(ctx).jobs.create(
            name,
            words,
            workers=workers,
            shape=shape,
            folder=folder,
            env=_pairs("--env", variables, ctx),
            secrets=_pairs("--secret", secrets, ctx),
            labels=_pairs("--label", labels, ctx),
            priority=priority,
            retries=retries,
            job_retries=job_retries,
            start_at_s=None if start_in is None else round(time.time() + _seconds(start_in)),
            ttl_s=None if ttl is None else round(_seconds(ttl)),
            template=template,
            run=run,
            progress=advance,
        )
    if follow:
        _follow(job)
        return
    _tell(job, as_json)
    if not as_json:
        click.echo(job.id)


@command.command("list")
@click.option("-s", "--state", "states", multiple=True, help="The beginning of a state, such as run. May be repeated.")
@click.option("-n", "--name", "text", default="", help="A part of the name or id.")
@click.option("-l", "--label", "selector", default="", help="A label selector: team=vision,stage!=test.")
@click.option("--archived", is_flag=True, help="Those that are archived, instead.")
@json_option
@data_dir_option
@click.pass_context
def list_jobs(
    ctx: click.Context, states: tuple[str, ...], text: str, selector: str, archived: bool, as_json: bool
) -> None:
    """List jobs, newest first.

    \b
    Examples:
      lepton job list
      lepton job list --state queue --label team=vision
    """
    found = list(cloud_of(ctx).jobs.list(text=text, selector=selector, states=states, archived=archived))
    if as_json:
        print_json([job.details.model_dump(mode="json") for job in found])
        return
    rows = [
        {
            "job": job.id,
            "state": job.state,
            "workers": _workers(job),
            "why": job.message,
            "made": _when(job.details.metadata.created_at),
        }
        for job in found
    ]
    print_table(rows, ["job", "state", "workers", "why", "made"])


@command.command("show")
@click.argument("job")
@json_option
@data_dir_option
@click.pass_context
def show(ctx: click.Context, job: str, as_json: bool) -> None:
    """Show one job with its workers, by its id, or by its name for the newest.

    \b
    Example:
      lepton job show train
    """
    found = cloud_of(ctx).jobs.get(job)
    workers = found.workers()
    details = found.details
    if as_json:
        listed = [worker.model_dump(mode="json") for worker in workers]
        print_json({**details.model_dump(mode="json"), "replicas": listed})
        return
    command_words = (details.spec.get("container") or {}).get("command") or []
    print_fields(
        {
            "job": found.id,
            "name": found.name,
            "state": found.state,
            "why": found.message,
            "command": " ".join(command_words),
            "workers": details.spec.get("completions", 1),
            "shape": details.spec.get("resource_shape"),
            "attempt": details.status.attempt,
            "labels": ", ".join(f"{key}={value}" for key, value in details.metadata.labels.items()),
            "made": f"{_when(details.metadata.created_at)} by {details.metadata.owner}",
            "ended": _when(details.status.completion_time) if details.status.completion_time else "",
        }
    )
    click.echo()
    rows = [
        {
            "worker": worker.status.index,
            "attempt": worker.status.attempt,
            "state": worker.status.state,
            "why": worker.status.message,
            "id": worker.id,
        }
        for worker in workers
    ]
    print_table(rows, ["worker", "attempt", "state", "why", "id"])


@command.command("logs")
@click.argument("job")
@click.option("-w", "--worker", metavar="RANK|ID", default="0", help="Which worker; by default the first.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what it prints until it ends.")
@data_dir_option
@click.pass_context
def logs(ctx: click.Context, job: str, worker: str, follow: bool) -> None:
    """Show what a worker of a job printed.

    \b
    Examples:
      lepton job logs train
      lepton job logs train --worker 1 --follow
    """
    which = int(worker) if worker.isascii() and worker.isdigit() else worker
    with cloud_of(ctx).jobs.get(job).logs(which, follow=follow) as chunks:
        print_chunks(chunks)


@command.command("events")
@click.argument("job")
@json_option
@data_dir_option
@click.pass_context
def events(ctx: click.Context, job: str, as_json: bool) -> None:
    """Show what happened to a job, oldest first.

    \b
    Example:
      lepton job events train
    """
    found = [event.model_dump(mode="json") for event in cloud_of(ctx).jobs.get(job).events()]
    print_events(found, as_json=as_json)


@command.command("wait")
@click.argument("job")
@click.option("--timeout", "timeout_s", type=click.FloatRange(0), help="Seconds to wait at most.")
@json_option
@data_dir_option
@click.pass_context
def wait(ctx: click.Context, job: str, timeout_s: float | None, as_json: bool) -> None:
    """Wait until a job has completed. Ends with 1 if it failed, with 5 if it is not over in time.

    \b
    Example:
      lepton job wait train --timeout 600
    """
    _tell(cloud_of(ctx).jobs.get(job).wait(timeout_s, told=say), as_json)


@command.command("stop")
@click.argument("job")
@json_option
@data_dir_option
@click.pass_context
def stop(ctx: click.Context, job: str, as_json: bool) -> None:
    """Stop a job. `lepton job start` starts it again.

    \b
    Example:
      lepton job stop train
    """
    _tell(cloud_of(ctx).jobs.get(job).stop(), as_json)


@command.command("start")
@click.argument("job")
@json_option
@data_dir_option
@click.pass_context
def start(ctx: click.Context, job: str, as_json: bool) -> None:
    """Start a job again that was stopped, from the beginning.

    \b
    Example:
      lepton job start train
    """
    _tell(cloud_of(ctx).jobs.get(job).start(), as_json)


@command.command("clone")
@click.argument("job")
@click.option("--name", help="What to call it; by default the old name with -clone.")
@json_option
@data_dir_option
@click.pass_context
def clone(ctx: click.Context, job: str, name: str | None, as_json: bool) -> None:
    """Run another job of the same spec.

    \b
    Example:
      lepton job clone train --name train-again
    """
    made = cloud_of(ctx).jobs.get(job).clone(name)
    _tell(made, as_json)
    if not as_json:
        click.echo(made.id)


@command.command("archive")
@click.argument("job")
@json_option
@data_dir_option
@click.pass_context
def archive(ctx: click.Context, job: str, as_json: bool) -> None:
    """Put a job aside that is over. Its record and logs are kept, its workers' folders go.

    \b
    Example:
      lepton job archive train
    """
    _tell(cloud_of(ctx).jobs.get(job).archive(), as_json)


@command.command("remove")
@click.argument("job")
@data_dir_option
@click.pass_context
def remove(ctx: click.Context, job: str) -> None:
    """Remove a job with its logs and its workers' folders, stopping it first.

    \b
    Example:
      lepton job remove train
    """
    found = cloud_of(ctx).jobs.get(job)
    found.remove()
    say(f"Job {found.id} is gone.")


def _follow(job: "Job") -> None:
    told = ""
    try:
        while not job.refresh().details.status.active and not job.is_over:
            if job.message != told:
                told = job.message
                say(f"Job {job.id} is {job.state}: {told}")
            time.sleep(0.2)
        if job.workers():
            with job.logs(0, follow=True) as chunks:
                print_chunks(chunks)
        job.wait(told=say)
    except KeyboardInterrupt:
        say(f"\nThe job goes on. Come back to it: lepton job logs {job.id} --follow\nStop it: lepton job stop {job.id}")
        raise
    _tell(job, as_json=False)


def _tell(job: "Job", as_json: bool) -> None:
    if as_json:
        print_json(job.details.model_dump(mode="json"))
    else:
        say(f"Job {job.id} is {job.state}: {job.message}")


def _workers(job: "Job") -> str:
    """How many of its workers run or have completed, of how many."""
    status = job.details.status
    return f"{status.ready + status.succeeded}/{job.details.spec.get('completions') or 1}"


def _pairs(option: str, said: tuple[str, ...], ctx: click.Context) -> dict[str, str]:
    pairs = {}
    for text in said:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{option} must be NAME=VALUE, got {text!r}", ctx)
        pairs[name] = value
    return pairs


def _seconds(text: str) -> float:
    from lepton_ai.platform.frameworks.adaptive.budget import seconds

    return seconds(text)


def _when(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")

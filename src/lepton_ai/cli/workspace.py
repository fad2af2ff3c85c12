"""`lepton workspace`: the workspaces of the server, their quotas, and what they have used."""

from typing import Any

import click

from lepton_ai.cli.cloud import cloud_of
from lepton_ai.cli.main import data_dir_option
from lepton_ai.cli.output import json_option, print_fields, print_json, print_table, say, when_text
from lepton_ai.core.errors import InvalidInput

_LIMITS = ("endpoints", "jobs", "replicas", "cpus", "storage_bytes")


@click.group("workspace")
def command() -> None:
    """Make, limit and show workspaces. Making them is for admins of the server: of the workspace `default`."""


@command.command("list")
@json_option
@data_dir_option
@click.pass_context
def list_workspaces(ctx: click.Context, as_json: bool) -> None:
    """List the workspaces that you look after.

    \b
    Example:
      lepton workspace list
    """
    found = cloud_of(ctx).workspaces.list()
    if as_json:
        print_json([workspace.model_dump(mode="json") for workspace in found])
        return
    rows = [
        {"name": workspace.id, "made": when_text(workspace.created_at), **_used_of(workspace)} for workspace in found
    ]
    print_table(rows, ["name", "made", *_LIMITS])


@command.command("create")
@click.argument("name")
@json_option
@data_dir_option
@click.pass_context
def create(ctx: click.Context, name: str, as_json: bool) -> None:
    """Make a workspace, and print the token of its first admin, which is shown this once.

    \b
    Example:
      lepton workspace create team
    """
    made = cloud_of(ctx).workspaces.create(name)
    if as_json:
        print_json(made.model_dump(mode="json"))
        return
    click.echo(made.token)
    say(f"Made workspace {name}. Keep its token: lepton login -c {name}:TOKEN -u ADDRESS")


@command.command("show")
@click.argument("name", required=False)
@json_option
@data_dir_option
@click.pass_context
def show(ctx: click.Context, name: str | None, as_json: bool) -> None:
    """Show what a workspace has, may have, and for your own what it used in the last 24 hours.

    \b
    Examples:
      lepton workspace show
      lepton workspace show team
    """
    cloud = cloud_of(ctx)
    own = cloud.ping().id
    found = cloud.workspaces.get(name or own)
    usage = cloud.workspaces.usage().total.model_dump(mode="json") if found.id == own else {}
    if as_json:
        print_json({**found.model_dump(mode="json"), "usage": usage})
        return
    spent = {label: f"{usage[label]:.1f}" for label in ("cpu_s", "replica_s", "worker_s") if usage}
    print_fields({"name": found.id, "made": when_text(found.created_at), **_used_of(found), **spent})


@command.command("quota")
@click.argument("name")
@click.option(
    "--limit",
    "limits",
    metavar="THING=NUMBER",
    multiple=True,
    help="How many of endpoints, jobs, replicas, cpus, storage_bytes; `none` for without limit. May be repeated.",
)
@json_option
@data_dir_option
@click.pass_context
def quota(ctx: click.Context, name: str, limits: tuple[str, ...], as_json: bool) -> None:
    """Show or change how much a workspace may have at once. What it has already stays.

    \b
    Examples:
      lepton workspace quota team
      lepton workspace quota team --limit endpoints=5 --limit storage_bytes=10000000000
    """
    given = dict(_limit(text) for text in limits)
    workspaces = cloud_of(ctx).workspaces
    found = workspaces.set_quota(name, **given) if given else workspaces.get(name)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    print_fields({"name": found.id, **_used_of(found)})


@command.command("reset-admin")
@click.argument("name")
@data_dir_option
@click.pass_context
def reset_admin(ctx: click.Context, name: str) -> None:
    """Replace a workspace's token `admin`, which was lost, and print the new one.

    \b
    Example:
      lepton workspace reset-admin team
    """
    click.echo(cloud_of(ctx).workspaces.reset_admin(name).token)
    say(f"The token admin of {name} is replaced. Keep this one: it is not shown again")


@command.command("remove")
@click.argument("name")
@data_dir_option
@click.pass_context
def remove(ctx: click.Context, name: str) -> None:
    """Remove a workspace that is empty. Its history stays, and so its name is not given again.

    \b
    Example:
      lepton workspace remove team
    """
    cloud_of(ctx).workspaces.remove(name)
    say(f"Removed workspace {name}")


def _used_of(workspace: Any) -> dict[str, str]:
    """What a workspace has, and behind a stroke what it may have."""
    limits = workspace.quota.model_dump()
    return {
        thing: f"{workspace.used[thing]:g}" + (f"/{limits[thing]:g}" if limits[thing] is not None else "")
        for thing in _LIMITS
    }


def _limit(text: str) -> tuple[str, float | None]:
    thing, _, number = text.partition("=")
    if thing not in _LIMITS:
        raise InvalidInput(f"`--limit` must be one of {', '.join(_LIMITS)} with a number, got {text[:60]!r}")
    if number == "none":
        return thing, None
    try:
        value = float(number) if thing == "cpus" else int(number)
    except ValueError:
        raise InvalidInput(f"`--limit {thing}` must be a number or none, got {number[:40]!r}") from None
    return thing, value

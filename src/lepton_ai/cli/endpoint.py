"""`lepton endpoint`: list, call, change and remove endpoints."""

import json
from typing import IO, TYPE_CHECKING, Any

import click

from lepton_ai.cli.cloud import cloud_of
from lepton_ai.cli.main import data_dir_option
from lepton_ai.cli.output import json_option, print_chunks, print_events, print_fields, print_json, print_table, say
from lepton_ai.cli.scaling import scaling_options
from lepton_ai.core.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from lepton_ai.sdk.endpoints import Prediction


_ANY_PORT = 8080
"""What is declared where nothing is said; a command that heeds PORT listens where it is told."""


@click.group("endpoint")
def command() -> None:
    """List, call, change and remove endpoints."""


@command.command("list")
@json_option
@data_dir_option
@click.pass_context
def list_endpoints(ctx: click.Context, as_json: bool) -> None:
    """List all endpoints.

    \b
    Example:
      lepton endpoint list
    """
    found = cloud_of(ctx).endpoints.list()
    if as_json:
        print_json([endpoint.details.model_dump(mode="json") for endpoint in found])
        return
    rows = [
        {
            "name": endpoint.name,
            "state": endpoint.state,
            "ready": f"{endpoint.details.status.ready_replicas}"
            f"/{endpoint.details.spec.resource_requirement.min_replicas}",
            "serves": endpoint.details.spec.source,
            "url": endpoint.url,
        }
        for endpoint in found
    ]
    print_table(rows, ["name", "state", "ready", "serves", "url"])


@command.command("create")
@click.argument("name")
@click.argument("argv", nargs=-1, required=True, metavar="-- COMMAND...")
@click.option("--port", type=click.IntRange(1, 65535), help="Where it listens if it does not heed PORT.")
@click.option("--env", "env", multiple=True, metavar="NAME=VALUE", help="A variable; may be repeated.")
@click.option("--secret", "secrets", multiple=True, metavar="NAME=SECRET", help="A variable that a secret holds.")
@click.option("--sticky", is_flag=True, help="One caller's requests meet one replica.")
@scaling_options
@click.option("--no-wait", is_flag=True, help="Return at once instead of when it is ready.")
@json_option
@data_dir_option
@click.pass_context
def create(
    ctx: click.Context,
    name: str,
    argv: tuple[str, ...],
    port: int | None,
    env: tuple[str, ...],
    secrets: tuple[str, ...],
    sticky: bool,
    min_replicas: int,
    max_replicas: int | None,
    idle_timeout_s: int | None,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Put a command behind an HTTP endpoint: any program that listens where the variable PORT says.

    `lepton deploy` does the same for a model.

    \b
    Examples:
      lepton endpoint create files -- sh -c 'python -m http.server $PORT'
      lepton endpoint create files --min-replicas 0 --max-replicas 1 -- sh -c 'python -m http.server $PORT'
    """
    endpoint = cloud_of(ctx).endpoints.create(
        name,
        command=argv,
        port=port or _ANY_PORT,
        env=_pairs(env, "--env"),
        secrets=_pairs(secrets, "--secret"),
        sticky=sticky,
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        idle_timeout_s=idle_timeout_s,
    )
    if min_replicas and not no_wait:
        endpoint.wait(told=say)
    _tell(endpoint, as_json)
    if not as_json:
        click.echo(endpoint.url)


@command.command("show")
@click.argument("name")
@json_option
@data_dir_option
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show one endpoint with its replicas.

    \b
    Example:
      lepton endpoint show digits
    """
    endpoint = cloud_of(ctx).endpoints.get(name)
    replicas = endpoint.replicas()
    details = endpoint.details
    if as_json:
        listed = [replica.model_dump(mode="json") for replica in replicas]
        print_json({**details.model_dump(mode="json"), "replicas": listed})
        return
    print_fields(
        {
            "name": name,
            "state": details.status.state,
            "why": details.status.message,
            "serves": details.spec.source,
            "replicas": f"{details.status.ready_replicas} of {details.spec.resource_requirement.min_replicas} ready",
            "address": endpoint.url,
        }
    )
    click.echo()
    rows = [
        {"replica": replica.id, "state": replica.status.state, "why": replica.status.message} for replica in replicas
    ]
    print_table(rows, ["replica", "state", "why"])


@command.command("predict")
@click.argument("name")
@click.argument("inputs", required=False)
@click.option("--file", "file", type=click.File("rb"), help="A JSON file with the rows, or `-` for standard input.")
@json_option
@data_dir_option
@click.pass_context
def predict(ctx: click.Context, name: str, inputs: str | None, file: IO[bytes] | None, as_json: bool) -> None:
    """Ask an endpoint for predictions. The rows are JSON: a list of rows, or {"inputs": [...]}.

    \b
    Examples:
      lepton endpoint predict iris '[[5.1, 3.5, 1.4, 0.2]]'
      lepton endpoint predict digits --file images.json --json
    """
    if (inputs is None) == (file is None):
        raise click.UsageError("give the rows as INPUTS or as --file, one of the two", ctx)
    text = inputs if inputs is not None else (file.read() if file else "")
    try:
        rows: Any = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"the rows must be JSON: {error}", hint="For example: '[[5.1, 3.5, 1.4, 0.2]]'") from error
    if isinstance(rows, dict) and set(rows) == {"inputs"}:
        rows = rows["inputs"]
    prediction = cloud_of(ctx).endpoints.get(name).predict(rows)
    if as_json:
        intervals = {} if prediction.intervals is None else {"intervals": prediction.intervals.tolist()}
        named = {"model": prediction.model, "version": prediction.version}
        print_json({"outputs": prediction.outputs, **intervals, **named})
        return
    rows, columns = _table(prediction)
    print_table(rows, columns)


@command.command("logs")
@click.argument("name")
@click.option("--replica", metavar="ID", help="Which replica; by default the newest.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what it prints from now on.")
@data_dir_option
@click.pass_context
def logs(ctx: click.Context, name: str, replica: str | None, follow: bool) -> None:
    """Show what a replica printed, also one that ended.

    \b
    Examples:
      lepton endpoint logs digits
      lepton endpoint logs digits --follow
    """
    endpoint = cloud_of(ctx).endpoints.get(name)
    replicas = endpoint.replicas()
    if not replicas:
        raise NotFound(f"endpoint {name!r} has had no replica yet")
    with endpoint.logs(replica or replicas[-1].id, follow=follow) as chunks:
        print_chunks(chunks)


@command.command("events")
@click.argument("name")
@json_option
@data_dir_option
@click.pass_context
def events(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show what happened to an endpoint, oldest first.

    \b
    Example:
      lepton endpoint events digits
    """
    found = [event.model_dump(mode="json") for event in cloud_of(ctx).endpoints.get(name).events()]
    print_events(found, as_json=as_json)


@command.command("update")
@click.argument("name")
@click.option("--model", metavar="MODEL[:VERSION|@ALIAS]", help="Another version to roll out.")
@click.option("--min-replicas", type=click.IntRange(0, 64), help="How many replicas run.")
@click.option("--timeout", "timeout_s", type=click.IntRange(1, 3600), help="Seconds for one answer.")
@click.option("--no-wait", is_flag=True, help="Return at once instead of when it is ready.")
@json_option
@data_dir_option
@click.pass_context
def update(
    ctx: click.Context,
    name: str,
    model: str | None,
    min_replicas: int | None,
    timeout_s: int | None,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Change an endpoint without a failed request.

    \b
    Examples:
      lepton endpoint update digits --model digits:2
      lepton endpoint update digits --min-replicas 3
    """
    endpoint = cloud_of(ctx).endpoints.get(name)
    endpoint.update(model=model, min_replicas=min_replicas, timeout_s=timeout_s)
    if not no_wait and endpoint.details.spec.resource_requirement.min_replicas:
        endpoint.wait(told=say)
    _tell(endpoint, as_json)


@command.command("stop")
@click.argument("name")
@json_option
@data_dir_option
@click.pass_context
def stop(ctx: click.Context, name: str, as_json: bool) -> None:
    """Stop an endpoint: no replica runs. `lepton endpoint update NAME --min-replicas N` starts it again.

    \b
    Example:
      lepton endpoint stop digits
    """
    _tell(cloud_of(ctx).endpoints.get(name).stop(), as_json)


@command.command("approve")
@click.argument("name")
@json_option
@data_dir_option
@click.pass_context
def approve(ctx: click.Context, name: str, as_json: bool) -> None:
    """Let the new replicas of a rollout serve, where the endpoint asks for approval.

    \b
    Example:
      lepton endpoint approve digits
    """
    _tell(cloud_of(ctx).endpoints.get(name).approve(), as_json)


@command.command("restart")
@click.argument("name")
@json_option
@data_dir_option
@click.pass_context
def restart(ctx: click.Context, name: str, as_json: bool) -> None:
    """Replace every replica by a fresh one, without a failed request.

    \b
    Example:
      lepton endpoint restart digits
    """
    _tell(cloud_of(ctx).endpoints.get(name).restart(), as_json)


@command.command("remove")
@click.argument("name")
@data_dir_option
@click.pass_context
def remove(ctx: click.Context, name: str) -> None:
    """Remove an endpoint once its replicas have finished their requests.

    \b
    Example:
      lepton endpoint remove digits
    """
    cloud_of(ctx).endpoints.get(name).remove()
    say(f"Endpoint {name} is gone.")


def _pairs(said: tuple[str, ...], option: str) -> dict[str, str]:
    pairs = {}
    for each in said:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise InvalidInput(f"`{option}` must be NAME=VALUE, got {each[:80]!r}")
        pairs[name] = value
    return pairs


def _tell(endpoint: Any, as_json: bool) -> None:
    if as_json:
        print_json(endpoint.details.model_dump(mode="json"))
    else:
        say(f"Endpoint {endpoint.name} is {endpoint.state}: {endpoint.details.status.message}")


def _table(prediction: "Prediction") -> tuple[list[dict[str, Any]], list[str]]:
    """A line for each answer, and what stands in it; what the model promises stands at its end."""
    if prediction.outputs and isinstance(prediction.outputs[0], dict):
        rows = [
            {"row": index, "label": row["label"], "probability": f"{row['probability']:.4f}"}
            for index, row in enumerate(prediction.outputs)
        ]
        for row, labels in zip(rows, prediction.label_sets or (), strict=False):
            row["labels"] = ", ".join(map(str, labels))
        return rows, ["row", "label", "probability", *(["labels"] if prediction.label_sets else [])]
    rows = [{"row": index, "value": row} for index, row in enumerate(prediction.outputs)]
    if prediction.intervals is None:
        return rows, ["row", "value"]
    for row, (low, high) in zip(rows, prediction.intervals.tolist(), strict=True):
        row |= {"low": low, "high": high}
    return rows, ["row", "value", "low", "high"]

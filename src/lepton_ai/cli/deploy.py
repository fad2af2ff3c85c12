"""`lepton deploy`: put a model behind an HTTP endpoint."""

import click

from lepton_ai.cli.cloud import cloud_of
from lepton_ai.cli.main import data_dir_option
from lepton_ai.cli.output import json_option, print_json, say
from lepton_ai.cli.scaling import scaling_options


@click.command("deploy")
@click.argument("model", metavar="MODEL[:VERSION|@ALIAS]")
@click.option("--name", metavar="NAME", help="The endpoint's name; by default the model's.")
@scaling_options
@click.option("--timeout", "timeout_s", type=click.IntRange(1, 3600), default=300, help="Seconds for one answer.")
@click.option("--no-wait", is_flag=True, help="Return at once instead of when it is ready.")
@json_option
@data_dir_option
@click.pass_context
def command(
    ctx: click.Context,
    model: str,
    name: str | None,
    min_replicas: int,
    max_replicas: int | None,
    idle_timeout_s: int | None,
    timeout_s: int,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Put a model version behind an HTTP endpoint, by default the champion.

    \b
    Examples:
      lepton deploy digits
      lepton deploy digits@champion --name digits-live --min-replicas 2
      lepton deploy digits:3 --name digits-3 --no-wait
      lepton deploy digits --min-replicas 0 --max-replicas 4 --idle-timeout 600
    """
    cloud = cloud_of(ctx)
    endpoint = cloud.deploy(
        model,
        name=name,
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        idle_timeout_s=idle_timeout_s,
        timeout_s=timeout_s,
        wait=not no_wait and min_replicas > 0,
        told=say,
    )
    if as_json:
        print_json(endpoint.details.model_dump(mode="json"))
        return
    say(f"Endpoint {endpoint.name} is {endpoint.state}: {endpoint.details.status.message}")
    click.echo(endpoint.url)
    say(
        f"Ask it: lepton endpoint predict {endpoint.name} '[[…]]', or POST {{\"inputs\": […]}} to {endpoint.url}predict"
    )

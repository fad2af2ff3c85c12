"""`lepton status`: what runs, and how it is."""

import click

from lepton_ai.cli.cloud import cloud_of
from lepton_ai.cli.main import data_dir_option
from lepton_ai.cli.output import json_option, print_fields, print_json, print_table


@click.command("status")
@json_option
@data_dir_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show what runs and how it is: the gateway in use, the addresses, and each endpoint.

    \b
    Examples:
      lepton status
      lepton status --json
    """
    cloud = cloud_of(ctx)
    status = cloud.status()
    endpoints = [
        {
            "endpoint": endpoint.name,
            "state": endpoint.state,
            "replicas": f"{endpoint.details.status.ready_replicas}"
            f"/{endpoint.details.spec.resource_requirement.min_replicas}",
            "serves": endpoint.details.spec.source,
            "why": endpoint.details.status.message,
        }
        for endpoint in cloud.endpoints.list()
    ]
    if as_json:
        print_json({**status.model_dump(), "endpoint_list": endpoints})
        return
    print_fields(
        {
            "version": status.version,
            "workspace": status.workspace,
            "API": status.api_url,
            "endpoints": status.endpoints_url,
            "gateway": f"{status.gateway.driver} ({status.gateway.why})"
            + ("" if status.gateway.ready else ", not ready"),
            "executor": status.executor,
            "isolation": status.isolation,
            "models": status.models,
            "training": f"{status.runs} run{'s' if status.runs != 1 else ''}" if status.runs else "",
            "jobs": f"{status.jobs} running" if status.jobs else "",
        }
    )
    if endpoints:
        click.echo()
        print_table(endpoints, ["endpoint", "state", "replicas", "serves", "why"])

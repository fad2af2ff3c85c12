"""`lepton node`: the machines that workers run on, and the shapes that workers have."""

import click

from lepton_ai.cli.cloud import cloud_of
from lepton_ai.cli.main import data_dir_option
from lepton_ai.cli.output import json_option, print_json, print_table

_GIB = 1 << 30


@click.group("node")
def command() -> None:
    """List machines and resource shapes."""


@command.command("list")
@json_option
@data_dir_option
@click.pass_context
def list_nodes(ctx: click.Context, as_json: bool) -> None:
    """List the machines, with how much of each is asked for.

    \b
    Example:
      lepton node list
    """
    found = cloud_of(ctx).nodes.list()
    if as_json:
        print_json([node.model_dump(mode="json") for node in found])
        return
    rows = []
    for node in found:
        has = node.spec.resource
        rows.append(
            {
                "node": node.metadata.name,
                "state": ", ".join(node.status.status),
                "cpus": f"{has.cpu.allocated:g} of {has.cpu.total:g}",
                "memory": f"{has.memory.allocated / _GIB:.1f} of {has.memory.total / _GIB:.1f} GiB",
                "disk": f"{has.disk.used_bytes / _GIB:.0f} of {has.disk.total_bytes / _GIB:.0f} GiB",
                "workloads": len(node.status.workloads),
            }
        )
    print_table(rows, ["node", "state", "cpus", "memory", "disk", "workloads"])


@command.command("shapes")
@json_option
@data_dir_option
@click.pass_context
def list_shapes(ctx: click.Context, as_json: bool) -> None:
    """List the resource shapes. Any other name counts as cpu.small.

    \b
    Example:
      lepton node shapes
    """
    found = cloud_of(ctx).nodes.shapes()
    if as_json:
        print_json([shape.model_dump(mode="json") for shape in found])
        return
    rows = [
        {"shape": each.spec.name, "cpus": each.spec.cpu, "memory": f"{each.spec.memory_in_mb / 1024:g} GiB"}
        for each in found
    ]
    print_table(rows, ["shape", "cpus", "memory"])

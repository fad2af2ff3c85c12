"""`lepton whoami`: which cloud and workspace commands speak to."""

import click

from lepton_ai.cli.cloud import cloud_of
from lepton_ai.cli.main import data_dir_option
from lepton_ai.cli.output import json_option, print_fields, print_json


@click.command("whoami")
@json_option
@data_dir_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show which cloud and workspace commands speak to, and by which token.

    \b
    Example:
      lepton whoami
    """
    cloud = cloud_of(ctx)
    found = cloud.ping()
    shown = {
        "workspace": found.id,
        "token": found.token,
        "role": found.role,
        "address": cloud.address.url,
        "found_in": cloud.address.source,
    }
    if as_json:
        print_json(shown)
    else:
        print_fields(shown)

"""`lepton config`: every setting and where it comes from."""

from dataclasses import fields

import click

from lepton_ai.cli.main import data_dir_option, settings_and_origins_of
from lepton_ai.cli.output import json_option, print_json, print_table


@click.command("config")
@json_option
@data_dir_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show every setting with its value and where it comes from: flag, environment, file, or default.

    \b
    Examples:
      lepton config
      LEPTON_PORT=9000 lepton config --json
    """
    settings, origins = settings_and_origins_of(ctx)
    rows = []
    for spec in fields(settings):
        value = getattr(settings, spec.name)
        if spec.metadata["secret"] and value:
            value = "(set)"
        rows.append(
            {
                "setting": spec.name,
                "value": ", ".join(value) if isinstance(value, tuple) else str(value),
                "source": origins[spec.name].kind,
                "where": origins[spec.name].detail,
                "variable": spec.metadata["env"],
                "meaning": spec.metadata["help"],
            }
        )
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["setting", "value", "source", "where", "variable"])

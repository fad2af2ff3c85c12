"""`lepton doctor`: check this machine, and say what to repair."""

import click

from lepton_ai.cli.main import data_dir_option, settings_of
from lepton_ai.cli.output import json_option, print_json, print_table, say


@click.command("doctor")
@json_option
@data_dir_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Check this machine, and say what to repair. Ends with 1 if there is anything.

    \b
    Example:
      lepton doctor
    """
    from lepton_ai.sdk.doctor import examine

    findings = examine(settings_of(ctx))
    rows = [{"check": f.check, "state": f.state, "found": f.found, "remedy": f.remedy} for f in findings]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["check", "state", "found", "remedy"])
    broken = [finding for finding in findings if finding.state == "broken"]
    if broken:
        say(f"{len(broken)} to repair.")
        ctx.exit(1)

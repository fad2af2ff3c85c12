"""`lepton down`: stop the cloud on this machine."""

import click

from lepton_ai.cli.main import data_dir_option, settings_of
from lepton_ai.cli.output import say


@click.command("down")
@click.option("--keep-workloads", is_flag=True, help="Leave gateway and replicas running; the next `up` adopts them.")
@data_dir_option
@click.pass_context
def command(ctx: click.Context, keep_workloads: bool) -> None:
    """Stop the cloud on this machine with all that it started, also what a killed server left behind.

    \b
    Examples:
      lepton down
      lepton down --keep-workloads
    """
    from lepton_ai.sdk.local import stop_server

    settings = settings_of(ctx)
    if stop_server(settings, keep_workloads=keep_workloads):
        say("Stopped; gateway and replicas run on." if keep_workloads else "Stopped.")
    else:
        say(f"Nothing runs in {settings.data_dir}.")

"""`lepton up`: start the cloud on this machine."""

import os
import sys

import click

from lepton_ai.cli.main import data_dir_option, settings_of
from lepton_ai.cli.output import json_option, print_json, say


@click.command("up")
@click.option("--host", metavar="ADDRESS", help="The address to listen on, by default 127.0.0.1.")
@click.option("--port", metavar="N", help="The API's port, by default 8421. Endpoints answer on the next one.")
@click.option("--gateway", metavar="NAME", help="envoy, python_proxy, or auto.")
@click.option("--detach", is_flag=True, help="Return once it is ready; `lepton down` stops it.")
@json_option
@data_dir_option
@click.pass_context
def command(
    ctx: click.Context, host: str | None, port: str | None, gateway: str | None, detach: bool, as_json: bool
) -> None:
    """Start the cloud on this machine.

    Makes the data folder with a workspace `default` and an admin token on the first start, and runs until Ctrl-C.

    \b
    Examples:
      lepton up
      lepton up --detach
      lepton up --port 9000 --data-dir ./cloud
    """
    from lepton_ai.sdk.local import check_none_runs, server_command, start_server

    settings = settings_of(ctx, host=host, port=port, gateway=gateway)
    if not detach:
        check_none_runs(settings.data_dir)
        # This process becomes the server: whoever started it can signal it, and nothing stands between.
        argv = [*server_command(settings), "--foreground"]
        sys.stdout.flush()
        os.execv(argv[0], argv)  # noqa: S606
    server = start_server(settings)
    if as_json:
        print_json({"pid": server.pid, "api_url": server.api_url, "endpoints_url": server.endpoints_url})
    else:
        say(server.welcome + "\n`lepton down` stops it.")

"""`lepton login`: remember a cloud on another machine."""

import os

import click

from lepton_ai.cli.output import say
from lepton_ai.core.errors import InvalidInput


@click.command("login")
@click.option("-c", "--credentials", metavar="WORKSPACE:TOKEN", help="Both; asked for if left out.")
@click.option("-u", "--url", metavar="URL", help="The workspace's address.", required=True)
def command(credentials: str | None, url: str) -> None:
    """Remember a cloud and its token for the commands to come. They are checked first.

    \b
    Examples:
      lepton login -u http://10.0.0.5:8421/api/v2/workspaces/default
      lepton login -c default:TOKEN -u http://127.0.0.1:8421/api/v2/workspaces/default
    """
    from lepton_ai.sdk.cloud import Cloud
    from lepton_ai.sdk.credentials import Address, store

    if credentials is None:
        credentials = f"{click.prompt('Workspace', default='default')}:{click.prompt('Token', hide_input=True)}"
    workspace_id, colon, token = credentials.partition(":")
    if not (workspace_id and colon and token):
        raise InvalidInput("`--credentials` must be WORKSPACE:TOKEN", hint="For example: -c default:lep_…")
    if not url.startswith(("http://", "https://")):
        raise InvalidInput(f"`--url` must begin with http:// or https://, got {url!r}")
    if "/workspaces/" not in url:  # the server's address alone will do
        url = f"{url.rstrip('/')}/api/v2/workspaces/{workspace_id}"
    with Cloud(url, token) as cloud:
        found = cloud.ping()
    if found.id != workspace_id:
        raise InvalidInput(f"that address is workspace {found.id!r}, not {workspace_id!r}")
    path = store(Address(workspace_id, url, token, "login"), os.environ)
    say(f"Logged in to workspace {found.display_name} as {found.token}; kept in {path}")

"""`lepton logout`: forget the cloud that was logged in to."""

import os

import click

from lepton_ai.cli.output import say


@click.command("logout")
def command() -> None:
    """Forget the stored login. Commands then speak to the cloud on this machine.

    \b
    Example:
      lepton logout
    """
    from lepton_ai.sdk.credentials import forget

    say("Logged out." if forget(os.environ) else "There was no stored login.")

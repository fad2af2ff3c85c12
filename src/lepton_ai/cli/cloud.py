"""How commands reach the cloud."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lepton_ai.sdk.cloud import Cloud


def cloud_of(ctx: click.Context) -> "Cloud":
    """The cloud that a command speaks to. `--data-dir` means the one of that folder, whatever was logged in to."""
    from lepton_ai.sdk.cloud import Cloud

    return ctx.with_resource(Cloud(data_dir=(ctx.find_root().obj or {}).get("data_dir")))

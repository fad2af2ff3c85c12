"""The options of how many replicas an endpoint has, for every command that makes one."""

from collections.abc import Callable
from typing import Any

import click


def scaling_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--min-replicas`, `--max-replicas` and `--idle-timeout`."""
    options = (
        click.option(
            "--min-replicas",
            type=click.IntRange(0, 64),
            default=1,
            help="How many replicas run at least. 0 with --max-replicas sleeps until a request comes.",
        ),
        click.option(
            "--max-replicas", type=click.IntRange(1, 64), help="How many run at most, as its traffic asks for."
        ),
        click.option(
            "--idle-timeout",
            "idle_timeout_s",
            type=click.IntRange(1, 10**7),
            metavar="SECONDS",
            help="Sleep after so long without a request; the next request wakes it.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command

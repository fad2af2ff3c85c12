"""`lepton queue`: queues of messages."""

import click

from lepton_ai.cli.cloud import cloud_of
from lepton_ai.cli.main import data_dir_option
from lepton_ai.cli.output import json_option, print_json, print_table, print_text, say, when_text


@click.group()
def command() -> None:
    """Pass messages on: first in, first out.

    \b
    Examples:
      lepton queue create letters
      lepton queue send letters "hello"
      lepton queue receive letters
    """


@command.command("create")
@click.argument("queue")
@data_dir_option
@click.pass_context
def create(ctx: click.Context, queue: str) -> None:
    """Make the queue QUEUE.

    \b
    Example:
      lepton queue create letters
    """
    cloud_of(ctx).queues.create(queue)
    say(f"Made {queue}")


@command.command("list")
@json_option
@data_dir_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List the queues by name.

    \b
    Example:
      lepton queue list
    """
    found = [(queue.details, queue.length()) for queue in cloud_of(ctx).queues.list()]
    if as_json:
        print_json([item.model_dump() | {"length": length} for item, length in found])
        return
    rows = [
        {"name": item.name, "waiting": length, "made": when_text(item.created_at), "owner": item.owner}
        for item, length in found
    ]
    print_table(rows, ["name", "waiting", "made", "owner"])


@command.command("remove")
@click.argument("queue")
@data_dir_option
@click.pass_context
def remove(ctx: click.Context, queue: str) -> None:
    """Remove the queue QUEUE with the messages in it.

    \b
    Example:
      lepton queue remove letters
    """
    cloud_of(ctx).queues.remove(queue)
    say(f"Removed {queue}")


@command.command("send")
@click.argument("queue")
@click.argument("message")
@data_dir_option
@click.pass_context
def send(ctx: click.Context, queue: str, message: str) -> None:
    """Put MESSAGE at the end of QUEUE.

    \b
    Example:
      lepton queue send letters "hello"
    """
    cloud_of(ctx).queues.get(queue).send(message)
    say("Sent")


@command.command("receive")
@click.argument("queue")
@data_dir_option
@click.pass_context
def receive(ctx: click.Context, queue: str) -> None:
    """Take the oldest message from QUEUE and print it. Prints nothing where none waits.

    \b
    Example:
      lepton queue receive letters
    """
    message = cloud_of(ctx).queues.get(queue).receive()
    if message is None:
        say(f"{queue} is empty")
    else:
        print_text(message.text)


@command.command("length")
@click.argument("queue")
@json_option
@data_dir_option
@click.pass_context
def length(ctx: click.Context, queue: str, as_json: bool) -> None:
    """Print how many messages wait in QUEUE.

    \b
    Example:
      lepton queue length letters
    """
    waiting = cloud_of(ctx).queues.get(queue).length()
    if as_json:
        print_json({"length": waiting})
    else:
        print_text(str(waiting))

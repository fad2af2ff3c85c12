"""`lepton`: the table of commands, each loaded when it is used, and the one door through which errors leave."""

import difflib
import os
import select
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from lepton_ai import __version__
from lepton_ai.cli.output import say, say_error
from lepton_ai.core.errors import InternalError, LeptonError, MissingPackage, NotSupported

if TYPE_CHECKING:
    from lepton_ai.core.settings import Origin, Settings

# name -> the module that holds it as `command`, and its line in `lepton --help`, which loads none of them
COMMANDS = {
    "up": ("lepton_ai.cli.up", "Start the cloud on this machine."),
    "down": ("lepton_ai.cli.down", "Stop the cloud on this machine."),
    "status": ("lepton_ai.cli.status", "Show what runs and how it is."),
    "doctor": ("lepton_ai.cli.doctor", "Check this machine and say what to repair."),
    "config": ("lepton_ai.cli.config", "Show every setting and where it comes from."),
    "login": ("lepton_ai.cli.login", "Remember a cloud on another machine."),
    "logout": ("lepton_ai.cli.logout", "Forget it again."),
    "whoami": ("lepton_ai.cli.whoami", "Show which cloud and workspace commands speak to."),
    "workspace": ("lepton_ai.cli.workspace", "Make, limit and show workspaces."),
    "token": ("lepton_ai.cli.token", "Make, list and revoke tokens."),
    "secret": ("lepton_ai.cli.secret", "Make, list and remove secrets."),
    "audit": ("lepton_ai.cli.audit", "Show what was changed, and by whom."),
    "run": ("lepton_ai.cli.run", "Run a script with the data sets in reach."),
    "data": ("lepton_ai.cli.data", "Add, list and show data sets."),
    "train": ("lepton_ai.cli.train", "Train a model from a table, as a run of the cloud."),
    "model": ("lepton_ai.cli.model", "Register, list and show models."),
    "deploy": ("lepton_ai.cli.deploy", "Put a model behind an HTTP endpoint."),
    "job": ("lepton_ai.cli.job", "Run commands in the cloud, on one worker or several at once."),
    "endpoint": ("lepton_ai.cli.endpoint", "List, call and stop endpoints."),
    "photon": ("lepton_ai.cli.photon", "Push, list and fetch photons."),
    "storage": ("lepton_ai.cli.storage", "Keep files in volumes."),
    "bucket": ("lepton_ai.cli.bucket", "Keep objects, and hand out addresses for them."),
    "kv": ("lepton_ai.cli.kv", "Keep small values under keys."),
    "queue": ("lepton_ai.cli.queue", "Pass messages on."),
    "gc": ("lepton_ai.cli.gc", "Remove files that nobody needs any more."),
    "node": ("lepton_ai.cli.node", "List machines and resource shapes."),
}


def _keep_data_dir(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    # The global option and the command's own are one; the later word counts.
    if value is not None:
        ctx.find_root().obj = {"data_dir": value}


data_dir_option = click.option(
    "--data-dir",
    metavar="FOLDER",
    expose_value=False,
    callback=_keep_data_dir,
    help="The folder with the database, artifacts, data sets and logs, by default ~/.lepton.",
)
"""`--data-dir` for a command, where it means what it means before the command. `settings_of` takes it into account."""


class _PipeBroken(Exception):
    pass


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        return _load(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=3)
            meant = f" Did you mean {' or '.join(f'`lepton {name}`' for name in near)}?" if near else ""
            raise click.UsageError(f"there is no command `{args[0]}`.{meant}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            # Click ends with 0 on any broken pipe, also one to a server; we look which one it was.
            raise _PipeBroken from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["--help"], "max_content_width": 100},
    epilog="Try `lepton run SCRIPT` with a training script, or `lepton up` to start a cloud of your own.",
)
@data_dir_option
@click.version_option(__version__, message="lepton %(version)s")
def lepton() -> None:
    """An AI cloud that you own: from a script or a table to a model that answers over HTTP."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `lepton` with these words and return its exit code.

    0 is ok, 1 failed, 2 usage, 3 not found, 4 denied, 5 time-out, 130 Ctrl-C. Errors are told on stderr as `error:` and
    `hint:`, never as a traceback; `LEPTON_DEBUG=1` shows that too.
    """
    try:
        words = None if arguments is None else list(arguments)
        code = lepton.main(args=words, prog_name="lepton", standalone_mode=False)
        sys.stdout.flush()
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - the one door: nothing passes it as a traceback
        if os.environ.get("LEPTON_DEBUG"):
            traceback.print_exc()
        return _tell(error)
    return code if isinstance(code, int) else 0


def settings_of(ctx: click.Context, **flags: Any) -> "Settings":
    """The settings for a command: its own flags and the global ones, the environment, the file, the defaults.

    Args:
        ctx: The context of the command.
        flags: The command's own options by setting name, such as `port`; None counts as not given.
    """
    return settings_and_origins_of(ctx, **flags)[0]


def settings_and_origins_of(ctx: click.Context, **flags: Any) -> "tuple[Settings, dict[str, Origin]]":
    """The settings for a command, and where each comes from."""
    from lepton_ai.core.settings import load_settings

    given = {name: value for name, value in flags.items() if value is not None}
    return load_settings({**(ctx.find_root().obj or {}), **given})


def _load(name: str) -> click.Command:
    module_name = COMMANDS[name][0]
    try:
        command = import_module(module_name).command
    except ModuleNotFoundError as error:
        if error.name == module_name:
            raise NotSupported(f"`lepton {name}` is not part of this installation") from error
        raise MissingPackage(
            f"`lepton {name}` needs the package {error.name}, which is not installed",
            hint="Install lepton-ai again with all that it needs: pip install --force-reinstall lepton-ai",
        ) from error
    assert isinstance(command, click.Command)
    return command


def _tell(error: BaseException) -> int:
    """Tell the user what happened, in one line and a hint, and return the exit code."""
    if isinstance(error, _PipeBroken | BrokenPipeError):
        if not _reader_has_gone():
            say_error("a connection was closed by the other side", "Try again.")
            return 1
        # As in `lepton data list | head -1`. Nothing may be written any more, at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return 130
    if isinstance(error, LeptonError):
        traced = f" (request {error.request_id})" if isinstance(error, InternalError) and error.request_id else ""
        say_error(f"{error.message}{traced}", error.hint)
        return error.exit_code
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        say(error.format_message())
        return error.exit_code
    if isinstance(error, click.UsageError):
        say_error(
            error.format_message(), f"`{error.ctx.command_path if error.ctx else 'lepton'} --help` shows the usage."
        )
        return error.exit_code
    if isinstance(error, click.ClickException):
        say_error(error.format_message())
        return error.exit_code
    if isinstance(error, OSError) and error.strerror:
        say_error(f"{error.strerror}: {error.filename}" if error.filename else error.strerror)
        return 1
    say_error(
        f"an internal fault: {type(error).__name__}: {error}",
        "Set LEPTON_DEBUG=1 to see the traceback, and please report it.",
    )
    return 1


def _reader_has_gone() -> bool:
    """Whether stdout is a pipe that nobody reads any more."""
    poller = select.poll()
    poller.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poller.poll(0))


if __name__ == "__main__":
    sys.exit(main())

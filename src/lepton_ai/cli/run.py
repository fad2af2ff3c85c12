"""`lepton run`: a script on this machine, with the data sets in reach; `--push` registers the model it leaves."""

import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import click

from lepton_ai.cli.main import data_dir_option, settings_and_origins_of
from lepton_ai.cli.output import say
from lepton_ai.core.clock import SystemClock
from lepton_ai.core.names import check_name
from lepton_ai.infrastructure.storage.datasets import open_catalogue
from lepton_ai.platform.model_management.training.handover import push_model
from lepton_ai.platform.model_management.training.script import run_script
from lepton_ai.platform.preprocessing.data_mirror import DataMirror


class _ScriptCommand(click.Command):
    """Takes our options wherever they stand, and leaves every other word after SCRIPT to the script."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, sort_words(args, {"--push", "--data-dir"}))


@click.command(cls=_ScriptCommand)
@click.option("--push", metavar="NAME", help="Register the one Model that the script leaves as a version of NAME.")
@data_dir_option
@click.argument("script", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(ctx: click.Context, script: Path, arguments: tuple[str, ...], push: str | None) -> None:
    """Run SCRIPT as `python SCRIPT` would, with the data sets in reach.

    `keras.datasets` and `tf.keras.datasets` read local copies where there are any, so that a script trains without a
    network; without a copy they do what they always do. No running cloud is needed, except for --push.

    Words after SCRIPT go to the script; after `--` even those that are options of this command.

    \b
    Examples:
      lepton run train.py
      lepton run train.py --epochs 3
      lepton run train.py --push digits
    """
    settings, origins = settings_and_origins_of(ctx)
    if origins["data_dir"].kind == "flag":
        # `Cloud()` in the script, and the push below, mean the cloud that this command was told to use.
        os.environ["LEPTON_DATA_DIR"] = str(settings.data_dir)
    if push is not None:
        # Before the script: hours of training should not end at a bad name, or a cloud that was never there.
        check_name("model", push)
        _check_cloud()
    mirror = DataMirror(open_catalogue(settings).find_file, on_use=lambda copy: say(f"Data set from {copy}"))
    result = run_script(script, arguments, is_model=_is_model, around=mirror)
    if result.message:
        sys.stderr.write(result.message)
    if push and result.exit_code == 0:
        version = push_model(
            result.models,
            push,
            rescue_folder=settings.data_dir / "rescued",
            clock=SystemClock(),
            say=say,
        )
        say(f"Registered {version}")
    elif push:
        say("Nothing was pushed, because the script did not end well.")
    ctx.exit(result.exit_code)


def sort_words(words: Sequence[str], options: Collection[str]) -> list[str]:
    """Put our options first and, after `--`, the script and the words that are its own.

    Args:
        words: The words as they were typed.
        options: Our options that take a value, which may stand anywhere before a `--`.

    Example:

        >>> sort_words(["train.py", "--epochs", "3", "--push", "digits", "--help"], {"--push"})
        ['--push', 'digits', '--', 'train.py', '--epochs', '3', '--help']
        >>> sort_words(["train.py", "--", "--push", "x"], {"--push"})
        ['--', 'train.py', '--push', 'x']
        >>> sort_words(["--help"], {"--push"})
        ['--help']
    """
    ours: list[str] = []
    script: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in options:
            ours += [word, *rest[:1]]
            del rest[:1]
        elif word.partition("=")[0] in options or (not script and word.startswith("-") and word != "--"):
            ours.append(word)
        elif word == "--":
            script += rest
            break
        else:
            script.append(word)
    return [*ours, "--", *script] if script else ours


def _check_cloud() -> None:
    from lepton_ai.sdk.cloud import Cloud

    with Cloud() as cloud:
        cloud.ping()


def _is_model(value: object) -> bool:
    # A script that never used `Model` has not loaded it, nor TensorFlow, and we do not either.
    module = sys.modules.get("lepton_ai.sdk.model")
    return module is not None and isinstance(value, module.Model)

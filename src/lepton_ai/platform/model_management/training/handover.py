"""Handing over the one model that a script left behind, and keeping it on disk when that fails."""

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lepton_ai.core.clock import Clock
from lepton_ai.core.errors import Conflict, InvalidInput
from lepton_ai.platform.model_management.training.script import LeftModel


def push_model(
    models: Sequence[LeftModel], name: str, *, rescue_folder: Path, clock: Clock, say: Callable[[str], None]
) -> Any:
    """Register the one model as a version of `name`.

    Whatever goes wrong, what was trained is not lost: each model is saved to the rescue folder before the error goes
    on its way.

    Args:
        models: What the script left behind.
        name: The name to register it under.
        rescue_folder: Where models go that could not be registered.
        clock: Names the rescued files.
        say: Takes a sentence for the user.

    Returns:
        The new version, as `Model.push` gives it.

    Raises:
        InvalidInput: There is no model.
        Conflict: There are several, so that nobody knows which one is meant.
    """
    try:
        return the_one(models).push(name)
    except BaseException:  # Ctrl-C as well: the training took longer than saving it will
        for left in models:
            _rescue(left, name, rescue_folder, clock.now_ms(), say)
        raise


def the_one(models: Sequence[LeftModel]) -> Any:
    """The only model there is.

    Raises:
        InvalidInput: There is none.
        Conflict: There are several; the message names their variables.
    """
    if not models:
        raise InvalidInput(
            "the script left no Model in its variables, so there is nothing to push",
            hint="Keep the model in a variable at the top level of the script: `model = Model(...)`, "
            "from `lepton_ai`, not within a function.",
        )
    if len(models) > 1:
        names = ", ".join(f"`{left.variable}`" for left in models)
        raise Conflict(
            f"the script left {len(models)} Models, in {names}, and it is not clear which one to push",
            hint=f"Let the script call `{models[-1].variable}.push(...)` itself, or `del` the others at its end.",
        )
    return models[0].model


def _rescue(left: LeftModel, name: str, folder: Path, now_ms: int, say: Callable[[str], None]) -> None:
    # The name may be the very thing that was refused, so it is not trusted to be a file name.
    safe_name = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:63]
    path = folder / f"{safe_name}-{left.variable}-{now_ms}.keras"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        left.model.save(path)
    except Exception as error:  # noqa: BLE001 - the first error is the one to tell
        say(f"The model in `{left.variable}` could not be saved either: {error}")
    else:
        say(f"The model in `{left.variable}` is kept in {path}")
        say(f"To push it later: {shlex.join(['lepton', 'model', 'push', str(path), name])}")

"""From a table to the files of a version: the one function that a training run consists of."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lepton_ai.core.failpoints import failpoint
from lepton_ai.core.files import sync_folder
from lepton_ai.platform.frameworks.adaptive.presets import free_settings
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.checkpoint import Checkpointing
from lepton_ai.platform.frameworks.export import export_artifact
from lepton_ai.platform.frameworks.model import Model
from lepton_ai.platform.frameworks.training_progress import ProgressLines, Telling
from lepton_ai.platform.preprocessing.cleaning import clean
from lepton_ai.platform.preprocessing.readers import read_table, to_columns
from lepton_ai.platform.preprocessing.schema import Schema
from lepton_ai.platform.preprocessing.split_keys import rule_for
from lepton_ai.platform.preprocessing.splits import split

_TEST = 0.2
# Validation only draws a curve, so it takes rows only where there are many.
_VALIDATION, _MOST_VALIDATED, _FEWEST_TO_VALIDATE = 0.1, 2000, 2000


@dataclass(frozen=True)
class TableWish:
    """What to make of a table.

    Args:
        table: The file.
        target: The column to predict.
        columns: What the user says about columns: fields of `Column` by the column's name.
        budget_s: How long to train; or
        steps: how many steps; or
        epochs: how often to pass over the rows. Without any of them what suits the rows.
        seed: Decides split, initial weights and order.
    """

    table: Path
    target: str
    columns: Mapping[str, Mapping[str, Any]]
    budget_s: float | None
    steps: int | None
    epochs: int | None
    seed: int


def train_table(
    wish: TableWish,
    folder: Path,
    checkpointing: Checkpointing,
    lines: ProgressLines,
    *,
    trains: Callable[[], None],
    steps: Callable[[], None],
) -> Path:
    """Read, split, train, test and export. Called again after a crash it goes on from the last checkpoint.

    Args:
        wish: What to make of what.
        folder: The folder of the artifact: it appears whole, or not at all.
        checkpointing: Keeps the state of the training.
        lines: Where progress is told.
        trains: Called when the table is read and training begins.
        steps: Called when the first step of the net is done, which trees and a line come before.

    Returns:
        The folder.

    Raises:
        InvalidInput: The table cannot be trained on; the message says why.
    """
    lines.phase("Reading the table")
    frame = read_table(wish.table)
    schema = _schema(frame, wish)
    columns, report = clean(schema, to_columns(schema, frame))
    frame = frame[report.kept]
    rows = len(report.kept)
    share = min(_VALIDATION, _MOST_VALIDATED / rows) if rows >= _FEWEST_TO_VALIDATE else 0.0
    parts = split(rule_for(schema).keys(columns), validation=share, test=_TEST, seed=wish.seed)
    training = frame[parts.train]
    # Anew, because a value that only the test rows have is not known when the model is made.
    schema = _schema(training, wish)

    failpoint("run.before_training")
    lines.phase("Training")
    trains()
    keras.utils.set_random_seed(wish.seed)
    model = Model(schema=schema, seed=wish.seed)
    model.fit(
        training,
        validation_data=frame[parts.validation] if len(parts.validation) else None,
        verbose=0,
        callbacks=[checkpointing, Telling(lines, checkpointing, steps, budget_s=wish.budget_s)],
        **_length(wish, model, len(parts.train)),
    )

    failpoint("run.after_training")
    lines.phase("Testing")
    tested = frame[parts.test.open()]
    model.evaluate(tested, verbose=0)
    model.report(tested, test_openings=parts.test.opened, title=f"Report on {wish.target}", seed=wish.seed)

    lines.phase("Exporting")
    making = folder.with_name(f".{folder.name}.making")
    export_artifact(model, making, lineage={"split": parts.to_json(), "cleaning": report.to_json()})
    _put_in_place(making, folder)
    return folder


def _schema(frame: Any, wish: TableWish) -> Schema:
    said = {name: dict(changes) for name, changes in wish.columns.items()}
    kinds = {name: changes.pop("kind") for name, changes in said.items() if "kind" in changes}
    schema = Schema.infer(frame, target=wish.target, kinds=kinds)
    for name, changes in said.items():
        roles = changes.pop("roles", None)
        if roles is not None:
            schema = schema.with_roles(name, *roles)
        schema = schema.with_column(name, **changes)
    return schema


def _length(wish: TableWish, model: Model, rows: int) -> dict[str, Any]:
    """How long to train, as arguments of `fit`. Steps are dealt to epochs of about a pass so that none is left over."""
    if wish.budget_s is not None:
        return {"budget": wish.budget_s}
    if wish.steps is None:
        return {"epochs": wish.epochs}
    batch_size = free_settings(model.architecture, rows).batch_size
    passes = max(1, wish.steps // -(-rows // batch_size))
    epochs = next(number for number in range(passes, 0, -1) if wish.steps % number == 0)
    return {"epochs": epochs, "steps_per_epoch": wish.steps // epochs, "batch_size": batch_size}


def _put_in_place(making: Path, folder: Path) -> None:
    for path in making.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    sync_folder(making)
    failpoint("run.before_model_rename")
    making.rename(folder)
    failpoint("run.after_model_rename")
    sync_folder(folder.parent)

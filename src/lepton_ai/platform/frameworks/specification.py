"""What kind of net a user asked for: the arguments of `Model`, checked."""

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.preprocessing.layout import Block, layout
from lepton_ai.platform.preprocessing.schema import Schema
from lepton_ai.platform.preprocessing.signature import Task
from lepton_ai.platform.preprocessing.text_transform import TextTransform, is_text

_HIGHEST_SEED = 2**31 - 1

# Far more than a net can learn from; without a limit a slip such as a batch for a row ends the process out of memory.
_MOST_NUMBERS = 1_000_000
_MOST_CLASSES = 100_000


@dataclass(frozen=True)
class Specification:
    """A net to build.

    Args:
        row_shape: The shape of one row, without the batch axis.
        num_classes: How many classes there are, or None for regression.
        architecture: The name of a registered architecture.
        seed: Decides initial weights, order of rows and augmentation; None leaves it to Keras' global seed.
        layout: For the rows of a schema, what their numbers mean; None where all are quantities.
    """

    row_shape: tuple[int, ...]
    num_classes: int | None
    architecture: str
    seed: int | None
    layout: tuple[Block, ...] | None = None


def checked_row_shape(value: Any) -> tuple[int, ...]:
    """`input_shape` as a tuple of whole numbers.

    Example:

        >>> checked_row_shape([28, 28, 1])
        (28, 28, 1)
        >>> checked_row_shape(12)
        (12,)
    """
    sizes = (value,) if _is_whole(value) else value
    usable = (
        isinstance(sizes, Sequence)
        and not isinstance(sizes, str)
        and len(sizes) > 0
        and all(_is_whole(size) and size >= 1 for size in sizes)
    )
    if not usable:
        raise InvalidInput(
            f"`input_shape` must be the sizes of one row, each 1 or more, got input_shape={_shown(value)}",
            hint="Write (28, 28, 1) for images, (time, features) for series, (columns,) for numbers; no batch axis.",
        )
    if math.prod(int(size) for size in sizes) > _MOST_NUMBERS:
        raise InvalidInput(
            f"`input_shape` must have at most {_MOST_NUMBERS} numbers in a row, got input_shape={tuple(sizes)}",
            hint="It is the shape of one row, without the batch axis. Bring longer rows to fewer numbers first.",
        )
    return tuple(int(size) for size in sizes)


def checked_num_classes(num_classes: Any, task: Task | None) -> int | None:
    """`num_classes`, agreeing with the task.

    Example:

        >>> checked_num_classes(10, None), checked_num_classes(None, Task.REGRESSION)
        (10, None)
    """
    if num_classes is None:
        if task is Task.CLASSIFICATION:
            raise InvalidInput(
                "task='classification' needs `num_classes`, got num_classes=None",
                hint="Say how many classes there are: Model(input_shape, num_classes=10).",
            )
        return None
    if not _is_whole(num_classes) or not 2 <= num_classes <= _MOST_CLASSES:
        raise InvalidInput(
            f"`num_classes` must be a whole number from 2 to {_MOST_CLASSES}, got num_classes={_shown(num_classes)}",
            hint="Leave it out for regression; two classes are num_classes=2.",
        )
    if task is Task.REGRESSION:
        raise InvalidInput(
            f"task='regression' takes no `num_classes`, got num_classes={num_classes}",
            hint="Leave num_classes out; for several numbers at once pass Model(inputs=..., outputs=...).",
        )
    return int(num_classes)


def of_schema(schema: Any, values: Mapping[str, Any], seed: int | None) -> Specification:
    """The net for the rows of a schema.

    Args:
        schema: What was given as `schema`.
        values: The other arguments of `Model`.
        seed: The checked seed.

    Raises:
        InvalidInput: It is no schema, has no target or features, or other arguments contradict it.
    """
    if not isinstance(schema, Schema):
        raise InvalidInput(
            f"`schema` must be a Schema, got {type(schema).__name__}",
            hint='Write Model(schema=Schema.infer(frame, target="income")).',
        )
    if values["input_shape"] is not None or values["num_classes"] is not None:
        raise InvalidInput(
            "`schema` says what a row is and how many classes there are, got input_shape or num_classes beside it",
            hint="Leave them out.",
        )
    task = schema.task
    if schema.target is None or task is None:
        raise InvalidInput("`schema` must have a target, got none", hint='schema.with_roles("income", "target")')
    if checked_task(values["task"]) not in (None, task):
        raise InvalidInput(
            f"`task` must agree with the target {schema.target.name!r}, which makes a {task.value}, "
            f"got task={values['task']!r}",
            hint=f'Change the kind of the target: schema.with_column({schema.target.name!r}, kind="number").',
        )
    if not schema.features:
        raise InvalidInput(
            "`schema` must have features, got none", hint='Give columns the role: schema.with_roles("age", "feature").'
        )
    classes = len(schema.target.categories or ()) if task is Task.CLASSIFICATION else None
    if classes is not None and classes < 2:
        raise InvalidInput(
            f"the target {schema.target.name!r} must have 2 classes or more, got {classes}",
            hint="Nothing can be learned from rows that all have the same answer.",
        )
    if is_text(schema):
        return Specification((TextTransform(schema).width,), classes, _of_kind(values, "text"), seed)
    blocks = layout(schema)
    return Specification((blocks[-1].first + blocks[-1].width,), classes, _of_kind(values, "table"), seed, blocks)


def checked_task(value: Any) -> Task | None:
    """`task` as a member of `Task`, None if it was left out."""
    if value is None:
        return None
    try:
        return Task(value)
    except ValueError:
        raise InvalidInput(
            f"`task` must be 'classification' or 'regression', got task={value!r}",
            hint="Leave it out: with num_classes it is classification, without it regression.",
        ) from None


def checked_seed(value: Any) -> int | None:
    """`seed`, which must fit TensorFlow's and NumPy's generators."""
    if value is None:
        return None
    if not _is_whole(value) or not 0 <= value <= _HIGHEST_SEED:
        raise InvalidInput(f"`seed` must be a whole number from 0 to {_HIGHEST_SEED}, got seed={_shown(value)}")
    return int(value)


def checked_name(value: Any) -> str | None:
    """`name`, which Keras joins to others with slashes.

    Example:

        >>> checked_name("digits")
        'digits'
    """
    if value is not None and (not isinstance(value, str) or not value or "/" in value):
        raise InvalidInput(f"`name` must be a text without '/', got name={_shown(value)}", hint='Write name="digits".')
    return value


def _is_whole(value: Any) -> bool:
    """Whether a value is a whole number, NumPy's among them: `y.max() + 1` is one."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _shown(value: Any, most: int = 60) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= most else f"{type(value).__name__} {text[: most - 1]}…"


def _of_kind(values: Mapping[str, Any], usual: str) -> str:
    return usual if values["architecture"] == "auto" else str(values["architecture"])


def is_functional(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether the arguments of `Model` are a net of the user's own: symbolic inputs and outputs."""
    if "inputs" in kwargs or "outputs" in kwargs:
        return True
    return any(isinstance(leaf, keras.KerasTensor) for leaf in keras.tree.flatten(args))


def bound(signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by name, with the defaults of those left out.

    Raises:
        InvalidInput: Too many, or a name that is not known.
    """
    try:
        arguments = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise InvalidInput(f"Model{signature}: {error}", hint="`help(Model)` explains each argument.") from None
    arguments.apply_defaults()
    return dict(arguments.arguments)


def _parameters(*positional: str, **keywords: Any) -> inspect.Signature:
    either, keyword_only = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(name, either, default=None) for name in positional]
    parameters += [inspect.Parameter(name, keyword_only, default=value) for name, value in keywords.items()]
    return inspect.Signature(parameters)


SIGNATURE = _parameters("input_shape", "num_classes", schema=None, task=None, architecture="auto", seed=None, name=None)
FUNCTIONAL_SIGNATURE = _parameters("inputs", "outputs", name=None, trainable=None, task=None, seed=None)

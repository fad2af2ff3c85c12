"""All architectures, the choice of one by the shape of a row, and the whole net around it."""

from typing import Any

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.architectures.architecture import Architecture, Seeds
from lepton_ai.platform.frameworks.architectures.image import IMAGE
from lepton_ai.platform.frameworks.architectures.series import SERIES
from lepton_ai.platform.frameworks.architectures.table import TABLE
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.layers import Rescale, Standardize
from lepton_ai.platform.frameworks.specification import Specification

ARCHITECTURES: dict[str, Architecture] = {each.name: each for each in (IMAGE, SERIES, TABLE)}


def choose(row_shape: tuple[int, ...], name: str = "auto") -> Architecture:
    """The architecture for rows of this shape.

    Args:
        row_shape: The shape of one row, without the batch axis.
        name: The name of an architecture, or "auto" for the one that fits the number of axes.

    Raises:
        InvalidInput: There is none of that name, or it cannot take such rows.

    Example:

        >>> choose((28, 28, 1)).name, choose((140, 3)).name, choose((12,)).name
        ('image', 'series', 'table')
    """
    if name != "auto" and name not in ARCHITECTURES:
        raise InvalidInput(
            f"`architecture` must be 'auto', {_listed(ARCHITECTURES)}, got architecture={name!r}",
            hint="Leave it out, and the shape of a row decides.",
        )
    candidates = [
        each for each in ARCHITECTURES.values() if len(each.axes) == len(row_shape) and name in ("auto", each.name)
    ]
    if not candidates:
        shapes = "; ".join(f"{each.name} takes ({', '.join(each.axes)})" for each in ARCHITECTURES.values())
        raise InvalidInput(
            f"`input_shape` does not fit architecture={name!r}, got input_shape={row_shape}",
            hint=f"{shapes}. Build any other net yourself and pass Model(inputs=..., outputs=...).",
        )
    architecture = candidates[0]
    if reason := architecture.accepts(row_shape):
        raise InvalidInput(
            f"{reason}, got input_shape={row_shape}",
            hint="Resize the rows, or build a net yourself and pass Model(inputs=..., outputs=...).",
        )
    return architecture


def build(specification: Specification) -> tuple[Any, Any]:
    """The symbolic input and output of a new net: scaling, the architecture's body, and the answer.

    Returns:
        `inputs` `(batch, *row_shape)`, and `probabilities` `(batch, classes)` or `outputs` `(batch, 1)`.
    """
    seeds = Seeds(specification.seed)
    # Names are fixed, not counted up, so that the same net exports to the same bytes whenever it is built.
    inputs = keras.Input(specification.row_shape, name="inputs")
    # Scaling and the answer stay in float32 under a mixed-precision policy too.
    rows = Standardize(name="standardize", dtype="float32")(inputs)
    hidden = ARCHITECTURES[specification.architecture].features(rows, seeds)
    initializer = keras.initializers.GlorotUniform(seed=seeds.next())
    if specification.num_classes:
        answer = keras.layers.Dense(
            specification.num_classes,
            activation="softmax",
            kernel_initializer=initializer,
            name="probabilities",
            dtype="float32",
        )
        return inputs, answer(hidden)
    hidden = keras.layers.Dense(1, kernel_initializer=initializer, name="regression", dtype="float32")(hidden)
    return inputs, Rescale(name="outputs", dtype="float32")(hidden)


def _listed(names: dict[str, Architecture]) -> str:
    *first, last = [repr(name) for name in names]
    return f"{', '.join(first)} or {last}"

"""All architectures, the user's own among them, the choice of one by the shape of a row, and the net around it."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.architectures.architecture import Architecture, Features, Seeds
from lepton_ai.platform.frameworks.architectures.image import IMAGE
from lepton_ai.platform.frameworks.architectures.series import SERIES
from lepton_ai.platform.frameworks.architectures.table import TABLE
from lepton_ai.platform.frameworks.architectures.text import TEXT
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.keras_errors import user_errors
from lepton_ai.platform.frameworks.layers import Rescale, Standardize
from lepton_ai.platform.frameworks.specification import Specification

ARCHITECTURES: dict[str, Architecture] = {each.name: each for each in (IMAGE, SERIES, TABLE, TEXT)}


def register_architecture(
    name: str,
    features: Callable[..., Any],
    *,
    axes: Sequence[str],
    family: str | None = None,
    accepts: Callable[[tuple[int, ...]], str | None] | None = None,
) -> Architecture:
    """Make a net of your own known by a name, for `Model(input_shape, num_classes, architecture=name)`.

    "auto" goes on choosing by the shape of a row, and takes yours only where no other has as many axes. A saved model
    needs no registration to be loaded.

    Args:
        name: What to call it. Not the name of another one, and not "auto".
        features: Builds the body of the net: a function of the standardised rows, a Keras tensor `(batch, *row_shape)`,
            that returns `(batch, features)`. If it takes a second argument it gets `Seeds` for initialisers; a fixed
            name for each layer makes exports of the same weights the same file.
        axes: What the axes of a row are called: `("columns",)`, `("time", "features")`.
        family: In words, for the model card; the name if left out.
        accepts: From the shape of a row to why it cannot be taken, or None.

    Returns:
        The architecture.

    Raises:
        InvalidInput: An argument is wrong, or the name is taken.

    Example:

        >>> def features(rows):
        ...     return keras.layers.Dense(8, activation="tanh", name="hidden")(rows)
        >>> register_architecture("small", features, axes=("columns",)).name
        'small'
        >>> del ARCHITECTURES["small"]
    """
    if not isinstance(name, str) or not name.isidentifier() or name == "auto":
        raise InvalidInput(
            f"`name` must be a word of letters, digits and _, other than 'auto', got name={name!r}",
            hint='Write register_architecture("residual", features, axes=("columns",)).',
        )
    if name in ARCHITECTURES:
        raise InvalidInput(f"`name` must be new, got name={name!r}, which is registered", hint="Choose another name.")
    are_names = isinstance(axes, Sequence) and not isinstance(axes, str)
    if not are_names or not axes or not all(isinstance(axis, str) and axis for axis in axes):
        raise InvalidInput(
            f"`axes` must name the axes of a row, without the batch, got axes={axes!r}",
            hint='Write axes=("time", "features").',
        )
    if family is not None and not isinstance(family, str):
        raise InvalidInput(f"`family` must be words for the model card, got family={family!r}", hint="Leave it out.")
    if accepts is not None and not callable(accepts):
        raise InvalidInput(
            f"`accepts` must be a function of the shape of a row, got {type(accepts).__name__}",
            hint='Write accepts=lambda shape: None if shape[0] > 3 else "rows must have more than 3 columns".',
        )
    architecture = Architecture(
        name, tuple(axes), family or name, _checked(name, features), accepts=accepts or (lambda _: None)
    )
    ARCHITECTURES[name] = architecture
    return architecture


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
    if not isinstance(name, str) or (name != "auto" and name not in ARCHITECTURES):
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
    with user_errors(f"`accepts` of architecture {architecture.name!r} must answer None or a reason"):
        reason = architecture.accepts(row_shape)
    if reason:
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
    architecture = ARCHITECTURES[specification.architecture]
    seeds = Seeds(specification.seed)
    if architecture.whole is not None:
        return architecture.whole(specification.row_shape, specification.num_classes, specification.layout, seeds)
    assert architecture.features is not None
    # Names are fixed, not counted up, so that the same net exports to the same bytes whenever it is built.
    inputs = keras.Input(specification.row_shape, name="inputs")
    # Scaling and the answer stay in float32 under a mixed-precision policy too.
    rows = Standardize(name="standardize", dtype="float32")(inputs) if architecture.is_scaled else inputs
    hidden = architecture.features(rows, seeds)
    initializer = keras.initializers.GlorotUniform(seed=seeds.next())
    is_alone = architecture.companion is None
    if specification.num_classes:
        answers = keras.layers.Dense(
            specification.num_classes,
            activation="softmax",
            kernel_initializer=initializer,
            name="probabilities" if is_alone else "net",
            dtype="float32",
        )(hidden)
    else:
        answers = keras.layers.Dense(1, kernel_initializer=initializer, name="regression", dtype="float32")(hidden)
    if architecture.companion is not None:
        name = "probabilities" if specification.num_classes else "both"
        classifies = specification.num_classes is not None
        answers = architecture.companion(rows, answers, seeds, classifies=classifies, name=name)
    return inputs, answers if specification.num_classes else Rescale(name="outputs", dtype="float32")(answers)


def _checked(name: str, features: Any) -> Features:
    """`features` with both arguments, its answer checked when a net is built."""
    if not callable(features):
        raise InvalidInput(
            f"`features` must be a function of the rows, got {type(features).__name__}",
            hint="Write def features(rows): return keras.layers.Dense(64)(rows).",
        )
    try:
        takes = len(inspect.signature(features).parameters)
    except (TypeError, ValueError):
        takes = 1

    def build_features(rows: Any, seeds: Seeds) -> Any:
        wanted = f"`features` of architecture {name!r} must turn rows {tuple(rows.shape)} into (batch, features)"
        with user_errors(wanted):
            built = features(rows, seeds) if takes > 1 else features(rows)
        shape = getattr(built, "shape", None)
        if not isinstance(built, keras.KerasTensor) or len(built.shape) != 2 or not built.shape[1]:
            raise InvalidInput(
                f"`features` of architecture {name!r} must return a Keras tensor (batch, features), "
                f"got {type(built).__name__}{'' if shape is None else f' of shape {tuple(shape)}'}",
                hint="End it in a Flatten or a global pooling layer.",
            )
        return built

    return build_features


def _listed(names: dict[str, Architecture]) -> str:
    *first, last = [repr(name) for name in names]
    return f"{', '.join(first)} or {last}"

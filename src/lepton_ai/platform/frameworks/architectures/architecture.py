"""What an architecture is: a name, the rows it takes, and how it turns a tensor of them into features."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from lepton_ai.platform.frameworks.augmentation import Augmentation
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.preprocessing.layout import Block


class Seeds:
    """A row of seeds for initialisers, or of Nones, which leave the choice to Keras' global seed.

    Example:

        >>> seeds = Seeds(7)
        >>> seeds.next(), seeds.next()
        (7000, 7001)
        >>> Seeds(None).next() is None
        True
    """

    def __init__(self, seed: int | None) -> None:
        self._following = None if seed is None else seed * 1000 % 2**31

    def next(self) -> int | None:
        """The next seed."""
        seed = self._following
        if seed is not None:
            self._following = seed + 1
        return seed


class Features(Protocol):
    """Build the body of a net: rows in, standardised unless the architecture says no; `(batch, features)` out."""

    def __call__(self, rows: Any, seeds: Seeds) -> Any: ...


class CompanionPart(Protocol):
    """Build the companion of a net (`companion.py`): rows and the net's answers in, the answers of both out.

    `name` is the name of the layer that answers.
    """

    def __call__(self, rows: Any, answers: Any, seeds: Seeds, *, classifies: bool, name: str) -> Any: ...


class Whole(Protocol):
    """Build all of a net: the symbolic input `(batch, *row_shape)` and the answer `(batch, answers)`.

    Layouts say what the numbers of a row mean, where a schema does.
    """

    def __call__(
        self, row_shape: tuple[int, ...], num_classes: int | None, layout: tuple[Block, ...] | None, seeds: Seeds
    ) -> tuple[Any, Any]: ...


@dataclass(frozen=True)
class Architecture:
    """One family of nets.

    Args:
        name: The name for `Model(architecture=...)`.
        axes: What the axes of a row are called, which also says how many there are.
        family: In words, for the model card.
        features: Builds the body of the net, which gets its scaling and its answer around it.
        whole: Builds all of the net instead.
        accepts: Why it cannot take rows of this shape, or None if it can.
        augmentation: How rows may be changed while a classifier is trained, if at all.
        companion: Builds the model in closed form beside the net, if it has one.
        is_scaled: Whether the net standardises its inputs; False where they are no quantities.
    """

    name: str
    axes: tuple[str, ...]
    family: str
    features: Features | None = None
    whole: Whole | None = None
    accepts: Callable[[tuple[int, ...]], str | None] = lambda _: None
    augmentation: Augmentation | None = None
    companion: CompanionPart | None = None
    is_scaled: bool = True


def normalized(layer: type[Any], inputs: Any, number: int, seeds: Seeds, **arguments: Any) -> Any:
    """One block that all families are made of: a layer without bias, batch norm, ReLU.

    A momentum of 0.9 instead of Keras' 0.99 lets the statistics settle within a short fit.
    """
    initializer = keras.initializers.GlorotUniform(seed=seeds.next())
    name = f"{layer.__name__.lower()}_{number}"
    hidden = layer(use_bias=False, kernel_initializer=initializer, name=name, **arguments)(inputs)
    hidden = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"norm_{number}")(hidden)
    return keras.layers.ReLU(name=f"relu_{number}")(hidden)

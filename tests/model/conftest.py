"""What the tests of Model share: small data that a net learns within a second, and one trained model of each kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MNIST = Path(__file__).parents[2] / "examples" / "data" / "mnist" / "mnist.npz"


def blobs(rows: int = 200, *, classes: int = 3, columns: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows around one centre per class, `(rows, columns)`, and their class numbers."""
    random = np.random.default_rng(seed)
    y = random.integers(0, classes, rows)
    centres = np.random.default_rng(99).normal(size=(classes, columns)) * 3
    return (centres[y] + random.normal(size=(rows, columns))).astype("float32"), y


def bars(rows: int = 200, *, size: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images `(rows, size, size, 1)` with a bright row, column or nothing: three classes."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, size, size, 1)).astype("float32") * 0.3
    y = random.integers(0, 3, rows)
    for image, kind, place in zip(x, y, random.integers(1, size - 1, rows), strict=True):
        if kind == 0:
            image[place] += 2
        elif kind == 1:
            image[:, place] += 2
    return x, y


@pytest.fixture(scope="session")
def model_class() -> Any:
    from lepton_ai.platform.frameworks.model import Model

    return Model


@pytest.fixture(scope="session")
def trained(model_class: Any) -> Any:
    """A trained classifier of tables; tests read it and leave it as it is."""
    x, y = blobs()
    model = model_class((4,), 3, seed=1)
    model.fit(x, y, epochs=10, verbose=0)
    model.evaluate(x, y, verbose=0)
    return model


@pytest.fixture(scope="session")
def trained_on_images(model_class: Any) -> Any:
    """A trained classifier of images; tests read it and leave it as it is."""
    x, y = bars()
    model = model_class((8, 8, 1), 3, seed=1)
    model.fit(x, y, epochs=12, verbose=0)
    return model


@pytest.fixture
def table(model_class: Any) -> Callable[..., Any]:
    """A new compiled classifier of four columns with a single layer: most of a short fit is building its graph."""

    def make(loss: Any = None, optimizer: Any = "adam", metrics: Any = ("accuracy",), **compiled: Any) -> Any:
        import keras

        inputs = keras.Input((4,))
        initializer = keras.initializers.GlorotUniform(seed=1)
        outputs = keras.layers.Dense(3, activation="softmax", kernel_initializer=initializer)(inputs)
        model = model_class(inputs=inputs, outputs=outputs, seed=1)
        model.compile(optimizer, loss, metrics=list(metrics), **compiled)
        return model

    return make

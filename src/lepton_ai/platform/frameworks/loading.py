"""Reads a model back from the file that `save` wrote, with errors that say what is missing."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from lepton_ai.core.errors import InvalidInput, NotFound
from lepton_ai.platform.frameworks.backend import keras

ModelT = TypeVar("ModelT")


def load_model(kind: type[ModelT], path: str | Path, custom_objects: Mapping[str, Any] | None) -> ModelT:
    """Load a `.keras` file that holds a model of a kind.

    Raises:
        NotFound: There is no such file.
        InvalidInput: It holds something else, or needs custom objects that were not given.
    """
    if not Path(path).exists():
        raise NotFound(f"no file {str(path)!r}", hint="Save a model first: model.save('name.keras').")
    try:
        model = keras.saving.load_model(path, custom_objects=dict(custom_objects or {}))
    except (ValueError, TypeError, OSError) as error:
        raise InvalidInput(
            f"{str(path)!r} is not a model that can be loaded: {str(error).splitlines()[0]}",
            hint="Pass the layers, losses and metrics of your own: Model.load(path, custom_objects={...}).",
        ) from error
    if not isinstance(model, kind):
        raise InvalidInput(
            f"{str(path)!r} must hold a lepton_ai Model, got {type(model).__name__}",
            hint="Load it with keras.models.load_model and wrap it: Model(inputs=net.inputs, outputs=net.outputs).",
        )
    return model


def compile_arguments(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a model was compiled with; None, with a warning, where a function is needed that only a script knows."""
    try:
        return dict(keras.saving.deserialize_keras_object(dict(config)))
    except (TypeError, ValueError) as error:
        warnings.warn(
            f"The model was loaded without its compiled state: {str(error).split('. ')[0]}. "
            "Until compile(...) is called, fit uses the task's usual loss; or pass custom_objects when loading.",
            stacklevel=2,
        )
        return None

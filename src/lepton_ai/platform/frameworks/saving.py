"""What a model's file holds beside Keras' own, and reading one back with errors that say what is missing."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from lepton_ai.core.errors import InvalidInput, NotFound
from lepton_ai.platform.frameworks.architectures.registry import ARCHITECTURES
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.facts import Memory
from lepton_ai.platform.frameworks.losses import LabelEncoding
from lepton_ai.platform.frameworks.specification import checked_task
from lepton_ai.platform.preprocessing.preprocessing import Preprocessing, preprocessing_document, read_preprocessing
from lepton_ai.platform.preprocessing.schema import Schema
from lepton_ai.platform.preprocessing.signature import Task

_FACTS_FILE = "lepton.json"
_PREPROCESSING_FILE = "preprocessing.json"


class SavedModel(keras.Model):
    """The part of `Model` that is written to a file and read back."""

    _task: Task | None
    _architecture: str | None
    _seed: int | None
    _schema: Schema | None
    _preprocessing: Preprocessing | None
    _label_encoding: LabelEncoding
    _memory: Memory

    @classmethod
    def load(cls, path: str | Path, *, custom_objects: Mapping[str, Any] | None = None) -> Self:
        """Load a model that `save` wrote.

        Args:
            path: A `.keras` file.
            custom_objects: The user's own layers, losses and metrics by name, as in Keras.

        Raises:
            NotFound: There is no such file.
            InvalidInput: It holds something else, or needs custom objects that were not given.
        """
        model: Self = _loaded(cls, path, custom_objects)
        return model

    def load_weights(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """As in Keras."""
        super().load_weights(filepath, *args, **kwargs)
        self.drop_functions()

    def drop_functions(self) -> None:
        """Compile anew at the next call: what layers hold beside weights, such as trees, is built into functions."""
        self.test_function = self.predict_function = None  # the train function is in use when a callback restores

    def get_config(self) -> dict[str, Any]:
        """Keras' description of the net, and what Keras does not know about it."""
        schema = None if self._schema is None else self._schema.to_json()
        own = {"task": self._task, "architecture": self._architecture, "seed": self._seed, "schema": schema}
        return {**super().get_config(), "lepton": own}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Self:
        """Rebuild the net that `get_config` describes, with new weights."""
        own = {"task": None, "architecture": None, "seed": None, "schema": None, **config.get("lepton", {})}
        model = super().from_config({key: config[key] for key in config if key != "lepton"}, custom_objects)
        model._task = checked_task(own["task"])
        model._architecture = own["architecture"] if own["architecture"] in ARCHITECTURES else None
        model._seed = own["seed"]
        model._schema = None if own["schema"] is None else Schema.from_json(own["schema"])
        return model

    def get_compile_config(self) -> dict[str, Any]:
        """As in Keras, with `label_encoding`."""
        config = super().get_compile_config()
        return {**config, "label_encoding": self._label_encoding.value} if config else config

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """As in Keras; where it needs a function that only the user's script knows, the model stays uncompiled."""
        arguments = _compile_arguments(config)
        if arguments is None:
            return
        self.compile(**arguments)
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def save_assets(self, folder: str) -> None:
        """Keras' place for what is neither structure nor weights: the facts go with the weights, and not to clones."""
        (Path(folder) / _FACTS_FILE).write_text(json.dumps(self._memory.to_json(), sort_keys=True))
        if self._preprocessing is not None:
            document = preprocessing_document(self._preprocessing)
            (Path(folder) / _PREPROCESSING_FILE).write_text(json.dumps(document))

    def load_assets(self, folder: str) -> None:
        """Read what `save_assets` wrote."""
        path = Path(folder) / _FACTS_FILE
        if path.exists():
            self._memory = Memory.from_json(json.loads(path.read_text()))
        path = Path(folder) / _PREPROCESSING_FILE
        if path.exists():
            self._preprocessing = read_preprocessing(json.loads(path.read_text()))


def _loaded(kind: type[Any], path: str | Path, custom_objects: Mapping[str, Any] | None) -> Any:
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


def _compile_arguments(config: Mapping[str, Any]) -> dict[str, Any] | None:
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

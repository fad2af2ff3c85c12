"""Checks of a user's callbacks."""

from typing import Any

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.backend import keras


def checked_callbacks(callbacks: Any) -> Any:
    """Callbacks as they came, all of them Keras'.

    Raises:
        InvalidInput: One is a class, a function, or something else.
    """
    if callbacks is None or isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    for callback in keras.tree.flatten(callbacks):
        if isinstance(callback, type) and issubclass(callback, keras.callbacks.Callback):
            raise InvalidInput(
                f"`callbacks` must be callbacks, got the class {callback.__name__}",
                hint=f"Write callbacks=[{callback.__name__}(...)].",
            )
        if not isinstance(callback, keras.callbacks.Callback):
            raise InvalidInput(
                f"`callbacks` must be Keras callbacks, got {type(callback).__name__}",
                hint="Write keras.callbacks.LambdaCallback(on_epoch_end=function) for a function.",
            )
    return callbacks

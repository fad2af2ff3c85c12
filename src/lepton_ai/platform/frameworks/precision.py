"""Mixed precision for the length of a fit: nets are built, saved, exported and asked in float32 on every device."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lepton_ai.platform.frameworks.backend import keras, tf
from lepton_ai.platform.frameworks.device import Gpu, Precision

_CONVOLUTIONAL = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.BatchNormalization,
    keras.layers.ReLU,
    keras.layers.MaxPooling1D,
    keras.layers.MaxPooling2D,
)


@contextmanager
def training_precision(model: Any, precision: Precision) -> Iterator[None]:
    """Let a net of ours compute in a precision until the block ends; afterwards in the one that it had.

    Convolutions, and what stands between them, change; they are where the time goes. The rest stays in float32: layers
    that answer, and those that hold statistics, thresholds or trees, of which bfloat16 would keep two digits. So do
    layers to which somebody gave a precision, and nets of the user's own.

    Args:
        model: A built `Model`.
        precision: How it shall compute.
    """
    if precision is Precision.FULL or model.architecture is None:
        yield
        return
    mixed = keras.dtype_policies.DTypePolicy(precision.value)
    changed = [layer for layer in model.layers if _is_movable(layer)]
    full = [layer.dtype_policy for layer in changed]
    try:
        for layer in changed:
            layer.dtype_policy = mixed
        yield
    finally:
        for layer, policy in zip(changed, full, strict=True):
            layer.dtype_policy = policy
        model.drop_functions()  # validation during the fit made some that compute as the fit did


def gpus() -> list[Gpu]:
    """The GPUs that Keras' backend sees."""
    if keras.backend.backend() == "jax":
        import jax

        return [Gpu(device.device_kind, _capability(device)) for device in jax.devices() if device.platform == "gpu"]
    found = []
    for device in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(device)
        found.append(Gpu(str(details.get("device_name", device.name)), details.get("compute_capability")))
    return found


def _is_movable(layer: Any) -> bool:
    is_of_keras = type(layer).__module__.startswith("keras.")
    return is_of_keras and isinstance(layer, _CONVOLUTIONAL) and layer.dtype_policy.name == Precision.FULL


def _capability(device: Any) -> tuple[int, int] | None:
    major, dot, minor = str(getattr(device, "compute_capability", "")).partition(".")
    return (int(major), int(minor)) if dot else None

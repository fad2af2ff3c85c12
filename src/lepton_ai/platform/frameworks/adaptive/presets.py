"""What is usual: an optimizer's learning rate; batch size, rate and epochs where they are left to us. Pure."""

import math
from dataclasses import dataclass
from typing import Any

# Where Keras' default is not what people use, the latter. By the class or the nearest known one it derives from.
_USUAL_RATES = {
    "Adam": 1e-3,
    "AdamW": 1e-3,
    "Adamax": 2e-3,
    "Nadam": 1e-3,
    "RMSprop": 1e-3,
    "Adagrad": 1e-2,
    "Lamb": 1e-3,
    "Lion": 1e-4,
}
_DESCENT_RATE, _DESCENT_RATE_WITHOUT_MOMENTUM = 0.01, 0.1


def usual_rate(optimizer: Any) -> float | None:
    """The learning rate that is usual for an optimizer, None for one nobody knows."""
    for name in (cls.__name__ for cls in type(optimizer).__mro__):
        if name in _USUAL_RATES:
            return _USUAL_RATES[name]
        if name == "SGD":
            return _DESCENT_RATE if getattr(optimizer, "momentum", 0) else _DESCENT_RATE_WITHOUT_MOMENTUM
    return None


@dataclass(frozen=True)
class Settings:
    """What a fit uses where the user gave nothing.

    Args:
        batch_size: Rows in a batch.
        rate: Adam's learning rate.
        epochs: Passes over the rows.
    """

    batch_size: int
    rate: float
    epochs: int


def free_settings(architecture: str | None, rows: int) -> Settings:
    """The settings for an architecture, None being a net of the user's own, and a number of rows.

    Example:

        >>> free_settings("image", 60_000)
        Settings(batch_size=128, rate=0.008, epochs=9)
        >>> free_settings("image", 2_000)
        Settings(batch_size=32, rate=0.004, epochs=63)
    """
    batch_size = 128 if rows >= 10_000 else 64 if rows >= 4_000 else 32
    rate = _IMAGE_RATE * math.sqrt(batch_size / 128) if architecture == "image" else 1e-3
    # Packed nets know a small table by heart after some 15 epochs, and what they saw best is kept.
    steps, most = (2500, 40) if architecture == "table" else (_STEPS, _MOST_EPOCHS)
    epochs = round(steps / math.ceil(rows / batch_size))
    return Settings(batch_size, rate, min(max(epochs, _FEWEST_EPOCHS), most))


_IMAGE_RATE = 0.008
_STEPS = 4000
_FEWEST_EPOCHS, _MOST_EPOCHS = 5, 80

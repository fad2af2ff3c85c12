"""Keras and TensorFlow, imported quietly and in one place; everything else in this folder takes them from here."""

import os

from lepton_ai.core.errors import MissingPackage
from lepton_ai.platform.frameworks.quiet import quiet_tensorflow

# TensorFlow's C++ side greets at start-up (CPU features, absent GPUs). Errors still come through at this level, and a
# user who set the variable, or who imported TensorFlow first, keeps what they chose. One greeting (oneDNN, on some
# CPUs) comes whatever the level.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

try:
    with quiet_tensorflow():
        import keras
        import tensorflow as tf
except ImportError as error:
    raise MissingPackage(
        f"Model needs Keras and TensorFlow, got: {error}", hint="Install them: pip install 'lepton-ai[tensorflow]'"
    ) from error

__all__ = ["keras", "tf"]

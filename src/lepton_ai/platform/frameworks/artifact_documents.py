"""What the documents of every artifact share, whatever framework its model comes from. Pure, and without Keras."""

import math
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import lepton_ai
from lepton_ai.platform.preprocessing.signature import TensorSpec


def environment_document(packages: Sequence[str]) -> dict[str, Any]:
    """Python, system and package versions: enough to build the place again, nothing that tells whose it is."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "packages": {"lepton-ai": lepton_ai.__version__, **_installed(packages)},
    }


def metrics_or_none(metrics: Mapping[str, float] | None) -> dict[str, float | None] | None:
    """Metrics as JSON can hold them: what is not finite becomes null."""
    if not metrics:
        return None
    return {name: float(value) if math.isfinite(value) else None for name, value in metrics.items()}


def tensor_format(spec: TensorSpec) -> str:
    """A tensor's type and shape in words.

    Example:

        >>> tensor_format(TensorSpec("rows", "float32", (None, 4)))
        'float32(batch, 4)'
    """
    return f"{spec.dtype}({', '.join('batch' if size is None else str(size) for size in spec.shape)})"


def _installed(packages: Sequence[str]) -> dict[str, str]:
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions

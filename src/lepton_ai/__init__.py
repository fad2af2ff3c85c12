"""Lepton AI: an AI cloud that you own.

The public names are loaded on first use, so that `import lepton_ai` stays quick and brings no TensorFlow along.

    >>> import lepton_ai
    >>> lepton_ai.__version__
    '0.1.0'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lepton_ai.core.errors import LeptonError
    from lepton_ai.platform.frameworks.architectures.registry import register_architecture
    from lepton_ai.platform.frameworks.forecasting.forecaster import Forecaster
    from lepton_ai.platform.frameworks.recommendation.recommender import Recommender
    from lepton_ai.platform.preprocessing.schema import Schema
    from lepton_ai.sdk.cloud import Cloud
    from lepton_ai.sdk.model import Model

__version__ = "0.1.0"
__all__ = [
    "Cloud",
    "Forecaster",
    "LeptonError",
    "Model",
    "Recommender",
    "Schema",
    "__version__",
    "register_architecture",
]

_HOMES = {
    "Cloud": "lepton_ai.sdk.cloud",
    "Forecaster": "lepton_ai.platform.frameworks.forecasting.forecaster",
    "LeptonError": "lepton_ai.core.errors",
    "Model": "lepton_ai.sdk.model",
    "Recommender": "lepton_ai.platform.frameworks.recommendation.recommender",
    "Schema": "lepton_ai.platform.preprocessing.schema",
    "register_architecture": "lepton_ai.platform.frameworks.architectures.registry",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'lepton_ai' has no attribute {name!r}; it offers {', '.join(__all__)}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

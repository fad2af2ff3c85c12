"""Fitted forecasts as a JSON tree and arrays, and back: frozen records of numbers, texts, arrays and other records."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.forecasting.boosted import Boosted, Forest
from lepton_ai.platform.frameworks.forecasting.features import View
from lepton_ai.platform.frameworks.forecasting.grid import Grid, Unit
from lepton_ai.platform.frameworks.forecasting.linear import Linear, Shape
from lepton_ai.platform.frameworks.forecasting.methods import Blend, Plainly, Scaled
from lepton_ai.platform.frameworks.forecasting.naive import Naive, Rule
from lepton_ai.platform.frameworks.forecasting.panel import NOT_SAVED, Panel
from lepton_ai.platform.frameworks.forecasting.reading import Roles
from lepton_ai.platform.frameworks.forecasting.smoothing import Smoothing
from lepton_ai.platform.frameworks.forecasting.spread import Spread

_RECORDS = (Blend, Plainly, Scaled, Naive, Linear, Shape, Smoothing, Boosted, Forest, View, Spread, Panel, Grid, Roles)
_CHOICES = (Rule, Unit)
_BY_NAME: dict[str, Any] = {each.__name__: each for each in (*_RECORDS, *_CHOICES)}


def packed(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """A value as plain JSON values; its arrays are put beside it under numbers.

    Example:

        >>> arrays = {}
        >>> tree = packed(Grid(Unit.MONTH, 1, "2020-01-01"), arrays)
        >>> unpacked(tree, arrays)
        Grid(unit=<Unit.MONTH: 'month'>, step=1, start='2020-01-01')
    """
    if isinstance(value, np.ndarray):
        name = f"array_{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, Enum):
        return {"choice": type(value).__name__, "value": value.value}
    if is_dataclass(value):
        saved = [each.name for each in fields(value) if each.metadata != NOT_SAVED]
        parts = {name: packed(getattr(value, name), arrays) for name in saved}
        return {"record": type(value).__name__, "parts": parts}
    if isinstance(value, tuple):
        return [packed(each, arrays) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def unpacked(tree: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """What `packed` was given.

    Raises:
        InvalidInput: It names a record that is none of a forecast's.
    """
    if isinstance(tree, list):
        return tuple(unpacked(each, arrays) for each in tree)
    if not isinstance(tree, Mapping):
        return tree
    if "array" in tree:
        return arrays[tree["array"]]
    kind = _BY_NAME.get(tree.get("record") or tree.get("choice") or "")
    if kind is None:
        raise InvalidInput(f"not a saved forecaster: it holds {str(tree)[:60]}")
    if "choice" in tree:
        return kind(tree["value"])
    return kind(**{name: unpacked(part, arrays) for name, part in tree["parts"].items()})

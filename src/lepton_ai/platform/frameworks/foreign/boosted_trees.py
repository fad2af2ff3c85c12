"""skl2onnx's converters of histogram boosting, mended: it writes False among whole numbers, which protobuf refuses."""

from collections.abc import Callable
from typing import Any

Converter = Callable[[Any, Any, Any], None]


def converters_of_boosted_trees() -> dict[type, Converter]:
    """The converters by estimator, for `convert_sklearn(custom_conversion_functions=...)`; seen with skl2onnx 1.20."""
    from skl2onnx.common._registration import get_converter
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kinds = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
    return {kind: _mended(get_converter(f"Sklearn{kind.__name__}")) for kind in kinds}


def _mended(converter: Converter) -> Converter:
    def convert(scope: Any, operator: Any, container: Any) -> None:
        converter(scope, operator, _WholeNumbers(container))

    return convert


class _WholeNumbers:
    """skl2onnx's container of nodes, to which lists get with 0 and 1 for False and True."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, *arguments: Any, **attributes: Any) -> None:
        self._container.add_node(*arguments, **{name: _whole(value) for name, value in attributes.items()})


def _whole(value: Any) -> Any:
    if isinstance(value, list) and any(isinstance(each, bool) for each in value):
        return [int(each) for each in value]
    return value

"""A forecaster of one series as an ONNX graph: the last values in, mean and quantiles of the next steps out."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import Conflict, MissingPackage, NotSupported
from lepton_ai.platform.frameworks.forecasting.fitted import Fitted
from lepton_ai.platform.frameworks.forecasting.linear import Linear
from lepton_ai.platform.frameworks.forecasting.methods import Blend, Method, Plainly, Scaled
from lepton_ai.platform.frameworks.forecasting.naive import Naive, Rule
from lepton_ai.platform.frameworks.forecasting.panel import Numbers
from lepton_ai.platform.preprocessing.signature import Signature, Task, TensorSpec

_INPUT, _OUTPUT = "inputs", "mean_and_quantiles"
_OPSET = 17


def export_forecaster(fitted: Fitted, horizon: int, folder: Path, metrics: Mapping[str, float] | None) -> Path:
    """Write `model.onnx`, `signature.json`, `preprocessing.json` and `metrics.json`, which the registry takes.

    The graph takes the last values of the series, `(batch, look_back)`, and answers `(batch, horizon, 1 + levels)`:
    the mean and then the quantiles.

    Args:
        fitted: A fit whose forecast is naive, linear, or a blend of such.
        horizon: How many steps ahead.
        folder: An empty folder, or one to make.
        metrics: What was measured, by a backtest, say.

    Raises:
        NotSupported: Several series, or a forecast that is no function of the last values alone.
        Conflict: The folder is not empty.
        MissingPackage: onnx is not installed.
    """
    if fitted.panel.rows != 1:
        raise NotSupported(
            f"a version forecasts one series, got {fitted.panel.rows}", hint="Fit a forecaster for each, or save(path)."
        )
    methods = fitted.method if isinstance(fitted.method, Blend) else Blend((fitted.method,), (1.0,))
    for method in methods.methods:
        if not (isinstance(method, Plainly) or (isinstance(method, Scaled) and isinstance(method.inner, Linear))):
            raise NotSupported(
                "smoothing and trees look at more than a window of values, so they are not exported",
                hint="Forecaster(horizon, families=['linear']) makes one that can be; save(path) keeps any.",
            )
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Conflict(f"an artifact needs an empty folder, got {folder.name!r} with files in it")
    width = 1 + len(fitted.spread.levels)
    signature = Signature(
        Task.REGRESSION,
        (TensorSpec(_INPUT, "float32", (None, methods.needs)),),
        (TensorSpec(_OUTPUT, "float32", (None, horizon, width)),),
    )
    (folder / "model.onnx").write_bytes(_graph(methods, fitted, horizon))
    documents: dict[str, Any] = {
        "signature": signature.to_json(),
        "preprocessing": {"version": 1, "steps": []},
        "metrics": {"version": 1, "evaluation": dict(metrics) if metrics else None, "training": None},
    }
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n")
    return folder


def _graph(blend: Blend, fitted: Fitted, horizon: int) -> bytes:
    try:
        import onnx
    except ImportError as error:
        raise MissingPackage(
            f"exporting to ONNX needs onnx, got: {error}", hint="Install it: pip install 'lepton-ai[tensorflow]'"
        ) from error
    writer = _Writer(onnx, blend.needs, horizon)
    plain = np.zeros((blend.needs, horizon))
    parts = []
    for method, weight in zip(blend.methods, blend.weights, strict=True):
        if isinstance(method, Scaled) and method.floors is not None and method.limits is not None:
            parts.append(writer.scaled(writer.logarithmic(method), weight))
        elif isinstance(method, Plainly) and method.naive.rule is Rule.GROWN and method.naive.by_ratio:
            parts.append(writer.scaled(writer.grown(method.naive), weight))
        else:
            # Whatever is linear in the values is the matrix of its answers to one value of 1.
            plain += weight * _matrix(method, blend.needs, horizon)
    if plain.any() or not parts:
        parts.append(writer.node("MatMul", _INPUT, writer.constant(plain)))
    mean = parts[0]
    for part in parts[1:]:
        mean = writer.node("Add", mean, part)
    return writer.finished(mean, fitted)


def _matrix(method: Method, needs: int, horizon: int) -> Numbers:
    """A linear method as a matrix `(needs, horizon)`."""
    values, origin = np.eye(needs), np.array([needs])
    if isinstance(method, Plainly):
        return method.naive.predict(values, origin, horizon)[:, 0]
    assert isinstance(method, Scaled)
    return method.inner.predict(values, origin, horizon)[:, 0]


class _Writer:
    """Builds the graph, node by node."""

    def __init__(self, onnx: Any, needs: int, horizon: int) -> None:
        self._onnx, self._needs, self._horizon = onnx, needs, horizon
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        output = output or f"tensor_{len(self._nodes)}"
        name = f"node_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, list(inputs), [output], name=name, **attributes))
        return output

    def constant(self, values: Any, kind: Any = np.float32) -> str:
        name = f"constant_{len(self._constants)}"
        array: NDArray[Any] = np.asarray(values, kind)
        self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def scaled(self, tensor: str, weight: float) -> str:
        return self.node("Mul", tensor, self.constant(weight))

    def logarithmic(self, method: Scaled) -> str:
        assert method.floors is not None and method.limits is not None
        unit, (low, high) = float(method.scale[0]), method.limits[0]
        above = self.node("Max", _INPUT, self.constant(method.floors[0]))
        logs = self.node("MatMul", self.node("Log", above), self.constant(_matrix(method, self._needs, self._horizon)))
        assert unit == 1.0  # logarithms have one unit, see `scale_of`
        return self.node("Exp", self.node("Clip", logs, self.constant(low), self.constant(high)))

    def grown(self, naive: Naive) -> str:
        season = replace(naive, rule=Rule.SEASON)
        like = self.node("MatMul", _INPUT, self.constant(_matrix(Plainly(season), self._needs, self._horizon)))
        sums = np.zeros((2, self._needs, 1))
        sums[0, self._needs - naive.span :] = 1.0
        sums[1, self._needs - naive.season - naive.span : self._needs - naive.season] = 1.0
        now, before = (self.node("MatMul", _INPUT, self.constant(each)) for each in sums)
        return self.node("Mul", like, self.node("Div", now, before))

    def finished(self, mean: str, fitted: Fitted) -> bytes:
        """Mean and quantiles beside each other, as bytes."""
        spread = fitted.spread
        size = self.scaled(self.node("Abs", mean), spread.relative)
        width = self.node("Add", size, self.constant(spread.fixed * float(spread.unit[0])))
        width = self.node("Mul", width, self.constant(spread.by_step))
        last = self.constant([2], np.int64)
        mean, width = self.node("Unsqueeze", mean, last), self.node("Unsqueeze", width, last)
        bounds = self.node("Add", mean, self.node("Mul", width, self.constant(spread.quantiles)))
        if np.isfinite(spread.low[0]):
            bounds = self.node("Max", bounds, self.constant(spread.low[0]))
        self.node("Concat", mean, bounds, output=_OUTPUT, axis=2)
        helper, kind = self._onnx.helper, self._onnx.TensorProto.FLOAT
        taken = helper.make_tensor_value_info(_INPUT, kind, ["batch", self._needs])
        shape = ["batch", self._horizon, 1 + len(spread.levels)]
        given = helper.make_tensor_value_info(_OUTPUT, kind, shape)
        graph = helper.make_graph(self._nodes, "lepton", [taken], [given], self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=9)
        self._onnx.checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))

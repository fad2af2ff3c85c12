"""A torch module as ONNX, by torch's own export."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput, MissingPackage
from lepton_ai.platform.frameworks.export_failed import ExportFailed
from lepton_ai.platform.frameworks.foreign.conversion import INPUT_NAME, OUTPUT_NAME, Conversion, Rows, first_line
from lepton_ai.platform.preprocessing.signature import Task


def convert_module(module: Any, task: Task | None, sample: Rows | None) -> Conversion:
    """A `torch.nn.Module` that takes one tensor `(batch, *row_shape)` and gives one.

    It is exported as it answers after `eval()`, on its own device, and left in the mode in which it came.

    Args:
        module: The module.
        task: What it answers; torch does not tell.
        sample: Rows that it takes, two or more.

    Raises:
        InvalidInput: The task or the rows are missing, or the module does not take such rows.
        MissingPackage: onnx or onnxscript is not installed.
        ExportFailed: torch cannot export it.
    """
    if task is None:
        raise InvalidInput(
            "a torch module does not say what it answers, got task=None",
            hint="Give task='classification' or task='regression'.",
        )
    if sample is None or len(sample) < 2:
        raise InvalidInput(
            f"a torch module needs `sample`, two rows or more, got {0 if sample is None else len(sample)}",
            hint="Give some rows that it takes, such as sample=x_test[:100].",
        )
    _check_packages()
    was_training = module.training
    module.eval()
    try:
        _answers(module, sample[:2])
        graph = _exported(module, sample)
    finally:
        module.train(was_training)
    parameters = [(parameter.numel(), parameter.requires_grad) for parameter in module.parameters()]
    return Conversion(
        graph,
        "torch",
        type(module).__name__,
        task=task,
        rows=sample,
        rows_were_given=True,
        answer=lambda rows: _in_eval(module, rows),
        parameters={
            "total": sum(count for count, _ in parameters),
            "trainable": sum(count for count, trains in parameters if trains),
        },
        packages=("torch", "onnxscript", "onnx", "onnxruntime", "numpy"),
    )


def _exported(module: Any, sample: Rows) -> bytes:
    import torch

    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                module,
                (_tensor(module, sample),),
                input_names=[INPUT_NAME],
                output_names=[OUTPUT_NAME],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # torch's exporter raises what its parts raise
        raise ExportFailed(
            f"torch cannot export the module to ONNX: {type(error).__name__}: {first_line(error)}",
            hint="See what torch.onnx.export(module, (rows,), dynamo=True) says, or push a file that it wrote.",
        ) from error
    graph: bytes = program.model_proto.SerializeToString(deterministic=True)
    return graph


def _in_eval(module: Any, rows: Rows) -> NDArray[Any]:
    was_training = module.training
    module.eval()
    try:
        return _answers(module, rows)
    finally:
        module.train(was_training)


def _answers(module: Any, rows: Rows) -> NDArray[Any]:
    import torch

    try:
        with torch.no_grad():
            answers = module(_tensor(module, rows))
    except Exception as error:  # whatever a user's forward raises
        raise InvalidInput(
            f"the module does not take rows of shape {rows.shape[1:]}: {type(error).__name__}: {first_line(error)}",
            hint="Give `sample` rows as its forward takes them, in one float32 tensor.",
        ) from error
    if not isinstance(answers, torch.Tensor):
        raise InvalidInput(
            f"the module must answer with one tensor, got {type(answers).__name__}",
            hint="Wrap it in a module whose forward returns the one to serve.",
        )
    given: NDArray[Any] = answers.float().cpu().numpy()
    return given


def _tensor(module: Any, rows: Rows) -> Any:
    import torch

    weight = next(module.parameters(), None)
    return torch.from_numpy(np.ascontiguousarray(rows, np.float32)).to("cpu" if weight is None else weight.device)


def _check_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingPackage(
            f"torch's ONNX export needs onnx and onnxscript, got: {error}",
            hint="Install them: pip install onnx onnxscript",
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what torch says while it works."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)

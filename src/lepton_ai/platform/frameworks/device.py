"""Which precision the GPUs at hand call for. Pure.

XLA needs no decision of ours: Keras' `jit_compile="auto"`, which `compile` keeps, turns it on where TensorFlow sees
something other than CPUs and leaves it off on a CPU, where it was four times slower; JAX always compiles by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_TENSOR_CORES_FOR_BFLOAT16 = (8, 0)


class Precision(StrEnum):
    """How a net computes while it trains; its weights are float32 in either. The values are Keras' names."""

    FULL = "float32"
    MIXED = "mixed_bfloat16"


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Args:
        name: What its maker calls it.
        compute_capability: NVIDIA's number of its generation, such as `(8, 0)`; None where it has none.
    """

    name: str
    compute_capability: tuple[int, int] | None


def precision_for(gpus: Sequence[Gpu]) -> Precision:
    """Mixed where every GPU has tensor cores for bfloat16: NVIDIA's from compute capability 8.0 (Ampere, 2020) on.

    bfloat16 has the range of float32, so the loss needs no scaling and the user's optimizer stays as it is. float16,
    which older tensor cores take, would need an optimizer around it: such GPUs compute in float32.

    Args:
        gpus: Those that Keras' backend sees; none on a CPU.

    Example:

        >>> precision_for([])
        <Precision.FULL: 'float32'>
        >>> precision_for([Gpu("NVIDIA A100", (8, 0))])
        <Precision.MIXED: 'mixed_bfloat16'>
    """
    capabilities = [gpu.compute_capability or (0, 0) for gpu in gpus]
    return Precision.MIXED if capabilities and min(capabilities) >= _TENSOR_CORES_FOR_BFLOAT16 else Precision.FULL

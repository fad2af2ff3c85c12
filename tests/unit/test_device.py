"""Which precision the GPUs at hand call for."""

import pytest

from lepton_ai.platform.frameworks.device import Gpu, Precision, precision_for

VOLTA, AMPERE, HOPPER = Gpu("Tesla V100", (7, 0)), Gpu("NVIDIA A100", (8, 0)), Gpu("NVIDIA H100", (9, 0))
OTHER = Gpu("Apple M3", None)


def test_cpu_computes_in_full_precision() -> None:
    assert precision_for([]) is Precision.FULL


@pytest.mark.parametrize("gpu", [AMPERE, HOPPER])
def test_gpu_with_tensor_cores_for_bfloat16_mixes(gpu: Gpu) -> None:
    assert precision_for([gpu]) is Precision.MIXED


@pytest.mark.parametrize("gpu", [VOLTA, OTHER])
def test_gpu_without_them_computes_in_full_precision(gpu: Gpu) -> None:
    assert precision_for([gpu]) is Precision.FULL


def test_weakest_gpu_decides_for_all() -> None:
    assert precision_for([HOPPER, VOLTA]) is Precision.FULL
    assert precision_for([HOPPER, AMPERE]) is Precision.MIXED

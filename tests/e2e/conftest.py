"""What the end-to-end tests share: one running cloud with a model and an endpoint."""

from collections.abc import Iterator

import pytest

from cloud_lab import CloudLab, cloud_lab


@pytest.fixture(scope="session")
def lab() -> Iterator[CloudLab]:
    """A cloud with model `numbers` (see `onnx_models`) and endpoint `numbers`. Tests leave both as they are."""
    with cloud_lab() as lab:
        lab.deploy("numbers", min_replicas=1)
        yield lab
        assert "Traceback" not in (lab.folders.logs / "server.log").read_text()

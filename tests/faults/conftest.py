"""What the proofs under faults share: a running cloud with an endpoint of two replicas, by either gateway."""

from collections.abc import Iterator

import pytest

from cloud_lab import CloudLab, cloud_lab


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[CloudLab]:
    """A cloud with endpoint `numbers`. Name the gateway: `@pytest.mark.parametrize("lab", GATEWAYS, indirect=True)`.

    Each test leaves it with two replicas, but whatever the test before killed may just be coming up again.
    """
    with cloud_lab(request.param, timed=True) as lab:
        lab.deploy(min_replicas=2)
        yield lab
        lab.ok("down")
        assert not lab.census()

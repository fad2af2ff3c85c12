"""The control plane is killed while predictions run: nobody notices, and the next one takes over what it finds."""

import pytest

from cloud_lab import GATEWAYS, CloudLab, repetitions, up_within_bound
from load_generator import Load

KILLS = repetitions(2, 20)


@pytest.mark.parametrize("lab", GATEWAYS, indirect=True)
def test_killed_control_plane_costs_no_request_and_its_successor_adopts_everything(lab: CloudLab) -> None:
    lab.wait_until_settled()
    workers = lab.pids("replica", "gateway", "supervisor")
    assert len(lab.census("replica")) == 2
    assert len(lab.census("gateway")) >= 1
    replica_ids = {replica["id"] for replica in lab.replicas()}
    ready_s = []
    with Load(lab) as load:
        for _ in range(KILLS):
            lab.kill_server()
            load.more(40)  # while nobody is in control
            ready_s.append(up_within_bound(lab))
            lab.wait_until_settled()
            assert lab.pids("replica", "gateway", "supervisor") == workers
            assert {replica["id"] for replica in lab.replicas()} == replica_ids
            load.more(40)
    assert not load.failures
    print(f"{KILLS} kills, 0 of {len(load.asked)} requests failed; ready after {max(ready_s):.2f} s at most")

"""New versions, restarts, more and fewer replicas under load: no request fails, and a bad version changes nothing."""

import pytest

from cloud_lab import FULL, GATEWAYS, CloudLab, repetitions
from lepton_ai.sdk.endpoints import Endpoint
from load_generator import Load
from waiting import wait_until

UPDATES = repetitions(1, 5)


pytestmark = pytest.mark.parametrize("lab", GATEWAYS if FULL else GATEWAYS[:1], indirect=True)


def test_new_versions_are_rolled_out_without_a_failed_request(lab: CloudLab) -> None:
    with lab.cloud() as cloud, Load(lab, per_second=100) as load:
        lab.wait_until_settled()
        endpoint = cloud.endpoints.get("numbers")
        for _ in range(UPDATES):
            before = lab.pids("replica")
            version = cloud.models.push_folder(lab.artifact(), "numbers")
            endpoint.update(model=str(version)).wait()
            lab.wait_until_settled()
            load.more(20)
            assert endpoint.predict([[0, 0, 0, 0]]).version == str(version.version)
            wait_until(lambda before=before: not before.keys() & lab.pids("replica").keys())
    assert not load.failures
    print(f"{UPDATES} updates, 0 of {len(load.asked)} requests failed")


def test_restart_replaces_every_replica_without_a_failed_request(lab: CloudLab) -> None:
    with lab.cloud() as cloud, Load(lab, per_second=100) as load:
        for _ in range(UPDATES):
            before = {item["id"] for item in lab.replicas()}
            cloud.endpoints.get("numbers").restart().wait()
            lab.wait_until_settled()
            assert not before & {item["id"] for item in lab.replicas()}
            load.more(20)
    assert not load.failures
    print(f"{UPDATES} restarts, 0 of {len(load.asked)} requests failed")


def test_number_of_replicas_changes_without_a_failed_request(lab: CloudLab) -> None:
    with lab.cloud() as cloud, Load(lab, per_second=100) as load:
        for replicas in (3, 1, 2) * UPDATES:
            cloud.endpoints.get("numbers").update(min_replicas=replicas)
            lab.wait_until_settled(replicas=replicas)
            load.more(20)
    assert not load.failures
    assert len(lab.census("replica")) == 2
    print(f"{3 * UPDATES} changes of the number, 0 of {len(load.asked)} requests failed")


def test_bad_version_never_takes_the_place_of_the_good_one(lab: CloudLab) -> None:
    broken = lab.root / "broken"
    broken.mkdir(exist_ok=True)
    (broken / "model.onnx").write_bytes(b"this is no model")
    (broken / "signature.json").write_bytes((lab.artifact() / "signature.json").read_bytes())
    with lab.cloud() as cloud, Load(lab, per_second=100) as load:
        endpoint = cloud.endpoints.get("numbers").refresh()
        good = endpoint.details.spec.model.version
        serving = lab.pids("replica")
        bad = cloud.models.push_folder(broken, "numbers")
        endpoint.update(model=str(bad))
        wait_until(lambda: reason(endpoint) == "rollout_fails", 60, interval_s=0.1)
        assert endpoint.state == "Updating"
        assert endpoint.details.status.ready_replicas == 2
        assert "the old version still answers" in endpoint.details.status.message
        assert "exit code 1" in endpoint.details.status.message
        assert serving.keys() <= lab.pids("replica").keys()
        endpoint.update(model=f"numbers:{good}").wait()
        lab.wait_until_settled()
        load.more(20)
    assert not load.failures
    assert lab.ok_json("endpoint", "show", "numbers")["spec"]["model"]["version"] == good


def reason(endpoint: Endpoint) -> str:
    """Why the endpoint stands where it stands."""
    return endpoint.refresh().details.status.reason

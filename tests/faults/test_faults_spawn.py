"""The server dies between starting a worker and writing it down: the next one finds it, and never starts a second."""

from cloud_lab import CloudLab, cloud_lab, repetitions
from waiting import wait_until

POINTS = ("worker.after_spawn", "endpoints.before_apply", "worker.before_spawn", "endpoints.before_act")
"""Just after a process was started; then before that is written down; just before it is started; decided only."""

CRASHES = repetitions(1, 40)


def test_worker_that_nobody_wrote_down_is_found_and_never_doubled() -> None:
    with cloud_lab() as lab:
        lab.deploy(min_replicas=1)
        for crash in range(CRASHES):
            point = POINTS[crash % len(POINTS)]
            lab.kill_server()
            # At the start there is one pass over the endpoint, and one for the change; its worker comes in the next.
            at_pass = 3 if point.startswith("endpoints") else 1
            server = lab.up(LEPTON_FAILPOINTS=f"{point}=kill@{at_pass}")
            lab.api("PATCH", "/deployments/numbers", {"spec": {"resource_requirement": {"min_replicas": 2}}})
            assert lab.wait_for_the_servers_end(server.pid) == -9
            lab.up()
            lab.wait_until_settled(replicas=2)
            check_workers(lab, 2)
            with lab.cloud() as cloud:
                cloud.endpoints.get("numbers").update(min_replicas=1)
            lab.wait_until_settled(replicas=1)
            wait_until(lambda: len(lab.census("replica")) == 1)
            check_workers(lab, 1)
        print(f"{CRASHES} crashes around a spawn: 0 doubles, 0 strays")
        lab.ok("down")
        assert not lab.census()


def check_workers(lab: CloudLab, replicas: int) -> None:
    """The workers that run are those that are written down, each once; and none ever ran twice."""
    running = sorted(process.replica_id for process in lab.census("replica"))
    assert running == sorted(item["id"] for item in lab.replicas())
    assert len(running) == replicas
    assert len(lab.census("supervisor")) == replicas + 1
    for log in lab.folders.logs.glob("rep-*.log"):
        assert log.read_text().count('"event":"ready"') <= 1

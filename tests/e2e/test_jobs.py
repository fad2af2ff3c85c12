"""Jobs from the command to its output, by the command line, by Python and by the protocol; and what goes wrong."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api_errors import assert_error
from cloud_lab import CloudLab, cloud_lab
from gateway_lab import fetch
from lepton_ai.core.errors import Conflict, InvalidInput, NotFound
from lepton_ai.infrastructure.compute.supervisor import identity_of
from lepton_ai.sdk.cloud import Cloud
from lepton_ai.sdk.jobs import Job, JobFailed
from waiting import wait_until

BASH = "/bin/bash"
SOON_S = 60.0


@pytest.fixture
def cloud(lab: CloudLab) -> Iterator[Cloud]:
    with lab.cloud() as cloud:
        yield cloud


def printed(job: Job, worker: str | int = 0) -> str:
    with job.logs(worker) as chunks:
        return b"".join(chunks).decode()


def wait_for(job: Job, state: str) -> None:
    wait_until(lambda: job.refresh().state == state, SOON_S, interval_s=0.1)


def spec(*command: str, **fields: Any) -> dict[str, Any]:
    return {"container": {"image": "busybox", "command": list(command)}, **fields}


def ask(lab: CloudLab, name: str, document: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    answer = lab.api("POST", "/jobs", {"metadata": {"id": name, **metadata}, "spec": document})
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.json
    return made


def test_folder_is_sent_along_and_every_worker_runs_in_its_own_copy(lab: CloudLab) -> None:
    code = lab.root / "code"
    (code / "__pycache__").mkdir(parents=True)
    (code / ".git").mkdir()
    (code / "data").mkdir()
    (code / ".git" / "config").write_text("secret")
    (code / "data" / "big.bin").write_text("left out")
    (code / ".gitignore").write_text("# not these\n/data\n*.log\n")
    (code / "old.log").write_text("left out")
    (code / "train.py").write_text(
        "import os, sys\n"
        "print('rank', os.environ['RANK'], 'of', os.environ['WORLD_SIZE'], sorted(os.listdir('.')), sys.argv[1:])\n"
        "open('out', 'w').write(os.environ['RANK'])\n"
    )
    words = ["--name", "train", "--workers", "2", "--sync", str(code), "--env", "A=1", "--label", "team=vision"]
    made = lab.ok("job", "create", *words, "--", "python", "train.py", "--epochs", "3").strip()
    assert made.startswith("train-")
    lab.ok("job", "wait", made)
    files = "['.gitignore', 'train.py']"
    assert lab.ok("job", "logs", made) == f"rank 0 of 2 {files} ['--epochs', '3']\n"
    assert lab.ok("job", "logs", "train", "--worker", "1") == f"rank 1 of 2 {files} ['--epochs', '3']\n"
    shown = lab.ok_json("job", "show", "train")
    assert shown["status"]["state"] == "Completed"
    assert [worker["status"]["exit_code"] for worker in shown["replicas"]] == [0, 0]
    outs = sorted(path.read_text() for path in (lab.folders.jobs / made).glob("*/out"))
    assert outs == ["0", "1"]
    assert made in lab.ok("job", "list", "--label", "team=vision")
    assert made not in lab.ok("job", "list", "--label", "team=speech")
    lab.ok("job", "remove", made)
    assert not (lab.folders.jobs / made).exists()
    assert list(lab.folders.logs.glob(f"job.{made}*")) == []
    assert lab.shell("job", "show", made).returncode == 3


def test_followed_job_shows_what_it_prints_and_tells_how_it_ended(lab: CloudLab) -> None:
    good = lab.shell("job", "create", "--name", "good", "--follow", "--", BASH, "-c", "echo one; sleep 0.5; echo two")
    assert (good.returncode, good.stdout) == (0, "one\ntwo\n")
    bad = lab.shell("job", "create", "--name", "bad", "--follow", "--", BASH, "-c", "echo no; exit 3")
    assert (bad.returncode, bad.stdout) == (1, "no\n")
    assert "failed: Worker 0: Exit code 3." in bad.stderr
    assert lab.shell("job", "create", "--name", "neither").returncode == 2
    assert lab.shell("job", "wait", "absent").returncode == 3


def test_worker_finds_the_cloud_with_a_token_that_ends_with_it(cloud: Cloud, lab: CloudLab) -> None:
    code = (
        "import os; from lepton_ai import Cloud; me = os.environ['LEPTON_JOB_NAME']; "
        "print(Cloud().jobs.get(me).state, os.environ['LEPTON_WORKSPACE_TOKEN'])"
    )
    job = cloud.jobs.create("curious", ["python", "-c", code])
    wait_for(job, "Completed")
    state, token = printed(job).split()
    assert state in ("Starting", "Running")
    bearer = {"authorization": f"Bearer {token}"}
    wait_until(lambda: lab.api("GET", "/jobs", headers=bearer).status == 401)
    job.remove()


def test_stopped_job_leaves_no_process_and_starts_again(cloud: Cloud) -> None:
    stubborn = "trap '' TERM; (setsid sleep 600 &) ; echo $$; while true; do sleep 1; done"
    job = cloud.jobs.create("stubborn", [BASH, "-c", stubborn])
    wait_for(job, "Running")
    wait_until(lambda: printed(job).strip().isdigit(), SOON_S)
    worker = job.workers()[0]
    pid = int(printed(job))
    assert identity_of(pid) is not None
    stopped_at_s = time.monotonic()
    job.stop()
    wait_for(job, "Stopped")
    assert time.monotonic() - stopped_at_s < 30
    assert identity_of(pid) is None
    assert not _marked(worker.id)
    job.start()
    wait_for(job, "Running")
    assert job.workers()[0].id != worker.id
    job.remove()


def test_sdk_tells_the_ways_to_end_apart(cloud: Cloud) -> None:
    killed = cloud.jobs.create("killed", [BASH, "-c", "kill -9 $$"])
    with pytest.raises(JobFailed, match="Killed by signal 9"):
        killed.wait(SOON_S)
    assert killed.workers()[0].status.signal == 9
    absent = cloud.jobs.create("absent-program", ["/no/such/program"])
    with pytest.raises(JobFailed, match="Cannot start: No such file"):
        absent.wait(SOON_S)
    again = cloud.jobs.create("again", [BASH, "-c", "test $LEPTON_JOB_FAILURE_COUNT = 1"], job_retries=1)
    assert again.wait(SOON_S).details.status.attempt == 2
    clone = again.clone()
    assert clone.name == "again-clone"
    assert clone.details.spec == again.details.spec
    clone.stop()
    wait_for(clone, "Stopped")
    with pytest.raises(Conflict, match="was stopped"):
        clone.wait()
    assert clone.archive().state == "Archived"
    assert clone.details.status.job_history[0].state == "Stopped"
    assert clone.id in [job.id for job in cloud.jobs.list(archived=True)]
    assert clone.id not in [job.id for job in cloud.jobs.list()]
    for job in (killed, absent, again, clone):
        job.remove()
    with pytest.raises(NotFound):
        cloud.jobs.get(again.id)
    with pytest.raises(InvalidInput, match="`job` name"):
        cloud.jobs.create("Not A Name", ["true"])
    with pytest.raises(NotFound, match="there is no secret 'absent'"):
        cloud.jobs.create("secret", ["true"], secrets={"TOKEN": "absent"})


def test_list_answers_pages_and_filters_as_the_protocols_clients_ask(lab: CloudLab) -> None:
    far = int(time.time()) + 3600
    names = [f"page-{number}" for number in range(5)]
    ids = [
        ask(lab, name, spec("true", time_schedule={"start_at": far}), labels={"n": name})["metadata"]["id"]
        for name in names
    ]

    def listed(query: str) -> list[str]:
        answer = lab.api("GET", f"/jobs?q=page-&{query}")
        assert answer.status == 200, answer.body
        return [item["metadata"]["id"] for item in answer.json]

    newest_first = ids[::-1]
    assert listed("") == newest_first
    assert listed("page=1&page_size=2") == newest_first[:2]
    assert listed("page=3&page_size=2") == newest_first[4:]
    assert listed("page=4&page_size=2") == []
    assert listed("query=n%3Dpage-3") == [ids[3]]
    assert listed("query=n+in+(page-1,page-2)&page=2&page_size=1") == [ids[1]]
    assert listed("query=!n") == []
    assert listed("status=await&status=run") == newest_first
    assert listed("status=Running") == []
    assert listed("created_by=ADM") == newest_first
    assert listed("created_by=nobody") == []
    assert listed("job_query_mode=archive_only") == []
    for wrong in ("page=0", "page_size=0", "job_query_mode=all", "query=%3D%3D", "page=x"):
        assert_error(lab.api("GET", f"/jobs?{wrong}"), 422, "/jobs")
    for job_id in ids:
        assert lab.api("DELETE", f"/jobs/{job_id}").status == 200


def test_protocols_shape_is_answered_and_unknown_fields_come_back(lab: CloudLab) -> None:
    document = spec("true", completions=2, parallelism=2, resource_shape="gpu.a10", novel={"kept": [1]}, mounts=[])
    made = ask(lab, "shape", document, visibility="private")
    job_id = made["metadata"]["id"]
    assert made["metadata"]["name"] == "shape"
    assert made["metadata"]["owner"] == made["metadata"]["created_by"] == "admin"
    assert made["spec"]["novel"] == {"kept": [1]}
    wait_until(lambda: lab.api("GET", f"/jobs/{job_id}").json["status"]["state"] == "Completed", SOON_S)
    found = lab.api("GET", f"/jobs/{job_id}?job_query_mode=alive_only").json
    assert {"state", "ready", "active", "failed", "succeeded", "creation_time"} <= found["status"].keys()
    assert found["status"]["succeeded"] == 2
    replicas = lab.api("GET", f"/jobs/{job_id}/replicas").json
    assert [item["id"] == item["metadata"]["id"] for item in replicas] == [True, True]
    assert replicas[0]["id"].startswith(f"{job_id}-0-")
    events = lab.api("GET", f"/jobs/{job_id}/events").json
    assert {"type", "reason", "count", "last_observed_time"} <= events[0].keys()
    told = " ".join(event["message"] for event in events)
    assert "`container.image` is kept and not acted on" in told
    assert "gpu.a10 is not known here" in told
    assert lab.api("PATCH", f"/jobs/{job_id}", {"spec": {"stopped": True}}).json["status"]["state"] == "Completed"
    assert_error(lab.api("PATCH", f"/jobs/{job_id}", {"spec": {"stopped": False}}), 409, "/jobs")
    assert_error(lab.api("PATCH", f"/jobs/{job_id}", {"spec": {"completions": 3}}), 422, "/jobs")
    assert lab.api("PUT", f"/jobs/{job_id}/archive").json["status"]["state"] == "Archived"
    assert_error(lab.api("GET", f"/jobs/{job_id}?job_query_mode=alive_only"), 404, "/jobs")
    assert lab.api("DELETE", f"/jobs/{job_id}?job_query_mode=alive_and_archive").status == 200


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "container.command"),
        ({"container": {"command": "true"}}, "container.command"),
        ({"container": {"command": []}}, "container.command"),
        ({"container": {"command": ["a\0b"]}}, "container.command"),
        ({"container": []}, "container"),
        (spec("true", completions=0), "completions"),
        (spec("true", completions=10**9), "completions"),
        (spec("true", parallelism="2"), "parallelism"),
        (spec("true", max_failure_retry=-1), "max_failure_retry"),
        (spec("true", envs=[{"name": "a b"}]), "envs.0.name"),
        (spec("true", envs=[{"name": "A", "value": 3}]), "envs.0.value"),
        (spec("true", envs={}), "envs"),
        (spec("true", queue_config={"priority_class": "top"}), "queue_config.priority_class"),
        (spec("true", time_schedule={"start_at": "now"}), "time_schedule.start_at"),
        (spec("true", working_folder={"sha256": "x"}), "working_folder"),
        (spec("true", working_folder={"sha256": "0" * 64}), "working_folder.sha256"),
        (spec("true", resource_shape="x" * 99), "resource_shape"),
    ],
)
def test_spec_that_is_wrong_is_refused_by_its_field(lab: CloudLab, document: dict[str, Any], field: str) -> None:
    answer = lab.api("POST", "/jobs", {"metadata": {"id": "wrong"}, "spec": document})
    assert f"`{field}`" in assert_error(answer, 422, "/jobs")["message"]


@pytest.mark.parametrize("name", ["", "A", "a_b", "a-", "1a", "x" * 37, "a-by-lepton", "../a", "a\n"])
def test_name_that_breaks_the_rule_is_refused(lab: CloudLab, name: str) -> None:
    answer = lab.api("POST", "/jobs", {"metadata": {"id": name}, "spec": spec("true")})
    assert "`job` name" in assert_error(answer, 422, "/jobs")["message"]


def test_log_history_keeps_strictly_to_what_is_asked(lab: CloudLab) -> None:
    lines = "for i in $(seq 50); do echo line $i of $RANK; done; printf '\\xff tail'"
    made = ask(lab, "logs", spec(BASH, "-c", lines, completions=2, parallelism=2))
    job_id = made["metadata"]["id"]
    wait_until(lambda: lab.api("GET", f"/jobs/{job_id}").json["status"]["state"] == "Completed", SOON_S)

    def found(**query: object) -> list[tuple[int, str, str]]:
        asked = "&".join(f"{key}={value}" for key, value in {"job": job_id, **query}.items())
        answer = lab.api("GET", f"/logs?{asked}")
        assert answer.status == 200, answer.body
        return [
            (int(at_ns), text, stream["stream"]["replica"])
            for stream in answer.json["data"]["result"]
            for at_ns, text in stream["values"]
        ]

    whole = sorted(found(direction="forward"))
    assert len(whole) == 102
    start, end = whole[10][0], whole[60][0]
    within = [line for line in whole if start <= line[0] < end]
    assert sorted(found(start=start, end=end, direction="forward", limit=5000)) == within
    assert sorted(found(start=start, end=end, direction="forward", limit=7)) == within[:7]
    assert sorted(found(start=start, end=end, direction="backward", limit=7)) == within[-7:]
    assert len(found(q="of+1")) == 50
    assert {replica for _, _, replica in found(q="line")} == {
        item["id"] for item in lab.api("GET", f"/jobs/{job_id}/replicas").json
    }
    one = lab.api("GET", f"/jobs/{job_id}/replicas").json[1]["id"]
    assert {replica for _, _, replica in found(replica=one)} == {one}
    by_replica = lab.api("GET", f"/logs?replica={one}").json["data"]["result"]
    assert len(by_replica) == 1
    assert any("\ufffd tail" in text for _, text, _ in whole)
    for wrong, status in (
        ("", 422),
        ("job=absent", 404),
        ("replica=absent", 404),
        (f"job={job_id}&deployment=numbers", 422),
        (f"job={job_id}&start=5&end=5", 422),
        (f"job={job_id}&limit=0", 422),
        (f"job={job_id}&direction=up", 422),
        (f"job={job_id}&start=x", 422),
        (f"job={job_id}&replica=absent", 404),
    ):
        assert_error(lab.api("GET", f"/logs?{wrong}"), status, "/logs")
    assert lab.api("GET", "/logs?deployment=numbers").status == 200
    assert lab.api("DELETE", f"/jobs/{job_id}").status == 200


def test_log_of_a_worker_is_followed_to_its_end(lab: CloudLab) -> None:
    made = ask(lab, "tail", spec(BASH, "-c", "for i in 1 2 3 4; do echo $i; sleep 0.3; done"))
    job_id = made["metadata"]["id"]
    wait_until(lambda: lab.api("GET", f"/jobs/{job_id}/replicas").json, SOON_S)
    worker = lab.api("GET", f"/jobs/{job_id}/replicas").json[0]["id"]
    assert lab.api("GET", f"/jobs/{job_id}/replicas/{worker}/log").body == b"1\n2\n3\n4\n"
    assert_error(lab.api("GET", f"/jobs/{job_id}/replicas/absent/log"), 404, "/jobs")
    assert lab.api("DELETE", f"/jobs/{job_id}").status == 200


def test_templates_are_rendered_and_the_command_stays_a_text(lab: CloudLab) -> None:
    [public] = lab.api("GET", "/templates/public").json
    assert (public["metadata"]["id"], public["spec"]["workload_type"]) == ("torchrun", "job")
    rendered = lab.api("POST", "/templates/public/torchrun/render", {"run": "train.py {{7*7}} {{run}}"}).json
    assert rendered["metadata"] == {}
    assert "train.py {{7*7}} {{run}}" in rendered["spec"]["container"]["command"][2]
    own = {"name": "twice", "spec": spec(BASH, "-c", "{{run}}; {{run}}", completions=1)}
    assert lab.api("POST", "/templates/private", own).status == 201
    assert_error(lab.api("POST", "/templates/private", own), 409, "/templates")
    assert_error(lab.api("POST", "/templates/private", {"name": "bad", "spec": {}}), 422, "/templates")
    assert [item["metadata"]["id"] for item in lab.api("GET", "/templates/private").json] == ["twice"]
    assert lab.api("GET", "/templates/private/twice").json["spec"]["content"] == own["spec"]
    with lab.cloud() as cloud:
        job = cloud.jobs.create("twice", template="twice", run="echo hello").wait(SOON_S)
        assert printed(job) == "hello\nhello\n"
        job.remove()
    assert lab.api("DELETE", "/templates/private/twice").status == 200
    assert_error(lab.api("POST", "/templates/private/twice/render", {"run": ""}), 404, "/templates")
    assert_error(lab.api("GET", "/templates/public/absent"), 404, "/templates")


def test_torchrun_template_sets_up_the_workers(lab: CloudLab) -> None:
    """A stand-in for torchrun, which is not installed: it shows what it is called with."""
    folder = lab.root / "stand-in"
    folder.mkdir()
    stand_in = folder / "torchrun"
    stand_in.write_text('#!/bin/sh\necho "$@" nnodes=$NNODES rank=${RANK-none}\n')
    stand_in.chmod(0o755)
    with lab.cloud() as cloud:
        env = {"PATH": f".:{os.environ['PATH']}"}
        job = cloud.jobs.create("ddp", template="torchrun", run="train.py --x 1", workers=2, folder=folder, env=env)
        job.wait(SOON_S)
        for rank in (0, 1):
            said = printed(job, rank)
            assert said.startswith(f"--nnodes 2 --node_rank {rank} --nproc_per_node 1 --master_addr 127.0.0.1")
            assert said.endswith("train.py --x 1 nnodes=2 rank=none\n")
        job.remove()


def test_same_create_sent_twice_is_one_job(lab: CloudLab) -> None:
    body = {"metadata": {"id": "once"}, "spec": spec("true")}
    headers = lab.bearer | {"idempotency-key": "jobs-once"}
    first, again = (lab.api("POST", "/jobs", body, headers).json for _ in range(2))
    assert first["metadata"]["id"] == again["metadata"]["id"]
    assert len(lab.api("GET", "/jobs?q=once").json) == 1
    lab.api("DELETE", f"/jobs/{first['metadata']['id']}")


def test_jobs_survive_a_kill_of_the_server_and_start_anew_after_a_stop_of_the_cloud() -> None:
    with cloud_lab() as lab, lab.cloud() as cloud:
        job = cloud.jobs.create("long", [BASH, "-c", "echo begun; sleep 600"], workers=2)
        wait_until(lambda: job.refresh().details.status.ready == 2, SOON_S)
        before = [worker.id for worker in job.workers()]
        lab.kill_server()
        lab.up()
        wait_until(lambda: job.refresh().details.status.ready == 2, SOON_S)
        assert [worker.id for worker in job.workers()] == before
        assert lab.shell("down").returncode == 0
        assert not _marked(before[0])
        lab.up()
        wait_until(lambda: job.refresh().details.status.ready == 2, SOON_S)
        newest = [worker.id for worker in job.workers() if worker.status.state == "Running"]
        assert set(newest).isdisjoint(before)
        assert job.details.status.failures == 0
        # a supervisor that is killed loses its worker, and the job says so
        supervisor = int((lab.folders.workers / f"job.{newest[0]}" / "lock").read_text())
        os.kill(supervisor, signal.SIGKILL)
        with pytest.raises(JobFailed, match="vanished"):
            job.wait(SOON_S)
        wait_until(lambda: not _marked(newest[0]) and not _marked(newest[1]))


def test_what_another_workspace_has_is_not_there(lab: CloudLab) -> None:
    answer = fetch(lab.port, "/api/v2/workspaces/other/jobs", lab.bearer, "GET", None)
    assert_error(answer, 404, "/jobs")


def _marked(worker_id: str) -> list[str]:
    """The processes that belong to a worker, wherever they put themselves."""
    wanted = f"LEPTON_WORKER_ID={worker_id}".encode()
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in environment.read_bytes().split(b"\0"):
                found.append(environment.parent.name)
        except OSError:
            continue
    return found


def test_json_of_the_command_line_is_the_apis(lab: CloudLab) -> None:
    made = json.loads(lab.ok("job", "create", "--name", "plain", "--json", "--", "true"))
    assert made["metadata"]["name"] == "plain"
    lab.ok("job", "wait", "plain")
    assert [job["metadata"]["name"] for job in lab.ok_json("job", "list", "--name", "plain")] == ["plain"]
    assert any(event["reason"] == "all_completed" for event in lab.ok_json("job", "events", "plain"))
    lab.ok("job", "archive", "plain")
    assert "plain-" in lab.ok("job", "list", "--archived")
    lab.ok("job", "remove", "plain")

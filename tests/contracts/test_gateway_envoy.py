"""Envoy's own ways of failing open: each is tried on a running Envoy, and stays closed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway_lab import BEARER, DIGESTS, Lab, idle_lab, is_problem, route, running_lab, start_gateway, stop
from waiting import wait_until

A_DIGEST = next(iter(DIGESTS))
WATCHER = (sys.executable, "-m", "lepton_ai.infrastructure.network.drivers.envoy_process")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running_lab("envoy") as lab:
        yield lab


@pytest.fixture
def unstarted() -> Iterator[Lab]:
    with idle_lab("envoy") as lab:
        yield lab


@pytest.mark.parametrize(
    ("where", "fault"),
    [
        ("local function sha256(text)\n", "error('a fault')\n"),
        ("local function bearer_token(headers)\n", "local nothing = nil; nothing.field = 1\n"),
        ("local function is_plain(target)\n", "local broken = nil .. target\n"),
        ("local function check(request)\n", "error({})\n"),
        ("local function check(request)\n", "error(nil)\n"),
    ],
)
def test_script_that_fails_refuses(unstarted: Lab, where: str, fault: str) -> None:
    replica = unstarted.replica()
    unstarted.driver.write(unstarted.table(route("secret", replica), route("open", replica, public=True)))
    _edit_script(unstarted, lambda script: script.replace(where, where + fault))
    unstarted.process = start_gateway(unstarted.driver, unstarted.folder)
    wait_until(unstarted.driver.is_ready)
    assert is_problem(unstarted.get("/default/secret/x"), 500, "internal_error")
    assert replica.app.arrivals == []


def test_script_that_cannot_be_read_keeps_envoy_from_starting(unstarted: Lab) -> None:
    unstarted.driver.write(unstarted.table())
    _edit_script(unstarted, lambda script: script + "\nend end end")
    process = start_gateway(unstarted.driver, unstarted.folder)
    try:
        assert process.wait(5) > 0
    finally:
        stop(process)


def test_route_without_a_context_is_closed(lab: Lab) -> None:
    replica = lab.replica()
    lab.apply(route("secret", replica))
    _edit_routes(lab, lambda listed: listed.pop("typed_per_filter_config"))
    for headers in (BEARER, {}):
        assert lab.get("/default/secret/x", headers).status in (401, 500)
    assert replica.app.arrivals == []


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"public": "true"},
        {"public": 1},
        {"public": False},
        {"public": None},
        {"public": {"public": True}},
        {A_DIGEST: True},
        {A_DIGEST: ""},
        {A_DIGEST: 1},
        {A_DIGEST: None},
        {A_DIGEST: {"principal": "ada"}},
        {A_DIGEST.upper(): "ada"},
    ],
)
def test_context_of_another_shape_is_closed(lab: Lab, context: dict[str, Any]) -> None:
    replica = lab.replica()
    lab.apply(route("secret", replica))
    _edit_routes(lab, lambda listed: listed["typed_per_filter_config"]["token_check"].update(filter_context=context))
    for headers in (BEARER, {}, {"authorization": "Bearer public"}):
        assert lab.get("/default/secret/x", headers).status in (401, 500)
    assert replica.app.arrivals == []


def test_envoy_ends_with_the_process_that_runs_it(unstarted: Lab) -> None:
    unstarted.start()
    envoy = _child_of(unstarted)
    assert unstarted.process is not None
    unstarted.process.kill()
    unstarted.process.wait()
    wait_until(lambda: not Path(f"/proc/{envoy}/stat").exists() or _state_of(envoy) == "Z")


def test_end_of_envoy_ends_the_process_that_runs_it(unstarted: Lab) -> None:
    unstarted.start()
    os.kill(_child_of(unstarted), signal.SIGKILL)
    assert unstarted.process is not None
    assert unstarted.process.wait(5) == 128 + signal.SIGKILL


def test_missing_binary_is_told_in_one_line() -> None:
    ended = subprocess.run([*WATCHER, "/nowhere.sock", "1", "/nowhere/envoy"], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: Envoy cannot be started: ") and ended.stderr.count("\n") == 1


def test_envoy_that_does_not_answer_is_ended_without_waiting(tmp_path: Path) -> None:
    started = tmp_path / "started"
    stuck = [sys.executable, "-c", f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(60)"]
    watcher = subprocess.Popen([*WATCHER, "/nowhere.sock", "30", *stuck])
    wait_until(started.exists)
    watcher.terminate()
    assert watcher.wait(5) == 128 + signal.SIGTERM


def _edit_script(lab: Lab, edit: Callable[[str], str]) -> None:
    file = next(lab.folder.glob("bootstrap-*.json"))
    bootstrap = json.loads(file.read_bytes())
    filters = bootstrap["static_resources"]["listeners"][1]["filter_chains"][0]["filters"][0]["typed_config"]
    check = next(one for one in filters["http_filters"] if one["name"] == "token_check")["typed_config"]
    edited = edit(check["default_source_code"]["inline_string"])
    assert edited != check["default_source_code"]["inline_string"]
    check["default_source_code"]["inline_string"] = edited
    file.write_text(json.dumps(bootstrap))


def _edit_routes(lab: Lab, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change every route but the last, as no driver would write it, and wait until Envoy goes by it."""
    file = lab.folder / "routes.json"
    content = json.loads(file.read_bytes())
    for listed in content["resources"][0]["virtual_hosts"][0]["routes"][:-1]:
        edit(listed)
    content["version_info"] = "edited"
    edited = file.with_suffix(".edited")
    edited.write_text(json.dumps(content))
    edited.replace(file)
    # Neither version is whole now, so the driver reports none.
    wait_until(lambda: lab.driver.applied_version() is None)


def _child_of(lab: Lab) -> int:
    assert lab.process is not None
    children = Path(f"/proc/{lab.process.pid}/task/{lab.process.pid}/children").read_text().split()
    assert len(children) == 1
    return int(children[0])


def _state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]

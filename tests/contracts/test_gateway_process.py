"""Every gateway as a process: how it starts, ends, fails, and comes back."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway_lab import DRIVERS, Answer, Lab, idle_lab, raw, request_bytes, route, running_lab, start_gateway, stop
from waiting import wait_until


@pytest.fixture(params=DRIVERS)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab of its own for each test, with a running gateway."""
    with running_lab(request.param) as lab:
        yield lab


@pytest.fixture(params=DRIVERS)
def unstarted(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab whose gateway has not been started."""
    with idle_lab(request.param) as lab:
        yield lab


def test_silent_gateway_has_no_version_and_is_not_ready(unstarted: Lab) -> None:
    assert unstarted.driver.applied_version() is None
    assert not unstarted.driver.is_ready()
    assert unstarted.driver.stats() == {}
    unstarted.driver.write(unstarted.table())
    assert unstarted.driver.applied_version() is None


@pytest.mark.parametrize("taken", ["api_port", "endpoints_port"])
def test_taken_port_ends_the_gateway_soon(unstarted: Lab, taken: str) -> None:
    unstarted.driver.write(unstarted.table())
    log = unstarted.sockets / "log"
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", getattr(unstarted, taken)))
        holder.listen()
        process = start_gateway(unstarted.driver, unstarted.folder, log=log)
        try:
            assert process.wait(5) > 0
        finally:
            stop(process)
    assert "in use" in log.read_text()


def test_two_gateways_never_share_a_port(lab: Lab) -> None:
    other = start_gateway(lab.driver, lab.folder)
    try:
        assert other.wait(5) > 0
    finally:
        stop(other)


def test_command_changes_only_with_what_is_fixed_at_the_start(unstarted: Lab) -> None:
    table = unstarted.table(route("digits"))
    unstarted.driver.write(table)
    command = unstarted.driver.command()
    assert Path(command.argv[0]).is_absolute()
    unstarted.driver.write(replace(table, endpoints=(route("other", public=True),), control_plane="tcp:127.0.0.1:1"))
    assert unstarted.driver.command() == unstarted.open_driver().command() == command
    for moved in (replace(table, host="127.0.0.2"), replace(table, api_port=1), replace(table, endpoints_port=2)):
        unstarted.driver.write(moved)
        assert unstarted.driver.command() != command


def test_gateway_that_listens_elsewhere_does_not_report_the_version(lab: Lab) -> None:
    moved = replace(lab.table(), endpoints_port=lab.endpoints_port + 1)
    version = lab.driver.write(moved)
    time.sleep(0.3)
    assert lab.driver.applied_version() != version
    assert lab.driver.is_ready()
    lab.apply()


def test_requests_in_flight_are_finished_on_sigterm(lab: Lab) -> None:
    replica = lab.replica()
    lab.apply(route("digits", replica))
    answers: list[Answer] = []
    client = threading.Thread(
        target=lambda: answers.append(lab.get("/default/digits/sleep?800", method="POST", body=b"x"))
    )
    idle = socket.create_connection(("127.0.0.1", lab.endpoints_port))
    client.start()
    wait_until(lambda: replica.app.arrivals)
    begun_s = time.monotonic()
    assert lab.process is not None
    assert stop(lab.process) == 0
    client.join()
    idle.close()
    assert answers[0].status == 200
    assert time.monotonic() - begun_s < 3
    with pytest.raises(ConnectionRefusedError):
        lab.get("/default/digits/x")


def test_second_signal_does_not_wait_for_requests_in_flight(lab: Lab) -> None:
    replica = lab.replica()
    lab.apply(route("digits", replica))
    client = threading.Thread(
        target=raw, args=(lab.endpoints_port, request_bytes("/default/digits/sleep?20000")), daemon=True
    )
    client.start()
    wait_until(lambda: replica.app.arrivals)
    assert lab.process is not None
    lab.process.terminate()
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not _accepts(lab.endpoints_port))
    assert lab.process.poll() is None, "it waits for the request"
    lab.process.terminate()
    assert lab.process.wait(3) == 0
    client.join()


def test_killed_gateway_comes_back_with_the_table_it_had(lab: Lab) -> None:
    version = lab.apply(route("digits", lab.replica()))
    assert lab.process is not None
    os.killpg(lab.process.pid, signal.SIGKILL)
    lab.process.wait()
    wait_until(lambda: not _accepts(lab.endpoints_port))
    assert lab.driver.applied_version() is None
    begun_s = time.monotonic()
    lab.process = start_gateway(lab.open_driver(), lab.folder)
    wait_until(lab.driver.is_ready)
    assert time.monotonic() - begun_s < 3
    assert lab.driver.applied_version() == version
    assert lab.get("/default/digits/x").status == 200


def test_truncated_files_change_nothing_and_are_mended_by_the_next_write(lab: Lab) -> None:
    endpoint = route("digits", lab.replica())
    version = lab.apply(endpoint)
    files = [file for file in lab.folder.glob("*.json") if not file.name.startswith(("bootstrap", "start"))]
    whole = {file: file.read_bytes() for file in files}
    for share in (0.0, 0.5, 0.99):
        for file, content in whole.items():
            cut = file.with_suffix(".cut")
            cut.write_bytes(content[: int(len(content) * share)])
            cut.replace(file)
        for _ in range(4):
            time.sleep(0.04)
            assert lab.get("/default/digits/x").status == 200
    assert lab.driver.write(lab.table(endpoint)) == version
    assert {file: file.read_bytes() for file in files} == whole
    lab.apply(endpoint, route("more", lab.replica()))
    assert lab.get("/default/more/x").status == 200


@pytest.mark.parametrize("host", ["localhost", "::1", "0.0.0.0"])
def test_gateway_listens_where_the_table_says(unstarted: Lab, host: str) -> None:
    if host == "::1" and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    unstarted.driver.write(replace(unstarted.table(), host=host))
    unstarted.process = start_gateway(unstarted.driver, unstarted.folder)
    wait_until(unstarted.driver.is_ready)
    for port in (unstarted.api_port, unstarted.endpoints_port):
        with socket.create_connection((host, port), timeout=2):
            pass


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True

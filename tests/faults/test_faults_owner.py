"""Two servers for one data folder, or for one port: the second says so and leaves nothing behind."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cloud_lab import GATEWAYS, LEPTON, CloudLab, cloud_lab, repetitions

SECOND_BOUND_S = 2.0
PORT_BOUND_S = 3.0


@pytest.mark.parametrize("lab", GATEWAYS[:1], indirect=True)
def test_second_server_on_a_folder_ends_soon_and_names_the_first(lab: CloudLab) -> None:
    lab.wait_until_settled()
    first = lab.server()
    assert first is not None
    everything = lab.pids()
    for words in (["up"], ["up", "--detach"]):
        result, took_s = lab.timed(*words)
        if took_s > SECOND_BOUND_S:  # others use this machine too
            result, took_s = lab.timed(*words)
        assert took_s <= SECOND_BOUND_S
        assert result.returncode == 1
        assert one_error(result)
        assert f"process {first.pid}" in result.stderr
        assert str(lab.data_dir) in result.stderr
        assert lab.pids() == everything
        print(f"`lepton {' '.join(words)}` on a folder in use ended after {took_s:.2f} s")
    assert lab.api("GET", "/status").status == 200


def test_of_two_servers_started_at_once_one_wins() -> None:
    with cloud_lab(start=False) as lab:
        for _ in range(repetitions(1, 20)):
            starts = [start(lab) for _ in range(2)]
            outputs = [process.communicate(timeout=60)[1] for process in starts]
            codes = sorted(process.returncode for process in starts)
            assert codes == [0, 1], outputs
            server = lab.server()
            assert server is not None
            assert len(lab.census("server")) == 1
            assert lab.api("GET", "/status").status == 200
            assert len(lab.census("supervisor")) == 1  # one gateway
            lab.ok("down")
            assert not lab.census()


def test_taken_port_is_told_in_one_line_and_nothing_is_left_behind() -> None:
    with cloud_lab(start=False, timed=True) as lab:
        with listening(lab.port):
            assert_port_refused(lab, lab.port, lab.lepton("up", "--detach"))
        with listening(lab.endpoints_port):
            result, took_s = lab.timed("up")
            if took_s > PORT_BOUND_S:  # others use this machine too
                result, took_s = lab.timed("up")
            assert_port_refused(lab, lab.endpoints_port, result)
        assert took_s <= PORT_BOUND_S
        print(f"`lepton up` at a taken port ended after {took_s:.2f} s")
        lab.up()
        assert lab.api("GET", "/status").status == 200


def assert_port_refused(lab: CloudLab, port: int, result: "subprocess.CompletedProcess[str]") -> None:
    """Whether a start said that a port is taken, and left nothing behind."""
    assert result.returncode == 1
    assert one_error(result)
    assert f"port {port} on 127.0.0.1 cannot be used: address already in use" in result.stderr
    assert not lab.census()
    assert not lab.socket_files()
    assert not lab.folders.server_record.exists()


def start(lab: CloudLab) -> "subprocess.Popen[str]":
    """`lepton up --detach`, not waited for."""
    return subprocess.Popen(
        [LEPTON, "up", "--detach"],
        env=lab.environment,
        cwd=lab.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def listening(port: int) -> Iterator[None]:
    """Somebody else listens on a port."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        yield


def one_error(result: "subprocess.CompletedProcess[str]") -> bool:
    """Whether a command ended with one error and one hint, and nothing else."""
    kinds = [line.partition(": ")[0] for line in result.stderr.splitlines()]
    return kinds == ["error", "hint"] and result.stdout == ""

"""The socket of a replica: private, never somebody else's, and gone afterwards."""

import asyncio
import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from lepton_ai.core.errors import Conflict, InvalidInput
from lepton_ai.platform.model_management.serving.listener import address_of, listening_socket
from lepton_ai.platform.model_management.serving.whole_answers import _Gathering


@pytest.fixture
def folder():
    # pytest's own folders can be longer than the path of a Unix socket may be.
    path = Path(tempfile.mkdtemp(prefix="lepton-"))
    yield path
    shutil.rmtree(path)


def test_a_unix_socket_is_for_its_user_alone_and_gone_afterwards(folder):
    path = folder / "a.sock"
    with listening_socket(f"unix:{path}") as bound:
        assert oct(path.stat().st_mode & 0o777) == "0o600"
        assert address_of(bound) == f"unix:{path}"
    assert not path.exists()


def test_a_file_left_by_a_process_that_is_gone_is_replaced(folder):
    path = folder / "a.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))
    assert path.exists()
    with listening_socket(f"unix:{path}") as bound:
        bound.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_a_socket_on_which_somebody_answers_is_left_alone(folder):
    path = folder / "a.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(Conflict, match="another process answers there"), listening_socket(f"unix:{path}"):
            pass
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_a_file_that_is_no_socket_is_left_alone(folder):
    path = folder / "a.sock"
    path.write_text("precious")
    with pytest.raises(Conflict, match="something else than a socket"), listening_socket(f"unix:{path}"):
        pass
    assert path.read_text() == "precious"


def test_a_successors_socket_is_not_removed(folder):
    path = folder / "a.sock"
    with listening_socket(f"unix:{path}"), socket.socket(socket.AF_UNIX) as successor:
        successor.bind(str(folder / "b.sock"))
        os.replace(folder / "b.sock", path)
    assert path.exists()


def test_the_system_chooses_a_port_for_zero():
    with listening_socket("tcp:127.0.0.1:0") as bound:
        port = bound.getsockname()[1]
        assert port > 0
        assert address_of(bound) == f"tcp:127.0.0.1:{port}"


def test_a_port_that_is_taken_is_refused():
    with (
        listening_socket("tcp:127.0.0.1:0") as bound,
        pytest.raises(Conflict, match="Address already in use"),
        listening_socket(address_of(bound)),
    ):
        pass


@pytest.mark.parametrize(
    "address",
    [
        "",
        "8080",
        "unix:relative.sock",
        "unix:/" + "x" * 108,
        "tcp:0.0.0.0:80",
        "tcp:127.0.0.1:99999",
        "tcp:127.0.0.1:-1",
        "tcp:example.com:80",
        "http://127.0.0.1:80",
    ],
)
def test_anything_but_a_private_address_is_refused(address):
    with pytest.raises(InvalidInput), listening_socket(address):
        pass


def test_a_folder_that_is_not_there_is_named(folder):
    with pytest.raises(Conflict, match="No such file"), listening_socket(f"unix:{folder}/no/a.sock"):
        pass


def test_head_and_body_of_an_answer_leave_in_one_write():
    """A replica killed between the two would have begun an answer that cannot be repeated elsewhere."""

    class Wire(asyncio.Transport):
        def __init__(self):
            super().__init__()
            self.writes = []
            self.closed = False

        def write(self, data):
            self.writes.append(bytes(data))

        def close(self):
            self.closed = True

    async def talk():
        wire = Wire()
        gathering = _Gathering(wire, asyncio.get_running_loop())
        gathering.write(b"HTTP/1.1 200 OK; ")
        assert wire.writes == []
        gathering.write(b"body")
        assert wire.writes == [b"HTTP/1.1 200 OK; body"]
        gathering.write(b"HTTP/1.1 204 No Content; ")
        await asyncio.sleep(0)
        assert wire.writes[1:] == [b"HTTP/1.1 204 No Content; "], "a head alone waits one turn and no longer"
        gathering.write(b"HTTP/1.1 400 Bad Request; ")
        gathering.close()
        assert (wire.writes[-1], wire.closed) == (b"HTTP/1.1 400 Bad Request; ", True)

    asyncio.run(talk())

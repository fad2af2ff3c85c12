"""Whatever goes wrong at the command line: an exit code that says what kind, one line that says what, no traceback."""

import http.server
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import pytest

from cloud_lab import LEPTON, CloudLab
from waiting import wait_until

READS = (
    ("model", "list"),
    ("model", "show", "numbers"),
    ("model", "versions", "numbers"),
    ("endpoint", "list"),
    ("endpoint", "show", "numbers"),
    ("status",),
    ("whoami",),
)


def assert_told(result: "subprocess.CompletedProcess[str]", code: int) -> str:
    """Check how a command failed; returns what it said."""
    assert result.returncode == code, result.stderr
    lines = result.stderr.splitlines()
    assert lines[0].startswith("error: ") and len(lines[0]) > 15, result.stderr
    assert all(line.startswith("hint: ") for line in lines[1:]), result.stderr
    assert "internal fault" not in result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    return result.stderr


def test_without_a_server_commands_say_how_to_start_one(lab: CloudLab) -> None:
    empty = {"LEPTON_DATA_DIR": str(lab.root / "empty"), "LEPTON_PORT": "1"}
    for result in (lab.shell("model", "list", **empty), lab.lepton("whoami", **empty)):
        assert "lepton up" in assert_told(result, 1)


CODES: dict[tuple[str, ...], int] = {
    ("endpoint", "show", "absent"): 3,
    ("endpoint", "predict", "absent", "[[1]]"): 3,
    ("endpoint", "logs", "absent"): 3,
    ("endpoint", "remove", "absent"): 3,
    ("endpoint", "logs", "numbers", "--replica", "rep-0"): 3,
    ("model", "show", "absent"): 3,
    ("model", "show", "numbers:9"): 3,
    ("model", "card", "numbers"): 3,
    ("model", "report", "numbers"): 3,
    ("model", "remove", "absent", "--all"): 3,
    ("deploy", "absent"): 3,
    ("deploy", "numbers@absent", "--name", "other"): 3,
    ("deploy", "numbers", "--name", "Bad Name"): 1,
    ("deploy", "numbers"): 1,
    ("model", "show", "a/b"): 1,
    ("model", "remove", "numbers"): 1,
    ("model", "remove", "numbers:1"): 1,
    ("endpoint", "update", "numbers"): 1,
    ("endpoint", "predict", "numbers", "no json"): 1,
    ("endpoint", "predict", "numbers", '{"rows": 1}'): 1,
    ("endpoint", "predict", "numbers", "[[1, 2, 3]]"): 1,
    ("endpoint", "predict", "numbers", '[["a", "b", "c", "d"]]'): 1,
    ("model", "push", ".", "x"): 1,
    ("endpoint", "predict", "numbers"): 2,
    ("endpoint", "shwo", "numbers"): 2,
    ("model", "push", "absent-folder", "x"): 2,
    ("deploy", "numbers", "--min-replicas", "65"): 2,
    ("nonsense",): 2,
    ("up", "--port", "99999"): 1,
    ("up", "--gateway", "nginx"): 1,
}


def test_exit_codes_tell_the_kind_of_error(lab: CloudLab) -> None:
    for words, code in CODES.items():
        assert_told(lab.shell(*words), code)
    for words in (("endpoint", "show", "absent"), ("nonsense",)):
        assert_told(lab.lepton(*words), CODES[words])


def test_wrong_token_is_told_as_denied(lab: CloudLab) -> None:
    url = f"http://127.0.0.1:{lab.port}/api/v2/workspaces/default"
    for words in READS:
        result = lab.shell(*words, LEPTON_WORKSPACE_URL=url, LEPTON_WORKSPACE_TOKEN="lep_wrong")
        assert "lep_wrong" not in assert_told(result, 4)
    other = {"LEPTON_WORKSPACE_URL": url.replace("default", "other"), "LEPTON_WORKSPACE_TOKEN": lab.token}
    assert_told(lab.shell("model", "list", **other), 3)
    assert_told(lab.shell("model", "list", LEPTON_WORKSPACE_URL=url), 1)  # a URL, and no token


class Stranger(http.server.BaseHTTPRequestHandler):
    """A server that is no Lepton server."""

    answer: ClassVar[tuple[int, str, bytes, dict[str, str]]]

    def do_GET(self) -> None:
        status, kind, body, headers = self.answer
        self.send_response(status)
        self.send_header("content-type", kind)
        for name, value in headers.items():
            self.send_header(name, value)
        if "content-length" not in headers:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def stranger(status: int, kind: str, body: bytes, headers: dict[str, str]) -> Iterator[str]:
    """The address of a server that always gives one answer."""
    handler = type("Answering", (Stranger,), {"answer": (status, kind, body, headers)})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/api/v2/workspaces/default"
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    "answer",
    [
        (200, "text/html", b"<html><body>Welcome to nginx!</body></html>", {}),
        (404, "text/html", b"<html>Not Found</html>", {}),
        (500, "text/html", b"<html>Oops</html>", {}),
        (200, "application/json", b"", {}),
        (200, "application/json", b"null", {}),
        (200, "application/json", b"[1, 2]", {}),
        (200, "application/json", b'{"a": 1}', {}),
        (200, "application/json", b'[{"name": "x"}]', {}),
        (200, "application/json", b'"', {}),
        (404, "application/json", b"[]", {}),
        (400, "application/json", b'{"detail": {"x": 1}, "code": 7}', {}),
        (200, "application/json", b"[]", {"content-length": "500"}),
        (302, "text/html", b"", {"location": "/login"}),
        (204, "text/plain", b"", {}),
    ],
    ids=lambda answer: f"{answer[0]} {answer[2][:20]!r}",
)
def test_server_that_is_no_lepton_server_is_told_as_such(
    lab: CloudLab, answer: tuple[int, str, bytes, dict[str, str]]
) -> None:
    with stranger(*answer) as url:
        commands = (("model", "list"), ("endpoint", "show", "numbers"), ("whoami",))
        for words in commands:
            result = lab.shell(*words, LEPTON_WORKSPACE_URL=url, LEPTON_WORKSPACE_TOKEN="x")
            assert_told(result, 3 if answer[0] == 404 else 1)


def test_settings_that_are_wrong_are_named_with_their_place(lab: CloudLab) -> None:
    broken = lab.root / "broken.toml"
    for text in ("port = ", "colour = 'red'", "port = 'many'", "\x00"):
        broken.write_text(text)
        result = lab.shell("status", LEPTON_CONFIG=str(broken), LEPTON_PORT="")
        assert str(broken) in assert_told(result, 1)
    assert "LEPTON_PORT" in assert_told(lab.lepton("status", LEPTON_PORT="many"), 1)


def test_data_folder_that_cannot_be_made_is_told(lab: CloudLab) -> None:
    file = lab.root / "file"
    file.write_text("")
    for folder in (file, file / "cloud", "/proc/cloud", "/dev/null"):
        detached = lab.shell("up", "--detach", LEPTON_DATA_DIR=str(folder))
        assert str(folder) in assert_told(detached, 1)
    assert str(file) in assert_told(lab.lepton("up", LEPTON_DATA_DIR=str(file)), 1)


@pytest.mark.parametrize("words", [("model", "list"), ("endpoint", "events", "numbers"), ("config",), ("--help",)])
def test_reader_that_has_gone_is_no_reason_to_complain(lab: CloudLab, words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [LEPTON, *words], env=lab.environment, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert result.stderr == ""
    assert result.returncode == 1


def test_ctrl_c_while_following_a_log_ends_it_quietly(lab: CloudLab) -> None:
    with subprocess.Popen(
        [LEPTON, "endpoint", "logs", "numbers", "--follow"],
        env=lab.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert '"event":"ready"' in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        wait_until(lambda: process.poll() is not None, 30)
        assert process.stderr is not None
        assert process.stderr.read().strip() == ""  # an end of line, after the ^C that a terminal shows
    assert process.returncode == 130

"""Volumes, buckets, key-value namespaces, queues and photons by the published client that has them: 0.27.3."""

import subprocess
from pathlib import Path

import pytest

from conftest import LepClient

COUNTER = """
from leptonai.photon import Photon


class Counter(Photon):
    requirement_dependency = ["numpy"]

    def init(self):
        self.count = 0

    @Photon.handler
    def add(self, n: int) -> int:
        self.count += n
        return self.count
"""


@pytest.fixture
def classic(lep: LepClient) -> LepClient:
    """The client of the version that has these commands."""
    if lep.version != "0.27.3":
        pytest.skip("later clients have no such commands")
    return lep


@pytest.fixture
def note(classic: LepClient) -> Path:
    """A file to send."""
    path = classic.home / "note.txt"
    path.write_text("hello\n")
    return path


def test_file_goes_up_is_listed_comes_down_and_goes(classic: LepClient, note: Path) -> None:
    root = classic.lab.folders.volumes / "default" / "default"
    classic.ok("storage", "mkdir", "/m")
    assert (root / "m").is_dir()
    classic.ok("storage", "upload", str(note), "/m/")
    assert (root / "m" / "note.txt").read_text() == "hello\n"
    assert "note.txt" in classic.ok("storage", "ls", "/m")
    classic.ok("storage", "download", "/m/note.txt", str(classic.home / "back.txt"))
    assert (classic.home / "back.txt").read_text() == "hello\n"
    assert "6.0B" in classic.ok("storage", "du")
    assert "default" in classic.ok("storage", "ls-file-system")
    classic.ok("storage", "rm", "/m/note.txt")
    classic.ok("storage", "rmdir", "/m")
    assert not (root / "m").exists()
    assert classic.run("storage", "ls", "/m").returncode == 1
    assert classic.run("storage", "ls", "/../..").returncode == 1


def test_values_are_put_read_and_removed(classic: LepClient) -> None:
    classic.ok("kv", "create", "-n", "one")
    assert "one" in classic.ok("kv", "list")
    classic.ok("kv", "putkey", "-n", "one", "-k", "a", "-v", "b")
    assert "b'b'" in classic.ok("kv", "getkey", "-n", "one", "-k", "a")
    classic.ok("kv", "deletekey", "-n", "one", "-k", "a")
    assert classic.lab.api("GET", "/kv/namespaces/one/keys").json == {"keys": [], "cursor": None}
    classic.ok("kv", "remove", "-n", "one")
    assert "one" not in classic.ok("kv", "list")
    assert classic.run("kv", "create", "-n", " ").returncode != 0  # a ghost that nobody could remove
    assert classic.lab.api("GET", "/kv/namespaces").json == []


def test_messages_are_sent_and_received(classic: LepClient) -> None:
    classic.ok("queue", "create", "-n", "letters")
    classic.ok("queue", "send", "-n", "letters", "-m", "hi")
    assert "1" in classic.ok("queue", "list")
    assert "hi" in classic.ok("queue", "receive", "-n", "letters")
    classic.ok("queue", "remove", "-n", "letters")
    assert "letters" not in classic.ok("queue", "list")


@pytest.mark.parametrize("public", [False, True], ids=["private", "public"])
def test_objects_are_put_read_and_removed(classic: LepClient, note: Path, public: bool) -> None:
    where = ["--public"] if public else []
    classic.ok("objectstore", "put", "-k", "a/b.txt", "-f", str(note), *where)
    assert "a/b.txt" in classic.ok("objectstore", "list", *where)
    assert "hello" in classic.ok("objectstore", "cat", "-k", "a/b.txt", *where)
    classic.ok("objectstore", "get", "-k", "a/b.txt", "-f", str(classic.home / "got.txt"), *where)
    assert (classic.home / "got.txt").read_text() == "hello\n"
    assert "/objects/default/" in classic.ok("objectstore", "get", "-k", "a/b.txt", "-u", *where)
    classic.ok("objectstore", "delete", "-k", "a/b.txt", *where)
    assert "No objects found" in classic.ok("objectstore", "list", *where)


def test_photon_is_pushed_shown_fetched_deployed_and_removed(classic: LepClient) -> None:
    (classic.home / "counter.py").write_text(COUNTER)
    classic.ok("photon", "create", "-n", "counter", "-m", "py:counter.py:Counter")
    classic.ok("photon", "push", "-n", "counter")
    [pushed] = classic.lab.api("GET", "/photons/private").json
    assert pushed["requirement_dependency"] == ["numpy"]
    assert pushed["id"] in classic.ok("photon", "list")
    assert "Counter_addPostInput" in classic.ok("photon", "metadata", "-n", "counter")
    fetched = classic.home / "fetched.photon"
    classic.ok("photon", "fetch", "-i", pushed["id"], "-f", str(fetched))
    assert classic.lab.api("GET", f"/photons/private/{pushed['id']}/content").body == fetched.read_bytes()
    classic.ok("deployment", "create", "-n", "counter", "--photon", "counter")
    shown = classic.lab.api("GET", "/deployments/counter").json
    assert (shown["spec"]["photon_id"], shown["status"]["reason"]) == (pushed["id"], "photon_not_run")
    assert "counter" in classic.ok("deployment", "list")
    classic.ok("deployment", "remove", "-n", "counter")
    classic.ok("photon", "remove", "-n", "counter", "--all")
    assert classic.lab.api("GET", "/photons/private").json == []


def test_clients_own_tests_of_its_stores_pass(classic: LepClient) -> None:
    """They ship in its wheel, and wait ten seconds for each namespace."""
    found = subprocess.run(
        [str(classic.python), "-c", "import leptonai; print(leptonai.__path__[0])"],
        env=classic.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    tests = Path(found.stdout.splitlines()[-1]) / "tests"
    files = [str(tests / f"test_{name}.py") for name in ("kv", "queue", "objectstore")]
    command = [str(classic.python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", *files]
    done = subprocess.run(
        command, env=classic.environment, cwd=tests, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in done.stdout, done.stdout

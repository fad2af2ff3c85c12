"""Volumes: files and folders below a root that no path, link or race leads out of."""

import itertools
import os
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_lab import repetitions
from lepton_ai.core.errors import Conflict, InvalidInput, LeptonError, NotFound
from lepton_ai.infrastructure.storage.volumes.paths import INCOMING, parse_path
from lepton_ai.infrastructure.storage.volumes.records import EntryKind
from lepton_ai.infrastructure.storage.volumes.tree import FolderTree

SECRET = b"outside"

EVIL = [
    *("..", "../", "../outside", "../outside/secret", "/../outside/secret", "a/../../outside/secret"),
    *("....//....//outside/secret", "..;/outside/secret", "..\\outside\\secret", "a\\..\\..\\outside", "~root/.ssh"),
    *("%2e%2e/outside/secret", "..%2foutside%2fsecret", "%252e%252e/outside", "..%c0%afoutside", "..%00/outside"),
    *("/etc/passwd", "//etc/passwd", "///", "/", "", ".", "./", "./..", "a/./b", "a/.", "file:///etc/passwd"),
    *("C:\\windows\\win.ini", "\\\\server\\share", "\x00", "a\x00b", "a/\x00/../b", "secret\x00.txt", "a\nb", "\x7f"),
    *("link/secret", "link", "link/../outside/secret", "chain/secret", "up/outside/secret", "absolute/secret"),
    *("secret-link", "dangling", "loop", "loop/a", "pipe", "socket", "file/a", "file/..", "folder", "folder/inner"),
    *(f"{INCOMING}", f"{INCOMING}/x", f"{INCOMING}/../a", f"folder/{INCOMING}", f"./{INCOMING}"),
    *(
        "a" * 300,
        "a/" * 200,
        "é" * 128,
        "\u202e",
        "\ud800",
        "😀",
        " ",
        "   /x",
        "-rf",
        "*",
        "$(id)",
        "`id`",
        "|",
        "#x",
        "?x",
    ),
]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_bytes(SECRET)
    return folder


@pytest.fixture
def tree(tmp_path: Path, outside: Path) -> Iterator[FolderTree]:
    """A volume with a file, a folder, and every trick that somebody who may write into it can plant there."""
    root = tmp_path / "volume"
    (root / "folder").mkdir(parents=True)
    (root / "file").write_bytes(b"inside")
    (root / "folder" / "inner").write_bytes(b"inner")
    (root / "link").symlink_to(outside)
    (root / "up").symlink_to("..")
    (root / "absolute").symlink_to(outside.absolute())
    (root / "chain").symlink_to("link")
    (root / "secret-link").symlink_to("../outside/secret")
    (root / "dangling").symlink_to(outside / "made")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(root)  # a socket's path may have 108 bytes
        listener.bind("socket")
        os.chdir(here)
        yield FolderTree(root)


def attack(tree: FolderTree, path: str) -> None:
    """Do everything that a path can be given to."""

    def read(names: tuple[str, ...]) -> None:
        file, _ = tree.open(names)
        with file:
            assert file.read() != SECRET

    def write(names: tuple[str, ...]) -> None:
        writer = tree.writer(names)
        try:
            writer.write(b"x")
            writer.commit()
        finally:
            writer.abort()

    def remove(names: tuple[str, ...]) -> None:
        tree.remove(names, with_contents=True)

    for act in (tree.find, tree.entries, read, write, tree.make_folder, remove):
        try:
            act(parse_path(path))
        except LeptonError:
            continue


def assert_untouched(outside: Path) -> None:
    assert [entry.name for entry in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_bytes() == SECRET
    assert sorted(entry.name for entry in outside.parent.iterdir()) == ["outside", "volume"]


@pytest.mark.parametrize("path", EVIL, ids=ascii)
def test_no_path_of_the_collection_leads_out(tree: FolderTree, outside: Path, path: str) -> None:
    attack(tree, path)
    assert_untouched(outside)


WORDS = """.. . / \\ // %2e %2f %00 ..; ~ link up chain secret outside folder file inner absolute dangling loop pipe
socket secret-link a etc passwd \u2024 \uff0e"""
PIECES = st.sampled_from([*WORDS.split(), "\x00", " "])


@settings(max_examples=repetitions(300, 5000), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(PIECES | st.text(max_size=4), min_size=1, max_size=12), slashes=st.booleans())
def test_no_path_that_can_be_thought_of_leads_out(
    tree: FolderTree, outside: Path, parts: list[str], slashes: bool
) -> None:
    attack(tree, ("/" if slashes else "").join(parts))
    assert_untouched(outside)


def test_folder_that_is_swapped_for_a_link_all_the_time_never_leads_out(tree: FolderTree, outside: Path) -> None:
    root = outside.parent / "volume"
    stop = threading.Event()

    def swap() -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            # The attacks make and remove things there, too: what fails now works the next time.
            for step in (
                lambda: (root / "swap").mkdir(),
                lambda number=number: (root / "swap").rename(root / f"old-{number}"),
                lambda: (root / "swap").symlink_to(outside),
                lambda: (root / "swap").unlink(),
            ):
                with suppress(OSError):
                    step()

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for number in range(repetitions(300, 10_000)):
            attack(tree, f"swap/{random.choice(['secret', f'new-{number}', 'deep/er'])}")
    finally:
        stop.set()
        swapper.join()
    assert_untouched(outside)


def test_links_are_shown_and_can_be_removed_but_lead_nowhere(tree: FolderTree, outside: Path) -> None:
    shown = {entry.name: entry.kind for entry in tree.entries(())}
    assert shown["link"] is EntryKind.FILE
    assert shown["folder"] is EntryKind.FOLDER
    with pytest.raises(NotFound, match="link"):
        tree.open(("secret-link",))
    with pytest.raises(NotFound):
        tree.entries(("link",))
    with pytest.raises(Conflict):
        tree.writer(("link", "new"))
    tree.remove(("link",), with_contents=True)
    tree.remove(("secret-link",))
    assert tree.find(("link",)) is None
    assert_untouched(outside)


def test_upload_in_the_place_of_a_link_replaces_the_link(tree: FolderTree, outside: Path) -> None:
    writer = tree.writer(("secret-link",))
    writer.write(b"mine")
    assert writer.commit() == 4
    file, size = tree.open(("secret-link",))
    with file:
        assert (file.read(), size) == (b"mine", 4)
    assert_untouched(outside)


def test_file_appears_when_it_is_committed_and_not_before(tree: FolderTree) -> None:
    writer = tree.writer(("new", "folders", "file"))
    writer.write(b"one ")
    assert tree.find(("new",)) is None
    writer.write(b"two")
    assert writer.commit() == 7
    writer.abort()
    file, _ = tree.open(("new", "folders", "file"))
    with file:
        assert file.read() == b"one two"


def test_upload_that_is_given_up_leaves_nothing(tree: FolderTree, tmp_path: Path) -> None:
    writer = tree.writer(("given-up",))
    writer.write(b"x")
    writer.abort()
    assert tree.find(("given-up",)) is None
    assert list((tmp_path / "volume" / INCOMING).iterdir()) == []
    assert INCOMING not in [entry.name for entry in tree.entries(())]


def test_uploads_of_a_killed_server_are_swept(tree: FolderTree, tmp_path: Path) -> None:
    writer = tree.writer(("killed",))
    writer.write(b"x" * 1000)
    tree.remove_incoming()
    assert not (tmp_path / "volume" / INCOMING).exists()
    writer.abort()


@pytest.mark.parametrize(
    ("path", "error"),
    [
        (("folder",), Conflict),
        (("file", "below"), Conflict),
        ((), InvalidInput),
    ],
)
def test_upload_where_something_else_stands_is_refused_before_its_bytes(
    tree: FolderTree, path: tuple[str, ...], error: type[LeptonError]
) -> None:
    with pytest.raises(error):
        tree.writer(path)


def test_folder_with_something_in_it_is_removed_only_when_asked(tree: FolderTree) -> None:
    with pytest.raises(Conflict, match="not empty"):
        tree.remove(("folder",))
    tree.remove(("folder",), with_contents=True)
    assert tree.find(("folder",)) is None
    with pytest.raises(NotFound):
        tree.remove(("folder",))
    with pytest.raises(Conflict, match="root"):
        tree.remove((), with_contents=True)


def test_folder_is_made_with_those_above_and_twice_is_once(tree: FolderTree) -> None:
    tree.make_folder(("x", "y", "z"))
    tree.make_folder(("x", "y", "z"))
    assert tree.find(("x", "y", "z")) is EntryKind.FOLDER
    with pytest.raises(Conflict):
        tree.make_folder(("file", "x"))


def test_use_counts_files_below_the_root_alone(tmp_path: Path) -> None:
    root = tmp_path / "volume"
    (root / "a").mkdir(parents=True)
    (root / "a" / "x").write_bytes(b"x" * 1000)
    (root / "y").write_bytes(b"y" * 24)
    assert FolderTree(root).used_bytes() == 1024


def test_tree_deeper_than_can_be_walked_ends_in_a_clear_error(tmp_path: Path) -> None:
    root = tmp_path / "volume"
    root.mkdir()
    inner = os.open(root, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=inner)
        deeper = os.open("d", os.O_RDONLY, dir_fd=inner)
        os.close(inner)
        inner = deeper
    os.close(inner)
    tree = FolderTree(root)
    for act in (tree.used_bytes, lambda: tree.remove(("d",), with_contents=True)):
        try:
            act()
        except LeptonError as error:
            assert error.status < 600
    while True:  # taken apart from above, so that the system can remove what is left of the test
        if not list(root.iterdir()):
            break
        head = (root / "d").rename(tmp_path / "head")
        if (head / "d").exists():
            (head / "d").rename(root / "d")
        head.rmdir()

"""Adding data: only ordinary files, whole or not at all, whatever happens on the way."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lepton_ai.core.clock import ManualClock, SystemClock
from lepton_ai.core.errors import AlreadyExists, InvalidInput, NotFound, PermissionDenied
from lepton_ai.infrastructure.storage.datasets import Catalogue


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "a.csv").write_text("1")
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "data" / "datasets"


@pytest.fixture
def catalogue(home: Path) -> Catalogue:
    return Catalogue([home], home)


def refused(catalogue: Catalogue, path: Path) -> str:
    """The message with which adding `path` is refused; nothing may be left of it."""
    with pytest.raises(InvalidInput) as error:
        catalogue.add(path, "visits")
    assert catalogue.list() == ()
    assert not catalogue.home_folder.exists() or list(catalogue.home_folder.iterdir()) == []
    return str(error.value)


def test_link_that_leads_out_is_refused(catalogue: Catalogue, source: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    (source / "link").symlink_to(tmp_path / "secret")
    assert "leads out" in refused(catalogue, source)


def test_link_that_leads_out_by_a_detour_is_refused(catalogue: Catalogue, source: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    (source / "second").symlink_to(tmp_path / "secret")
    (source / "first").symlink_to(source / "second")
    assert "leads out" in refused(catalogue, source)


def test_link_within_the_folder_becomes_a_file(catalogue: Catalogue, source: Path) -> None:
    (source / "link").symlink_to("a.csv")
    added = catalogue.add(source, "visits")
    assert [file.name for file in added.files] == ["a.csv", "link"]
    assert not (added.folder / "link").is_symlink()
    assert (added.folder / "link").read_text() == "1"


def test_links_to_folders_and_circles_are_refused(catalogue: Catalogue, source: Path) -> None:
    (source / "round").symlink_to(source)
    assert "a link to a folder" in refused(catalogue, source)
    (source / "round").unlink()
    (source / "circle").symlink_to("circle")
    assert "circle" in refused(catalogue, source)


def test_broken_link_is_refused(catalogue: Catalogue, source: Path) -> None:
    (source / "link").symlink_to(source / "nowhere")
    assert "link" in refused(catalogue, source)


def test_devices_pipes_and_sockets_are_refused(catalogue: Catalogue, source: Path) -> None:
    assert "no ordinary file" in refused(catalogue, Path("/dev/zero"))
    os.mkfifo(source / "pipe")
    assert "pipe is no ordinary file" in refused(catalogue, source)
    (source / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(source / "socket"))
        assert "socket is no ordinary file" in refused(catalogue, source)


def test_link_named_by_the_user_is_followed(catalogue: Catalogue, source: Path, tmp_path: Path) -> None:
    (tmp_path / "shortcut").symlink_to(source)
    assert [file.name for file in catalogue.add(tmp_path / "shortcut", "visits").files] == ["a.csv"]


def test_nothing_there_and_no_files_are_told_apart(catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is nothing at"):
        catalogue.add(tmp_path / "nowhere", "visits")
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    assert "holds no files" in refused(catalogue, tmp_path / "empty")


def test_folder_that_holds_the_data_folder_is_refused(catalogue: Catalogue, source: Path, tmp_path: Path) -> None:
    assert "holds the data folder" in refused(catalogue, tmp_path)


def test_file_names_of_any_kind_survive(catalogue: Catalogue, source: Path) -> None:
    names = ["with space", "数据.csv", "new\nline", os.fsdecode(b"not-utf8-\xff")]
    for name in names:
        (source / name).write_text(name, errors="surrogateescape")
    catalogue.add(source, "visits")
    check = catalogue.show("visits")
    assert not check.changed
    assert {file.name for file in check.files} == {"a.csv", *names}


def test_progress_counts_every_byte(catalogue: Catalogue, source: Path) -> None:
    (source / "large").write_bytes(os.urandom(3_000_000))
    steps: list[int] = []
    added = catalogue.add(source, "visits", on_bytes=steps.append)
    assert sum(steps) == added.bytes == 3_000_001
    assert len(steps) > 2


def test_data_set_is_not_visible_before_it_is_whole(catalogue: Catalogue, source: Path) -> None:
    seen: list[int] = []
    catalogue.add(source, "visits", on_bytes=lambda count: seen.append(len(catalogue.list())))
    assert seen == [0]
    assert len(catalogue.list()) == 1


def test_of_two_that_add_one_name_at_once_one_is_refused(catalogue: Catalogue, source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("of the other")

    def add_other(count: int) -> None:
        catalogue.add(other, "visits")

    with pytest.raises(AlreadyExists):
        catalogue.add(source, "visits", on_bytes=add_other)
    [kept] = catalogue.list()
    assert [file.name for file in kept.files] == ["other"]
    assert [path.name for path in catalogue.home_folder.iterdir()] == ["visits"]


def test_error_on_the_way_leaves_nothing_behind(catalogue: Catalogue, source: Path) -> None:
    def interrupt(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        catalogue.add(source, "visits", on_bytes=interrupt)
    assert list(catalogue.home_folder.iterdir()) == []


def test_file_that_turns_into_a_link_meanwhile_is_not_followed(
    catalogue: Catalogue, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("s")
    (source / "b.csv").write_text("2")

    def swap(count: int) -> None:
        (source / "b.csv").unlink(missing_ok=True)
        (source / "b.csv").symlink_to(tmp_path / "secret")

    with pytest.raises(InvalidInput, match=r"b\.csv cannot be copied"):
        catalogue.add(source, "visits", on_bytes=swap)
    assert list(catalogue.home_folder.iterdir()) == []


def test_killed_while_adding_leaves_nothing_under_the_name(catalogue: Catalogue, source: Path, home: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from lepton_ai.infrastructure.storage.datasets import Catalogue\n"
        "home = Path(sys.argv[2])\n"
        "die = lambda count: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Catalogue([home], home).add(Path(sys.argv[1]), 'visits', on_bytes=die)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, source, home], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert catalogue.list() == ()
    assert len(list(home.glob(".adding-*"))) == 1
    assert catalogue.add(source, "visits").name == "visits"


def test_what_a_crash_left_is_cleared_a_day_later_and_not_before(source: Path, home: Path) -> None:
    (home / ".adding-abc" / "deep").mkdir(parents=True)
    (home / ".removed-abc" / "deep").mkdir(parents=True)
    clock = ManualClock(SystemClock().now_ms())
    catalogue = Catalogue([home], home, clock)
    catalogue.add(source, "first")
    assert sorted(path.name for path in home.iterdir()) == [".adding-abc", "first"]
    clock.advance(25 * 3600)
    catalogue.add(source, "second")
    assert sorted(path.name for path in home.iterdir()) == ["first", "second"]


def test_data_folder_that_cannot_be_made_is_named(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    home = tmp_path / "file" / "datasets"
    with pytest.raises(PermissionDenied, match="cannot be written to"):
        Catalogue([home], home).add(source, "visits")


def test_data_folder_made_on_the_way_is_private(catalogue: Catalogue, source: Path, home: Path) -> None:
    catalogue.add(source, "visits")
    assert home.parent.stat().st_mode & 0o777 == 0o700

"""The catalogue: what is found, in which order, and what is reported about it."""

import json
from pathlib import Path

import pytest

from lepton_ai.core.clock import ManualClock
from lepton_ai.core.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from lepton_ai.core.settings import Settings
from lepton_ai.infrastructure.storage.datasets import Catalogue, examples_folder, open_catalogue
from lepton_ai.infrastructure.storage.datasets_records import Description, FileState, read_record


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def named(tmp_path: Path) -> Path:
    return write(tmp_path / "named")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "data" / "datasets"


@pytest.fixture
def catalogue(tmp_path: Path, named: Path, home: Path) -> Catalogue:
    examples = write(tmp_path / "examples")
    return Catalogue([named, home, examples], home, ManualClock(1_700_000_000_000))


def test_added_file_is_found_again_with_what_was_said_about_it(catalogue: Catalogue, tmp_path: Path) -> None:
    table = write(tmp_path / "inbox", visits="a,b\n1,2\n") / "visits"
    added = catalogue.add(table, "visits", Description(title="Visits", licence="CC0 1.0", rows=1))
    assert catalogue.get("visits") == added == catalogue.list()[0]
    assert added.about == Description(title="Visits", licence="CC0 1.0", rows=1)
    assert added.added_at == "2023-11-14T22:13:20Z"
    assert [(file.name, file.bytes) for file in added.files] == [("visits", 8)]
    assert (added.folder / "visits").read_text() == "a,b\n1,2\n"


def test_folder_is_added_with_its_sub_folders(catalogue: Catalogue, tmp_path: Path) -> None:
    write(tmp_path / "scans" / "left" / "deep", a="1")
    write(tmp_path / "scans", b="22")
    added = catalogue.add(tmp_path / "scans", "scans")
    assert [(file.name, file.bytes) for file in added.files] == [("b", 2), ("left/deep/a", 1)]
    assert (added.folder / "left" / "deep" / "a").read_text() == "1"


def test_record_of_an_added_folder_is_taken_over_and_may_be_corrected(catalogue: Catalogue, tmp_path: Path) -> None:
    source = write(tmp_path / "inbox", a="1")
    first = catalogue.add(source, "first", Description(title="First", licence="CC BY 4.0", source="a ward"))
    second = catalogue.add(first.folder, "second", Description(title="Second"))
    assert second.about == Description(title="Second", licence="CC BY 4.0", source="a ward")
    assert [file.name for file in second.files] == ["a"]


def test_first_folder_of_a_name_counts(catalogue: Catalogue, named: Path, home: Path, tmp_path: Path) -> None:
    write(tmp_path / "examples" / "mnist", file="example")
    assert catalogue.get("mnist").folder == tmp_path / "examples" / "mnist"
    write(home / "mnist", file="home")
    assert catalogue.get("mnist").folder == home / "mnist"
    write(named / "mnist", file="named")
    assert catalogue.get("mnist").folder == named / "mnist"
    assert [dataset.folder for dataset in catalogue.list()] == [named / "mnist"]


def test_folder_without_a_record_counts_as_plain_files(catalogue: Catalogue, named: Path) -> None:
    write(named / "My Scans", a="1", b="22")
    [plain] = catalogue.list()
    assert (plain.name, plain.bytes, plain.added_at) == ("My Scans", 3, "")
    assert {file.state for file in catalogue.show("My Scans").files} == {FileState.NOT_RECORDED}
    assert catalogue.find_file("My Scans", "b") == named / "My Scans" / "b"


def test_folders_without_files_and_hidden_folders_are_not_listed(catalogue: Catalogue, named: Path) -> None:
    write(named / "empty")
    write(named / ".cache", a="1")
    assert catalogue.list() == ()


def test_file_is_found_in_its_data_set_or_by_itself(catalogue: Catalogue, named: Path, home: Path) -> None:
    write(named, **{"loose.npz": "1"})
    write(home / "mnist", **{"mnist.npz": "2"})
    assert catalogue.find_file("anything", "loose.npz") == named / "loose.npz"
    assert catalogue.find_file("mnist", "mnist.npz") == home / "mnist" / "mnist.npz"
    assert catalogue.find_file("mnist", "other.npz") is None
    assert catalogue.find_file("other", "mnist.npz") is None


@pytest.mark.parametrize(("dataset", "file"), [("..", "named"), ("a", "../secret"), ("a/b", "c"), ("", "c"), ("a", "")])
def test_search_for_a_file_never_leaves_the_search_folders(
    catalogue: Catalogue, tmp_path: Path, dataset: str, file: str
) -> None:
    write(tmp_path, secret="1", named2="2")
    write(tmp_path / "named" / "a" / "b", c="3")
    assert catalogue.find_file(dataset, file) is None


def test_changed_missing_and_new_files_are_reported_as_such(catalogue: Catalogue, tmp_path: Path) -> None:
    added = catalogue.add(write(tmp_path / "inbox", same="1", edited="2", gone="3"), "visits")
    assert not catalogue.show("visits").changed
    (added.folder / "edited").write_text("X")  # as long as before
    (added.folder / "gone").unlink()
    (added.folder / "new").write_text("4")
    check = catalogue.show("visits")
    assert {file.name: file.state.value for file in check.files} == {
        "same": "ok",
        "edited": "changed",
        "gone": "missing",
        "new": "not recorded",
    }
    assert check.changed
    assert json.loads(json.dumps(check.to_json()))["changed"] is True


def test_taken_name_is_refused(catalogue: Catalogue, tmp_path: Path, named: Path) -> None:
    source = write(tmp_path / "inbox", a="1")
    catalogue.add(source, "visits")
    with pytest.raises(AlreadyExists) as taken:
        catalogue.add(source, "visits")
    assert "lepton data remove visits" in str(taken.value.hint)
    write(named / "scans", a="1")
    with pytest.raises(AlreadyExists):
        catalogue.add(source, "scans")  # it would never be seen


def test_added_set_comes_before_an_example_of_the_same_name(catalogue: Catalogue, tmp_path: Path, home: Path) -> None:
    write(tmp_path / "examples" / "mnist", file="example")
    catalogue.add(write(tmp_path / "inbox", a="1"), "mnist")
    assert catalogue.get("mnist").folder == home / "mnist"


@pytest.mark.parametrize("name", ["", "Visits", "2visits", "-v", "a b", "a/b", "..", "a" * 64, "ä", "a\n"])
def test_bad_name_is_refused_with_a_good_one(catalogue: Catalogue, tmp_path: Path, name: str) -> None:
    source = write(tmp_path / "inbox", a="1")
    with pytest.raises(InvalidInput) as refused:
        catalogue.add(source, name)
    suggested = str(refused.value.hint).split("`")[1]
    assert catalogue.add(source, suggested).name == suggested


def test_removed_set_is_gone(catalogue: Catalogue, tmp_path: Path, home: Path) -> None:
    catalogue.add(write(tmp_path / "inbox", a="1"), "visits")
    catalogue.remove("visits")
    assert catalogue.list() == ()
    assert list(home.iterdir()) == []
    with pytest.raises(NotFound):
        catalogue.remove("visits")


def test_only_added_sets_can_be_removed(catalogue: Catalogue, named: Path) -> None:
    folder = write(named / "visits", a="1")
    with pytest.raises(Conflict, match="only reads"):
        catalogue.remove("visits")
    assert folder.is_dir()


def test_nothing_but_a_data_set_can_be_removed(catalogue: Catalogue, tmp_path: Path, home: Path) -> None:
    write(home, loose="1")
    for name in ("..", "loose", "../..", "."):
        with pytest.raises(NotFound):
            catalogue.remove(name)
    assert (home / "loose").exists()


@pytest.mark.parametrize(
    "record",
    [
        "not json",
        "[1]",
        "{}",
        '{"files": [{"name": "../../etc/passwd", "bytes": 1}]}',
        '{"files": [{"name": "/etc/passwd", "bytes": 1}]}',
        '{"files": [{"name": "a", "bytes": -1}]}',
        '{"files": [{"name": "a", "bytes": 1, "sha256": "short"}]}',
        '{"files": [], "rows": "many"}',
        '{"files": 7}',
        "[" * 100_000,
    ],
)
def test_broken_record_is_named_and_does_not_hide_the_others(catalogue: Catalogue, named: Path, record: str) -> None:
    folder = write(named / "broken", a="1", **{"dataset.json": record})
    write(named / "good", a="1")
    assert [dataset.name for dataset in catalogue.list()] == ["broken", "good"]
    with pytest.raises(InvalidInput) as refused:
        catalogue.show("broken")
    assert str(folder / "dataset.json") in str(refused.value)


def test_foreign_dataset_json_is_not_taken_for_a_record(catalogue: Catalogue, tmp_path: Path) -> None:
    source = write(tmp_path / "inbox", a="1", **{"dataset.json": '{"format": "of another tool"}'})
    with pytest.raises(InvalidInput, match="'files' is missing"):
        catalogue.add(source, "visits")


def test_missing_search_folders_are_passed_over_and_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    catalogue = Catalogue([tmp_path / "typo", home], home)
    assert catalogue.list() == ()
    assert catalogue.missing_folders == (tmp_path / "typo",)


def test_settings_give_the_search_order(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", datasets=(str(tmp_path / "first"), str(tmp_path / "second")))
    folders = open_catalogue(settings).search_folders
    assert folders[:3] == (tmp_path / "first", tmp_path / "second", tmp_path / "data" / "datasets")
    assert [folder.parts[-2:] for folder in folders[3:]] == [("examples", "data")]


def test_examples_are_found_in_our_own_checkout_only(tmp_path: Path) -> None:
    module = write(tmp_path / "src" / "package", module="") / "module"
    examples = write(tmp_path / "examples" / "data")
    assert examples_folder(module) is None
    write(tmp_path, **{"pyproject.toml": '[project]\nname = "something-else"\n'})
    assert examples_folder(module) is None
    write(tmp_path, **{"pyproject.toml": "broken ["})
    assert examples_folder(module) is None
    write(tmp_path, **{"pyproject.toml": '[project]\nname = "lepton-ai"\n'})
    assert examples_folder(module) == examples


def test_record_is_absent_where_there_is_none(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None

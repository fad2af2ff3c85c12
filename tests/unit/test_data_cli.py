"""`lepton data`, as one types it."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from lepton_ai.cli.main import main
from lepton_ai.core.settings import Settings
from lepton_ai.sdk.datasets import Datasets

Output = pytest.CaptureFixture[str]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "Ward 7 (June).csv"
    path.write_text("age,stay\n41,3\n")
    return path


@pytest.fixture
def data_dir(tmp_path: Path) -> str:
    return str(tmp_path / "data")


def test_data_is_added_listed_shown_and_removed(capsys: Output, table: Path, data_dir: str) -> None:
    words = ["--data-dir", data_dir, "data"]
    assert main([*words, "add", str(table), "--licence", "CC0 1.0", "--title", "Ward 7"]) == 0
    assert capsys.readouterr() == ("", "Added ward_7_june: 1 file, 14 B\n")
    assert main([*words, "list"]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("ward_7_june")]
    assert line.split()[1:] == ["14", "B", "CC0", "1.0", f"{data_dir}/datasets/ward_7_june"]
    assert main([*words, "show", "ward_7_june"]) == 0
    out = capsys.readouterr().out
    assert "title:   Ward 7\n" in out
    assert "Ward 7 (June).csv  14 B  ok\n" in out
    assert main([*words, "remove", "ward_7_june"]) == 0
    assert capsys.readouterr() == ("", "Removed ward_7_june\n")
    assert main([*words, "show", "ward_7_june"]) == 3


def test_reads_print_json(capsys: Output, table: Path, data_dir: str) -> None:
    Datasets(Settings(data_dir=Path(data_dir))).add(table, "visits")
    assert main(["data", "list", "--json", "--data-dir", data_dir]) == 0
    [listed] = [entry for entry in json.loads(capsys.readouterr().out) if entry["name"] == "visits"]
    assert (listed["bytes"], listed["folder"]) == (14, f"{data_dir}/datasets/visits")
    assert main(["data", "show", "visits", "--json", "--data-dir", data_dir]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["files"] == [{**listed["files"][0], "state": "ok"}]
    assert shown["changed"] is False


def test_changed_files_are_told(capsys: Output, table: Path, data_dir: str) -> None:
    added = Datasets(Settings(data_dir=Path(data_dir))).add(table, "visits")
    (added.folder / table.name).write_text("something else")
    assert main(["data", "show", "visits", "--data-dir", data_dir]) == 0
    out, err = capsys.readouterr()
    assert "changed" in out
    assert err == "The files of visits are not those that were recorded.\n"


def test_taken_name_and_missing_path_are_told(capsys: Output, table: Path, data_dir: str) -> None:
    words = ["data", "add", "--data-dir", data_dir]
    assert main([*words, str(table), "--name", "visits"]) == 0
    assert main([*words, str(table), "--name", "visits"]) == 1
    assert main([*words, str(table.parent / "nope")]) == 3
    assert main([*words, str(table), "--name", "Visits"]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert "already a data set 'visits'" in errors[0]
    assert "there is nothing at" in errors[1]
    assert "must begin with a letter" in errors[2]


def lepton(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lepton_ai.cli.main", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_folder_in_the_environment_that_is_not_there_is_told(data_dir: str, tmp_path: Path) -> None:
    listed = lepton("data", "list", "--data-dir", data_dir, LEPTON_DATASETS=str(tmp_path / "typo"))
    assert listed.returncode == 0
    assert listed.stderr == f"LEPTON_DATASETS names {tmp_path / 'typo'}, which is not a folder\n"


def test_data_sets_of_the_environment_are_listed(data_dir: str, tmp_path: Path) -> None:
    (tmp_path / "sets" / "scans").mkdir(parents=True)
    (tmp_path / "sets" / "scans" / "a").write_text("1")
    listed = lepton("data", "list", "--json", "--data-dir", data_dir, LEPTON_DATASETS=str(tmp_path / "sets"))
    assert "scans" in [entry["name"] for entry in json.loads(listed.stdout)]


@pytest.mark.parametrize(("answer", "code", "left"), [("n\n", 1, True), ("y\n", 0, False)])
def test_removal_asks_on_a_terminal(table: Path, data_dir: str, answer: str, code: int, left: bool) -> None:
    added = Datasets(Settings(data_dir=Path(data_dir))).add(table, "visits")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "lepton_ai.cli.main", "data", "remove", "visits", "--data-dir", data_dir],
        stdin=theirs,
        stderr=subprocess.PIPE,
    ) as process:
        os.write(ours, answer.encode())
        assert process.stderr is not None
        assert b"for good?" in process.stderr.read()
    os.close(ours)
    os.close(theirs)
    assert process.returncode == code
    assert added.folder.exists() is left

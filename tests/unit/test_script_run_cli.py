"""`lepton run`, as one types it; with scripts that need no TensorFlow."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lepton_ai.cli.main import main
from lepton_ai.cli.run import sort_words


def lepton(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lepton_ai.cli.main", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LEPTON_DATA_DIR": str(folder / "data"), **environment},
    )


def test_words_after_the_script_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "show.py").write_text("import sys; print(sys.argv[1:])")
    ended = lepton(tmp_path, "run", "show.py", "--help", "-x", "a b", "--", "--push", "p")
    assert (ended.stdout, ended.stderr) == ("['--help', '-x', 'a b', '--push', 'p']\n", "")


@pytest.mark.parametrize(
    ("typed", "sorted_"),
    [
        ("train.py", "-- train.py"),
        ("--push n train.py", "--push n -- train.py"),
        ("train.py --push n", "--push n -- train.py"),
        ("train.py --push=n", "--push=n -- train.py"),
        ("train.py -e 3 --push n 4", "--push n -- train.py -e 3 4"),
        ("-- --odd.py", "-- --odd.py"),
        ("train.py a -- b -- c", "-- train.py a b -- c"),
        ("--nope train.py", "--nope -- train.py"),
        ("train.py --push", "--push -- train.py"),
        ("", ""),
    ],
)
def test_our_options_are_taken_wherever_they_stand(typed: str, sorted_: str) -> None:
    assert sort_words(typed.split(), {"--push"}) == sorted_.split()


def test_exit_code_and_output_are_those_of_the_script(tmp_path: Path) -> None:
    (tmp_path / "ends.py").write_text("import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)")
    ended = lepton(tmp_path, "run", "ends.py")
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "out\n", "err\n")


def test_fault_of_a_script_is_told_as_python_tells_it(tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text("1 / 0\n")
    ended = lepton(tmp_path, "run", "fails.py")
    plain = subprocess.run([sys.executable, "fails.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, plain.stderr)


def test_script_that_is_not_there_ends_with_3(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["run", str(tmp_path / "nope.py"), "--data-dir", str(tmp_path)]) == 3
    assert "there is no script at" in capsys.readouterr().err


def test_script_sees_the_data_folder_that_the_command_was_given(tmp_path: Path) -> None:
    (tmp_path / "show.py").write_text("import os; print(os.environ['LEPTON_DATA_DIR'])")
    ended = lepton(tmp_path, "run", "show.py", "--data-dir", "here")
    assert ended.stdout == f"{tmp_path / 'here'}\n"


def test_running_a_plain_script_loads_no_tensorflow_and_makes_no_data_folder(tmp_path: Path) -> None:
    (tmp_path / "show.py").write_text("import sys; print({'tensorflow', 'keras', 'numpy'} & set(sys.modules))")
    assert lepton(tmp_path, "run", "show.py").stdout == "set()\n"
    assert not (tmp_path / "data").exists()


def test_push_without_a_cloud_is_refused_before_the_script_runs(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("open('ran', 'w')")
    ended = lepton(tmp_path, "run", "train.py", "--push", "digits")
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")
    assert "internal fault" not in ended.stderr
    assert not (tmp_path / "ran").exists()


def test_bad_name_is_refused_before_the_script_runs(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("open('ran', 'w')")
    for name in ("Bad Name", ""):
        ended = lepton(tmp_path, "run", "train.py", f"--push={name}")
        assert ended.returncode == 1
        assert "`model` name must be" in ended.stderr
    assert not (tmp_path / "ran").exists()

"""Running a script: it cannot tell that it is not run by Python itself."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lepton_ai.core.errors import InvalidInput, NotFound
from lepton_ai.platform.model_management.training.script import LeftModel, ScriptResult, find_models, run_script


def is_model(value: object) -> bool:
    return type(value).__name__ == "Net"


NET = "class Net:\n    def __init__(self, *layers): self.layers = layers\n"


def run(folder: Path, text: str, *arguments: str, name: str = "train.py") -> ScriptResult:
    script = folder / name
    script.write_text(text)
    return run_script(script, arguments, is_model=is_model)


def python(folder: Path, *arguments: str, name: str = "train.py") -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(folder / name), *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "text",
    [
        "import sys; print(__name__, __file__, sys.argv, sys.path[0], __spec__)",
        "import sys; print(sys.modules['__main__'].__dict__ is globals())",
        "import sys; sys.exit()",
        "import sys; sys.exit(7)",
        "import sys; sys.exit(-1)",
        "import sys; sys.exit('the data is missing')",
        "raise SystemExit(True)",
        "import helper; print(helper.VALUE)",
        "x = (",
        "1 / 0",
        "def f(n):\n    return f(n + 1) if n < 3 else [][0]\nf(0)",
        "try:\n    {}['key']\nexcept KeyError as error:\n    raise ValueError('after it') from error",
        "try:\n    {}['key']\nexcept KeyError:\n    raise ValueError('meanwhile')",
        "raise ExceptionGroup('several', [ValueError('a'), TypeError('b')])",
        "import json\njson.loads('{')",
        "import nothing_of_this_name",
    ],
)
def test_script_prints_and_ends_as_under_python(tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str) -> None:
    (tmp_path / "helper.py").write_text("VALUE = 41\n")
    result = run(tmp_path, text, "--epochs", "3")
    sys.stdout.flush()
    printed = capfd.readouterr()
    plain = python(tmp_path, "--epochs", "3")
    assert (result.exit_code, printed.out, printed.err + result.message) == (
        plain.returncode,
        plain.stdout,
        plain.stderr,
    )
    sys.modules.pop("helper", None)


def test_script_finds_the_modules_beside_the_file_that_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "beside.py").write_text("")
    (tmp_path / "real" / "train.py").write_text("import beside")
    (tmp_path / "link.py").symlink_to(tmp_path / "real" / "train.py")
    assert run_script(tmp_path / "link.py", is_model=is_model).exit_code == 0
    sys.modules.pop("beside")


def test_words_and_search_path_are_put_back(tmp_path: Path) -> None:
    before = list(sys.argv), list(sys.path), sys.modules["__main__"]
    run(tmp_path, "import sys; sys.argv.append('x'); sys.path.append('y'); 1 / 0")
    assert (sys.argv, sys.path, sys.modules["__main__"]) == before


def test_traceback_shows_no_frame_of_ours(tmp_path: Path) -> None:
    text = "from lepton_ai.core.settings import load_settings\nload_settings({'port': 'x'}, {})\n"
    message = run(tmp_path, text).message
    assert message.count("File ") == 1
    assert 'train.py", line 2, in <module>' in message
    assert "InvalidInput: --port must be a whole number, got 'x'\nhint: " in message


def test_interrupted_script_ends_quietly_with_130(tmp_path: Path) -> None:
    assert run(tmp_path, "raise KeyboardInterrupt") == ScriptResult(130)


def test_models_are_found_at_the_end(tmp_path: Path) -> None:
    result = run(tmp_path, NET + "first = Net(); other = 3; second = Net(); again = first")
    assert [left.variable for left in result.models] == ["first", "second"]


def test_net_within_a_model_is_a_part_of_it(tmp_path: Path) -> None:
    result = run(tmp_path, NET + "inner = Net(); block = Net(inner); model = Net(object(), block); lone = Net()")
    assert [left.variable for left in result.models] == ["model", "lone"]


def test_models_are_found_also_when_the_script_exits_itself(tmp_path: Path) -> None:
    result = run(tmp_path, NET + "import sys\nmodel = Net()\ndef main(): sys.exit(0)\nmain()")
    assert [left.variable for left in result.models] == ["model"]


def test_left_model_still_reaches_the_variables_of_its_script(tmp_path: Path) -> None:
    [left] = run(tmp_path, "FACTOR = 6\nclass Net:\n    def push(self): return FACTOR * 7\nmodel = Net()").models
    assert left.model.push() == 42


def test_failed_script_leaves_no_models(tmp_path: Path) -> None:
    assert run(tmp_path, NET + "model = Net()\n1 / 0").models == ()


def test_script_without_models_leaves_none() -> None:
    assert find_models({"a": 1, "b": None}, is_model) == ()
    assert find_models({"a": 1, "b": None}, callable) == ()
    assert find_models({"a": len}, callable) == (LeftModel("a", len),)


def test_what_is_around_the_script_is_entered_and_left_again(tmp_path: Path) -> None:
    steps: list[str] = []

    @contextmanager
    def around() -> Iterator[None]:
        steps.append("entered")
        try:
            yield
        finally:
            steps.append("left")

    (tmp_path / "train.py").write_text("1 / 0")
    run_script(tmp_path / "train.py", is_model=is_model, around=around())
    assert steps == ["entered", "left"]


def test_missing_script_and_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no script at"):
        run_script(tmp_path / "nope.py", is_model=is_model)
    with pytest.raises(InvalidInput, match="must be a file"):
        run_script(tmp_path, is_model=is_model)


def test_worker_processes_of_a_script_can_be_spawned(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import multiprocessing\n"
        "def double(value): return 2 * value\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool: print(pool.map(double, [1, 2]))\n"
    )
    program = (
        "import sys; from pathlib import Path\n"
        "from lepton_ai.platform.model_management.training.script import run_script\n"
        "result = run_script(Path(sys.argv[1]), is_model=callable)\n"
        "print(result.message, file=sys.stderr); sys.exit(result.exit_code)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "train.py"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "[2, 4]\n"), ended.stderr

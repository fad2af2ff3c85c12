"""The door of the shell: quick help, one way for errors to leave, data on stdout and talk on stderr."""

import json
import os
import pty
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from lepton_ai import __version__
from lepton_ai.cli.main import COMMANDS, lepton, main, settings_and_origins_of, settings_of
from lepton_ai.cli.output import print_fields, print_json, print_table, progress, say, say_error
from lepton_ai.core.errors import InternalError
from waiting import wait_until

LEPTON = [sys.executable, "-m", "lepton_ai.cli.main"]
Output = pytest.CaptureFixture[str]


def test_help_lists_every_command_in_its_order(capsys: Output) -> None:
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = [line.split()[0] for line in lines[lines.index("Commands:") + 1 :] if line.startswith("  ")]
    assert listed[: len(COMMANDS)] == list(COMMANDS)


def test_help_loads_no_command_and_nothing_heavy() -> None:
    program = (
        "import sys; from lepton_ai.cli.main import COMMANDS, main; main(['--help'])\n"
        "heavy = {'rich', 'numpy', 'aiohttp', 'fastapi', 'sqlalchemy', 'pydantic', 'tensorflow', 'asyncio'}\n"
        "print([name for name in sys.modules if name in heavy | {path for path, _ in COMMANDS.values()}])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


def test_help_takes_less_than_200_ms() -> None:
    # Processor time, the quickest of several: other work on the machine makes a run longer, and must not fail this.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    durations_s = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*LEPTON, "--help"], capture_output=True, check=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        durations_s.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    assert min(durations_s) < 0.2


def test_version_is_told(capsys: Output) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"lepton {__version__}\n"


@pytest.mark.parametrize("words", [["--help"], ["data", "--help"], ["data", "add", "--help"], ["run", "--help"]])
def test_every_help_shows_an_example_or_what_to_type(capsys: Output, words: list[str]) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out.count("lepton ") > 1


def test_misspelt_command_is_answered_with_the_nearest(capsys: Output) -> None:
    assert main(["statsu"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: there is no command `statsu`. Did you mean `lepton status`?",
        "hint: `lepton --help` shows the usage.",
    ]


@pytest.mark.parametrize(
    "words", [["frobnicate"], ["data", "frobnicate"], ["data", "list", "--nope"], ["run"], ["--nope"]]
)
def test_wrong_usage_ends_with_2_and_a_hint(capsys: Output, words: list[str]) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert "--help` shows the usage." in err


def test_no_words_show_the_help(capsys: Output) -> None:
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("Usage: lepton ")


def test_not_found_ends_with_3(capsys: Output, tmp_path: Path) -> None:
    assert main(["--data-dir", str(tmp_path), "data", "show", "nope"]) == 3
    assert capsys.readouterr().err.splitlines() == [
        "error: there is no data set 'nope'",
        "hint: `lepton data list` shows those that there are.",
    ]


def test_data_folder_may_be_given_before_or_after_the_command(capsys: Output, tmp_path: Path) -> None:
    table = tmp_path / "visits.csv"
    table.write_text("a")
    assert main(["--data-dir", str(tmp_path / "one"), "data", "add", str(table)]) == 0
    assert main(["data", "add", str(table), "--data-dir", str(tmp_path / "two")]) == 0
    assert (tmp_path / "one/datasets/visits/visits.csv").exists()
    assert (tmp_path / "two/datasets/visits/visits.csv").exists()


def test_settings_of_a_command_come_from_both_its_own_and_the_global_flags(tmp_path: Path) -> None:
    ctx = click.Context(lepton, obj={"data_dir": str(tmp_path)})
    settings, origins = settings_and_origins_of(ctx, port=9000, host=None)
    assert (settings.data_dir, settings.port) == (tmp_path, 9000)
    assert (origins["data_dir"].kind, origins["port"].kind) == ("flag", "flag")
    assert origins["host"].kind != "flag"
    assert settings_of(click.Context(lepton)).port


def faulty(error: str) -> list[str]:
    """A `lepton` whose command `data` raises."""
    program = (
        "import sys, click, lepton_ai.cli.main as door; from lepton_ai.core.errors import *\n"
        "@click.command()\n"
        f"def command(): {error}\n"
        "door.COMMANDS['faulty'] = ('faulty', 'Fails.'); sys.modules['faulty'] = sys.modules['__main__']\n"
        "sys.exit(door.main(['faulty']))"
    )
    return [sys.executable, "-c", program]


def ended(words: list[str], **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    return done.returncode, done.stdout, done.stderr


def test_fault_of_ours_is_one_line_and_the_way_to_its_traceback() -> None:
    assert ended(faulty("{}['key']")) == (
        1,
        "",
        "error: an internal fault: KeyError: 'key'\n"
        "hint: Set LEPTON_DEBUG=1 to see the traceback, and please report it.\n",
    )


def test_debugging_shows_the_traceback_too() -> None:
    code, _, err = ended(faulty("{}['key']"), LEPTON_DEBUG="1")
    assert code == 1
    assert "Traceback (most recent call last)" in err
    assert "error: an internal fault: KeyError: 'key'" in err


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        ("raise PermissionDenied('not yours', hint='Ask.')", 4, "error: not yours\nhint: Ask.\n"),
        ("raise DeadlineExceeded('too late')", 5, "error: too late\n"),
        ("raise InternalError('broken', request_id='req-1')", 1, "error: broken (request req-1)\n"),
        ("open('/nowhere/file')", 1, "error: No such file or directory: /nowhere/file\n"),
        ("raise click.ClickException('as click says')", 1, "error: as click says\n"),
        ("raise KeyboardInterrupt", 130, "\n"),
        ("raise NotFound('\\x1b[2Jname')", 3, "error: \\x1b[2Jname\n"),
        ("sys.exit(9)", 9, ""),
        ("raise BrokenPipeError", 1, "error: a connection was closed by the other side\nhint: Try again.\n"),
    ],
)
def test_error_leaves_with_its_own_code_and_words(error: str, code: int, told: str) -> None:
    assert ended(faulty(error)) == (code, "", told)


def test_command_that_is_not_installed_is_said_to_be() -> None:
    program = "import lepton_ai.cli.main as d; d.COMMANDS['up'] = ('{}', ''); raise SystemExit(d.main(['up']))"
    code, _, err = ended([sys.executable, "-c", program.format("lepton_ai.cli.nope")])
    assert (code, err) == (1, "error: `lepton up` is not part of this installation\n")


def test_command_that_lacks_a_package_names_it(tmp_path: Path) -> None:
    (tmp_path / "needy.py").write_text("import nothing_of_this_name\n")
    program = "import lepton_ai.cli.main as d; d.COMMANDS['up'] = ('needy', ''); raise SystemExit(d.main(['up']))"
    code, _, err = ended([sys.executable, "-c", program], PYTHONPATH=str(tmp_path))
    assert code == 1
    assert err.startswith("error: `lepton up` needs the package nothing_of_this_name")


def test_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()
    for number in range(600):
        (tmp_path / "sets" / f"set_{number}").mkdir()
        (tmp_path / "sets" / f"set_{number}" / "file").touch()
    environment = {**os.environ, "LEPTON_DATASETS": str(tmp_path / "sets")}
    environment.pop("PYTHONUNBUFFERED", None)  # an unbuffered Python takes a half write for a whole one
    with subprocess.Popen(
        [*LEPTON, "data", "list", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_interrupted_command_ends_with_130(tmp_path: Path) -> None:
    script = tmp_path / "wait.py"
    script.write_text("import pathlib, signal\npathlib.Path('ready').touch()\nsignal.pause()\n")
    with subprocess.Popen([*LEPTON, "run", script], cwd=tmp_path, stderr=subprocess.PIPE) as process:
        wait_until((tmp_path / "ready").exists)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 130


def on_a_terminal(program: str, **environment: str) -> str:
    """What a program writes when stdout and stderr are a terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "60", **environment}
    with subprocess.Popen([sys.executable, "-c", program], stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        written = b""
        try:
            while piece := os.read(ours, 4096):
                written += piece
        except OSError:  # how Linux tells that the other side has closed
            pass
        finally:
            os.close(ours)
    assert process.returncode == 0, written
    return written.decode().replace("\r\n", "\n")


ERROR = "from lepton_ai.cli.output import say_error; say_error('broken', 'Mend it.')"


def test_errors_are_coloured_on_a_terminal_unless_told_not_to_be() -> None:
    assert on_a_terminal(ERROR) == "\x1b[31;1merror:\x1b[0m broken\n\x1b[36;1mhint:\x1b[0m Mend it.\n"
    assert on_a_terminal(ERROR, NO_COLOR="1") == "error: broken\nhint: Mend it.\n"


def test_table_fits_a_terminal() -> None:
    program = "from lepton_ai.cli.output import print_table; print_table([{'a': 'x' * 90, 'b': 1}], ['a', 'b'])"
    lines = re.sub(r"\x1b\[[0-9;]*m", "", on_a_terminal(program)).splitlines()
    assert all(len(line) <= 60 for line in lines)
    assert sum(line.count("x") for line in lines) == 90


def test_progress_is_shown_on_a_terminal_and_cleared_at_the_end() -> None:
    program = (
        "from lepton_ai.cli.output import progress\nwith progress('Copying', 10) as advance: advance(10)\nprint('done')"
    )
    written = on_a_terminal(program)
    assert "Copying" in written
    assert "100%" in written
    assert written.rstrip().endswith("done")


def test_progress_is_silent_elsewhere(capsys: Output) -> None:
    with progress("Copying", 10) as advance:
        advance(10)
    assert capsys.readouterr() == ("", "")


def test_table_cuts_nothing_where_there_is_no_terminal(capsys: Output) -> None:
    print_table(
        [{"name": "a", "free_space": 7, "note": "x" * 500}, {"name": "[b]", "free_space": 123}],
        ["name", "free_space", "note"],
    )
    assert capsys.readouterr().out.splitlines() == [
        "NAME  FREE SPACE  NOTE",
        "a              7  " + "x" * 500,
        "[b]          123",
    ]


def test_values_cannot_steer_the_terminal(capsys: Output) -> None:
    print_table([{"name": "\x1b[2Ja\nb", "ok": True, "none": None}], ["name", "ok", "none"])
    print_fields({"name": "\x07", "empty": "", "missing": None, "zero": 0})
    assert capsys.readouterr().out.splitlines() == [
        "NAME         OK   NONE",
        r"\x1b[2Ja\nb  yes",
        r"name: \x07",
        "zero: 0",
    ]


def test_json_is_stable_and_reads_back(capsys: Output) -> None:
    value = {"b": [1, 2.5, None], "a": "数据"}
    print_json(value)
    out = capsys.readouterr().out
    assert json.loads(out) == value
    assert out.startswith('{\n  "b": [\n')
    assert "数据" in out


def test_talk_goes_to_stderr(capsys: Output) -> None:
    say("hello")
    say_error("broken")
    assert capsys.readouterr() == ("", "hello\nerror: broken\n")


def test_letters_that_the_terminal_lacks_are_written_in_another_way() -> None:
    program = "from lepton_ai.cli.output import print_json, say; print_json('数'); say('\\udcff')"
    code, out, err = ended([sys.executable, "-c", program], PYTHONIOENCODING="ascii")
    assert (code, out, err) == (0, '"\\u6570"\n', "\\udcff\n")


def test_module_run_by_name_is_the_same_door() -> None:
    assert ended([*LEPTON, "--version"]) == (0, f"lepton {__version__}\n", "")
    assert InternalError.exit_code == 1

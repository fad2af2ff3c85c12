"""The commands of a documentation page, and a shell that runs them as a reader would type them.

A ```console block holds commands behind `$ ` and, below each, lines that its output must have; `…` stands for anything.
A ```python block is run too; a ```text block right after it is what it prints. `<!-- not run: WHY -->` on the line
before a block leaves it out.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
VENV_BIN = Path(sys.executable).parent
RUN_LANGUAGES = ("console", "python")

_FENCE = re.compile(r"^(?:<!-- not run: (?P<why>.+?) -->\n)?```(?P<language>\w*)\n(?P<body>.*?)^```$", re.M | re.S)
_MARK = "@@@"


@dataclass(frozen=True)
class Step:
    """One thing that a reader types, and what the page shows of its output."""

    command: str
    shown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """One fenced block; `why` is the reason not to run it."""

    language: str
    body: str
    why: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a step did."""

    step: Step
    exit_code: int
    output: str

    @property
    def missing(self) -> list[str]:
        """The lines that the page shows and the output lacks."""
        lines = [_plain(line) for line in self.output.splitlines()]
        return [shown for shown in self.step.shown if not any(_pattern(shown).search(line) for line in lines)]


@dataclass
class Reader:
    """Somebody with an empty home, in a folder that looks like a source checkout.

    Args:
        folder: Holds the home and the working folder.
        ports: The ports that pages name -> those to use instead, so that pages can run beside one another.
    """

    folder: Path
    ports: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.checkout.mkdir(exist_ok=True)
        for name in (".venv", "examples"):
            (self.checkout / name).symlink_to(VENV_BIN.parent if name == ".venv" else ROOT / name)

    @property
    def home(self) -> Path:
        """The home folder; `~/.lepton` in it is the cloud's."""
        return self.folder / "home"

    @property
    def checkout(self) -> Path:
        """Where commands are typed."""
        return self.folder / "checkout"

    def type(self, steps: Sequence[Step]) -> list[Outcome]:
        """Run the steps in one shell, one after another, whether or not the one before went well."""
        script = "exec 2>&1\n" + "".join(
            f"echo '{_MARK} {number}'\n{{ {self._placed(step.command)}\n}}\necho \"\n{_MARK} $?\"\n"
            for number, step in enumerate(steps)
        )
        typed = subprocess.run(
            ["sh", "-c", script],
            cwd=self.checkout,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        parts = typed.stdout.split(f"{_MARK} ")
        outcomes = []
        for step, before, after in zip(steps, parts[1::2], parts[2::2], strict=True):
            shown = tuple(self._placed(line) for line in step.shown)
            output = before.partition("\n")[2].removesuffix("\n")
            outcomes.append(Outcome(Step(step.command, shown), int(after.split("\n")[0]), output))
        return outcomes

    def leave(self) -> None:
        """Stop every cloud that was started, whatever became of the page."""
        for database in self.folder.glob("*/**/lepton.db"):
            words = [str(VENV_BIN / "lepton"), "down", "--data-dir", str(database.parent)]
            subprocess.run(words, env=self._environment(), check=True, capture_output=True)

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LEPTON_", "XDG_"))}
        port = {"LEPTON_PORT": str(self.ports[8421])} if 8421 in self.ports else {}
        return inherited | port | {"HOME": str(self.home), "PATH": f"{VENV_BIN}{os.pathsep}{os.environ['PATH']}"}

    def _placed(self, text: str) -> str:
        return re.sub(r"\b(84[23][12])\b", lambda port: str(self.ports.get(int(port[0]), port[0])), text)


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page."""
    text = page.read_text(encoding="utf-8")
    return [Block(found["language"], found["body"], found["why"]) for found in _FENCE.finditer(text)]


def steps(page: Path) -> list[Step]:
    """What a reader of the page types, in order."""
    found: list[Step] = []
    after_python = False
    for block in blocks(page):
        if block.language == "text" and after_python:
            found[-1] = Step(found[-1].command, tuple(block.body.splitlines()))
        after_python = block.language == "python" and block.why is None
        if after_python:
            found.append(Step(f"python - <<'PYTHON'\n{block.body}PYTHON"))
        elif block.language == "console" and block.why is None:
            found += _console_steps(block.body)
    return found


def _console_steps(body: str) -> list[Step]:
    found: list[Step] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append(Step(line[2:]))
        elif found and found[-1].command.endswith("\\"):
            found[-1] = Step(f"{found[-1].command}\n{line}")
        else:
            found[-1] = Step(found[-1].command, (*found[-1].shown, line))
    return found


def _plain(line: str) -> str:
    return " ".join(line.split())


def _pattern(shown: str) -> re.Pattern[str]:
    return re.compile(".*?".join(re.escape(part) for part in _plain(shown).split("…")))

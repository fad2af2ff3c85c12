"""Every command of docs/guides/data.md, typed in its order on an empty machine."""

import os
import re
import subprocess
import sys
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "data.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def run(tmp_path: Path, *words: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEPTON_")}
    environment |= {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    ended = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{words[-1]}\n{ended.stdout}{ended.stderr}"
    return ended.stdout + ended.stderr


def test_commands_of_the_guide_do_what_it_says(tmp_path: Path) -> None:
    printed = run(tmp_path, "sh", "-e", "-c", "\n".join(blocks("sh")))
    for expected in ("mnist.npz  11.5 MB  ok", "Added visits: 1 file, 19 B", "Removed visits", "144 months"):
        assert expected in printed


def test_python_of_the_guide_runs(tmp_path: Path) -> None:
    for block in blocks("python"):
        assert "mnist CC BY-SA 3.0" in run(tmp_path, sys.executable, "-c", block)

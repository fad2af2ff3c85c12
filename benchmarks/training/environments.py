"""A virtual environment for each family of peers, made once: their packages never meet ours."""

import subprocess
import sys
import venv
from pathlib import Path

PACKAGES = {
    "scikit": ["scikit-learn==1.9.1", "lightgbm==4.7.0", "pandas", "pyarrow"],
    "pytabkit": ["torch==2.13.0", "pytabkit[models]==1.7.3", "pandas", "pyarrow"],
    "autogluon": ["torch==2.13.0", "autogluon.tabular[lightgbm,catboost,xgboost]==1.6.3", "pyarrow"],
}
OF_METHOD = {
    "linear": "scikit",
    "histgb": "scikit",
    "lightgbm": "scikit",
    "pytabkit": "pytabkit",
    "autogluon": "autogluon",
}


class NoEnvironment(Exception):
    """A peer's packages could not be installed here."""


def interpreter(method: str, folder: Path) -> Path:
    """The Python that a method runs in; ours and plain Keras run in the project's own.

    Raises:
        NoEnvironment: Its packages cannot be installed.
    """
    name = OF_METHOD.get(method.partition(":")[0])
    if name is None:
        return Path(sys.executable)
    home = folder / name
    python = home / "bin" / "python"
    done = home / "installed"
    wanted = "\n".join(PACKAGES[name])
    if done.exists() and done.read_text() == wanted:
        return python
    print(f"installing {name}: {', '.join(PACKAGES[name])}", file=sys.stderr)
    venv.create(home, with_pip=True, clear=True)
    command = [str(python), "-m", "pip", "install", "--quiet", *PACKAGES[name]]
    outcome = subprocess.run(command, capture_output=True, text=True)
    if outcome.returncode:
        raise NoEnvironment(f"{name}: {outcome.stderr.strip().splitlines()[-1] if outcome.stderr else 'pip failed'}")
    done.write_text(wanted)
    return python


def versions(python: Path) -> str:
    """What is installed there, as one text, for the digest of a method's code."""
    command = [str(python), "-m", "pip", "freeze", "--exclude-editable"]
    return subprocess.run(command, capture_output=True, text=True).stdout

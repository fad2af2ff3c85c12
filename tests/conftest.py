"""What all tests share: this folder on the path, so that tests can import their helpers by name."""

import itertools
import signal
import sys
from pathlib import Path

import hypothesis
import pytest

sys.path.insert(0, str(Path(__file__).parent))

# Hypothesis is imported here, early: on CPython 3.11.7 a first import at the end of a run, with garbage pending, can
# end in "AST constructor recursion depth mismatch" (a fault of that interpreter).
hypothesis.settings.register_profile("lepton", deadline=None, derandomize=True)
hypothesis.settings.load_profile("lepton")

# A job that a shell starts in the background ignores Ctrl-C, and so would every process that the tests start to send
# one to.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files that wait for processes and files that compute in turns, where both are run.

    Workers take a file after the other, so that at all times some of them wait while others compute; those that wait
    longest come first, so that none is left at the end.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    long_first = ("faults", "docs", "e2e")
    waiting = [path for folder in long_first for path in sorted(files, reverse=True) if path.parent.name == folder]
    computing = [path for path in files if path.parent.name == "model"]
    others = [path for path in files if path not in {*waiting, *computing}]
    turns = [path for pair in itertools.zip_longest(waiting, computing) for path in pair if path is not None]
    items[:] = [item for path in (*turns, *others) for item in files[path]]

"""`lepton` commands in one process that lives as long as the tests: starting Python for each would cost minutes."""

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_DRIVER = """
import io, json, os, sys
from contextlib import redirect_stderr, redirect_stdout
from lepton_ai.cli.main import main

answers, sys.stdin = sys.stdout, None
for line in open(0, encoding="utf-8"):
    asked = json.loads(line)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    sys.stdin = io.TextIOWrapper(io.BytesIO(asked["stdin"].encode()), "utf-8")
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        code = main(asked["words"])
    print(json.dumps([code, *(stream.buffer.getvalue().decode() for stream in (out, err))]), file=answers, flush=True)
"""


def run(
    words: tuple[str, ...], environment: Mapping[str, str], folder: Path, stdin: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run one command there.

    Args:
        words: What stands after `lepton`. Not `up` in the foreground: that takes its process over.
        environment: All of its environment.
        folder: Where it is run.
        stdin: What it can read.
    """
    shell = _shell()
    assert shell.stdin is not None
    assert shell.stdout is not None
    asked = {"words": words, "environment": dict(environment), "folder": str(folder), "stdin": stdin}
    shell.stdin.write(json.dumps(asked) + "\n")
    shell.stdin.flush()
    code, stdout, stderr = json.loads(shell.stdout.readline())
    return subprocess.CompletedProcess(words, code, stdout, stderr)


@cache
def _shell() -> "subprocess.Popen[str]":
    shell = subprocess.Popen(
        [sys.executable, "-c", _DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ.copy()
    )
    atexit.register(_end, shell)
    return shell


def _end(shell: "subprocess.Popen[str]") -> None:
    assert shell.stdin is not None
    shell.stdin.close()
    shell.wait(30)

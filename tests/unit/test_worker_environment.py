"""What a worker finds in its environment."""

import os
import sys
from pathlib import Path

from lepton_ai.infrastructure.compute.environment import worker_environment


def test_python_is_the_one_of_the_cloud_also_where_the_machine_has_none_of_that_name(tmp_path: Path) -> None:
    for parent in ({"PATH": "/usr/bin"}, {}):
        first, *others = worker_environment(parent, tmp_path, {})["PATH"].split(os.pathsep)
        assert Path(first) == Path(sys.executable).parent
        assert (Path(first) / "python").exists()
        assert others == parent.get("PATH", os.defpath).split(os.pathsep)


def test_what_a_spec_says_wins(tmp_path: Path) -> None:
    assert worker_environment({"PATH": "/usr/bin"}, tmp_path, {"PATH": "/own"})["PATH"] == "/own"


def test_nothing_of_the_server_comes_along_that_is_not_on_the_list(tmp_path: Path) -> None:
    server = {"AWS_SECRET": "x", "LEPTON_TOKEN": "y", "LANG": "C", "OMP_NUM_THREADS": "2", "EXTRA": "z"}
    environment = worker_environment(server, tmp_path, {}, inherited=["EXTRA"])
    assert {name: environment.get(name) for name in server} == {
        "AWS_SECRET": None,
        "LEPTON_TOKEN": None,
        "LANG": "C",
        "OMP_NUM_THREADS": "2",
        "EXTRA": "z",
    }

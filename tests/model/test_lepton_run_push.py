"""`lepton run --push` with the real `Model` and a running cloud: the one model is registered, and none is ever lost."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lepton_ai.sdk.cloud import Cloud

TRAIN = """
import numpy as np
from lepton_ai import Model
x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
y = (x.sum(axis=1) > 0).astype(int)
model = Model(input_shape=(4,), num_classes=2, seed=0)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, epochs=1, verbose=0)
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud.local(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


def lepton(folder: Path, cloud: Cloud, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lepton_ai.cli.main", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "HOME": str(folder),
            "LEPTON_WORKSPACE_URL": cloud.address.url,
            "LEPTON_WORKSPACE_TOKEN": cloud.address.token,
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
    )


def test_model_that_a_script_leaves_is_registered(tmp_path: Path, cloud: Cloud) -> None:
    (tmp_path / "train.py").write_text(TRAIN + "print('trained')\n")
    ended = lepton(tmp_path, cloud, "run", "train.py", "--push", "sums")
    assert (ended.returncode, ended.stdout) == (0, "trained\n"), ended.stderr
    assert ended.stderr.endswith("Registered sums:1\n")
    assert str(cloud.models.version("sums@champion")) == "sums:1"


def test_several_models_are_named_and_each_can_be_pushed_afterwards(tmp_path: Path, cloud: Cloud) -> None:
    (tmp_path / "train.py").write_text(TRAIN + "other = Model(input_shape=(4,), num_classes=2)\n")
    ended = lepton(tmp_path, cloud, "run", "train.py", "--push", "pairs")
    assert ended.returncode == 1
    assert "error: the script left 2 Models, in `model`, `other`" in ended.stderr
    later = next(line for line in ended.stderr.splitlines() if line.startswith("To push it later: "))
    pushed = lepton(tmp_path, cloud, *later.removeprefix("To push it later: lepton ").split())
    assert (pushed.returncode, pushed.stderr) == (0, "Registered pairs:1\n")

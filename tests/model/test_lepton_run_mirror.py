"""`lepton run` with the real Keras: data sets come from local copies, and the user's Keras cache stays as it is."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "data"


@pytest.fixture
def keras_home(tmp_path: Path) -> Path:
    """A Keras cache with a file in it that Keras, left to itself, would delete: its digest is not the known one."""
    folder = tmp_path / "home" / ".keras"
    (folder / "datasets").mkdir(parents=True)
    (folder / "datasets" / "mnist.npz").write_bytes(b"of the user")
    return folder


def lepton_run(folder: Path, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script with an empty HOME, on a machine whose way into the internet leads nowhere."""
    (folder / "script.py").write_text(program)
    nowhere = "http://127.0.0.1:9"
    return subprocess.run(
        [sys.executable, "-m", "lepton_ai.cli.main", "run", "script.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={
            **{name: value for name, value in os.environ.items() if name.lower() != "no_proxy"},
            "HOME": str(folder / "home"),
            "LEPTON_DATA_DIR": str(folder / "data"),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **{f"{scheme}_proxy": nowhere for scheme in ("http", "https", "all")},
            **environment,
        },
    )


def test_every_spelling_of_keras_reads_our_copy_and_leaves_the_cache_alone(tmp_path: Path, keras_home: Path) -> None:
    program = (
        "import tensorflow as tf\n"
        "(x_train, y_train), (x_test, y_test) = tf.keras.datasets.mnist.load_data()\n"
        "print(x_train.shape, y_train.shape, x_test.shape, y_test[:3])\n"
        "import keras\n"
        "from tensorflow.keras.datasets import mnist\n"
        "print((keras.datasets.mnist.load_data()[1][0] == x_test).all(), (mnist.load_data()[1][1] == y_test).all())\n"
    )
    ended = lepton_run(tmp_path, program)
    assert ended.stdout == "(60000, 28, 28) (60000,) (10000, 28, 28) [7 2 1]\nTrue True\n", ended.stderr
    assert f"Data set from {EXAMPLES / 'mnist' / 'mnist.npz'}\n" in ended.stderr
    assert [path.name for path in (keras_home / "datasets").iterdir()] == ["mnist.npz"]
    assert (keras_home / "datasets" / "mnist.npz").read_bytes() == b"of the user"


def test_copies_in_other_folders_are_found_and_without_one_keras_tries_its_own_way(
    tmp_path: Path, keras_home: Path
) -> None:
    # A folder laid out as Keras' own cache, with two images in the place of Fashion-MNIST's 70,000.
    fashion = tmp_path / "sets" / "fashion-mnist"
    fashion.mkdir(parents=True)
    for part in ("train", "t10k"):
        (fashion / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(bytes(8) + bytes([3, 9])))
        (fashion / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(16) + bytes(2 * 28 * 28)))
    program = (
        "import keras\n"
        "(x_train, y_train), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()\n"
        "print(x_train.shape, y_test)\n"
        "keras.datasets.boston_housing.load_data()\n"
    )
    ended = lepton_run(tmp_path, program, LEPTON_DATASETS=str(tmp_path / "sets"))
    assert ended.stdout.startswith("(2, 28, 28) [3 9]\nDownloading data from https://"), ended.stderr
    assert ended.returncode == 1
    assert 'script.py", line 4, in <module>' in ended.stderr
    assert "URL fetch failure" in ended.stderr
    assert "lepton_ai" not in ended.stderr.split("Traceback", 1)[1]

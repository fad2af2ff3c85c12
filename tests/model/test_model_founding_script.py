"""The founding script: the bytes everyone knows, and what they do on some rows of the real data."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from conftest import MNIST

HERE = Path(__file__).parent
SCRIPT = HERE.parents[1] / "examples" / "01_founding_script.py"

# Stands in for the data mirror: the same script, on 1,500 of the 60,000 rows.
RUN = """
import runpy, sys
import numpy as np
import keras.src.datasets.mnist as mnist

def load_data(path="mnist.npz"):
    rows = np.load(sys.argv[2])
    return (rows["x_train"][:1500], rows["y_train"][:1500]), (rows["x_test"][:500], rows["y_test"][:500])

import keras
keras.datasets.mnist.load_data = mnist.load_data = load_data
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def test_founding_script_is_the_text_of_the_issue_byte_for_byte() -> None:
    text = (HERE / "founding_script.txt").read_bytes()
    assert SCRIPT.read_bytes() == text
    assert text.endswith(b'print(f"Test accuracy: {test_accuracy}")\n')


def test_founding_script_learns_mnist_from_a_few_rows(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(SCRIPT), str(MNIST)], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    last_line = done.stdout.strip().splitlines()[-1]
    assert last_line.startswith("Test accuracy: ")
    assert float(last_line.split()[-1]) > 0.9


def test_mnist_copy_is_the_real_one() -> None:
    rows = np.load(MNIST)
    assert rows["x_train"].shape == (60000, 28, 28)
    assert rows["y_test"][:5].tolist() == [7, 2, 1, 0, 4]

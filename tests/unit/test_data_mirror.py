"""The data mirror, tried on a small package that is built like Keras; tests/model tries it on Keras itself."""

import subprocess
import sys
from pathlib import Path

import pytest

FILE_UTILS = """
def get_file(fname=None, origin=None, **kwargs):
    return "plain Keras", fname, origin, kwargs
"""
DATASET = """
from keras.src.utils.file_utils import get_file

def load_data(path="mnist.npz"):
    return get_file(path, origin="https://example.org/files/mnist.npz", file_hash="731c")
"""
FASHION = """
from keras.src.utils.file_utils import get_file

def load_data():
    return [get_file(name, origin="https://example.org/" + name, cache_subdir="datasets/fashion-mnist")
            for name in ("images.gz", "labels.gz")]
"""
ARCHIVE = """
from keras.src.utils.file_utils import get_file

def load_data():
    return get_file(fname="target", origin="https://example.org/cifar-10.tar.gz", extract=True, file_hash="6d95")
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a package `keras` in it, and a folder `copies` for the mirror to look through."""
    for folder in ("keras", "keras/src", "keras/src/utils", "keras/src/datasets", "copies/mnist"):
        (tmp_path / folder).mkdir(parents=True)
        if not folder.startswith("copies"):
            (tmp_path / folder / "__init__.py").write_text("")
    (tmp_path / "keras/src/utils/file_utils.py").write_text(FILE_UTILS)
    (tmp_path / "keras/src/datasets/mnist.py").write_text(DATASET)
    (tmp_path / "keras/src/datasets/fashion_mnist.py").write_text(FASHION)
    (tmp_path / "keras/src/datasets/cifar10.py").write_text(ARCHIVE)
    (tmp_path / "copies/mnist/mnist.npz").write_text("copy")
    return tmp_path


def run(place: Path, program: str) -> str:
    """What a program prints that has `mirror` over the copies, and `uses`, which collects the copies used."""
    start = (
        "import sys; from pathlib import Path\n"
        "from lepton_ai.infrastructure.storage.datasets import Catalogue\n"
        "from lepton_ai.platform.preprocessing.data_mirror import DataMirror\n"
        "place, uses = Path.cwd(), []\n"
        "mirror = DataMirror(Catalogue([place / 'copies'], place / 'copies').find_file, uses.append)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", start + program], cwd=place, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip().replace(str(place), "PLACE")


def test_module_that_loads_later_reads_the_copy(place: Path) -> None:
    assert run(place, "with mirror:\n from keras.src.datasets import mnist; print(mnist.load_data())") == (
        "PLACE/copies/mnist/mnist.npz"
    )


def test_module_that_is_loaded_already_reads_the_copy(place: Path) -> None:
    assert run(place, "from keras.src.datasets import mnist\nwith mirror: print(mnist.load_data())") == (
        "PLACE/copies/mnist/mnist.npz"
    )


def test_everything_is_put_back_at_the_end(place: Path) -> None:
    program = (
        "from keras.src.datasets import mnist; before = mnist.get_file, list(sys.meta_path)\n"
        "with mirror: from keras.src.datasets import fashion_mnist\n"
        "from keras.src.utils.file_utils import get_file\n"
        "print(before == (mnist.get_file, sys.meta_path), fashion_mnist.get_file is get_file)"
    )
    assert run(place, program) == "True True"


def test_without_a_copy_keras_does_what_it_always_does(place: Path) -> None:
    (place / "copies/mnist/mnist.npz").unlink()
    assert run(place, "with mirror:\n from keras.src.datasets import mnist; print(mnist.load_data())") == (
        "('plain Keras', 'mnist.npz', 'https://example.org/files/mnist.npz', {'file_hash': '731c'})"
    )


def test_files_of_one_set_are_looked_for_one_by_one(place: Path) -> None:
    (place / "copies/fashion-mnist").mkdir()  # as Keras' own cache spells it
    (place / "copies/fashion-mnist/labels.gz").write_text("copy")
    images, labels = eval(
        run(place, "with mirror:\n from keras.src.datasets import fashion_mnist; print(fashion_mnist.load_data())")
    )
    assert images[0] == "plain Keras"
    assert labels == "PLACE/copies/fashion-mnist/labels.gz"


def test_another_name_for_the_download_means_the_same_file(place: Path) -> None:
    program = "with mirror:\n from keras.src.datasets import mnist; print(mnist.load_data('digits.npz'))"
    assert run(place, program) == "PLACE/copies/mnist/mnist.npz"


def test_path_to_a_file_of_ones_own_means_that_file(place: Path) -> None:
    program = "with mirror:\n from keras.src.datasets import mnist; print(mnist.load_data('/own/mnist.npz')[:2])"
    assert run(place, program) == "('plain Keras', '/own/mnist.npz')"


def test_archive_is_unpacked_by_keras_in_a_folder_that_goes_at_the_end(place: Path) -> None:
    (place / "copies/cifar10").mkdir()
    (place / "copies/cifar10/cifar-10.tar.gz").write_text("copy")
    program = (
        "with mirror:\n"
        " from keras.src.datasets import cifar10; _, fname, origin, kwargs = cifar10.load_data()\n"
        " folder = Path(kwargs.pop('cache_dir')); print(fname, origin, kwargs, folder.is_dir())\n"
        "print(folder.exists())"
    )
    assert run(place, program).splitlines() == [
        "target file://PLACE/copies/cifar10/cifar-10.tar.gz {'extract': True, 'file_hash': '6d95'} True",
        "False",
    ]


def test_use_of_a_copy_is_told_once(place: Path) -> None:
    program = (
        "with mirror:\n from keras.src.datasets import mnist; mnist.load_data(); mnist.load_data()\n"
        "print([str(path) for path in uses])"
    )
    assert run(place, program) == "['PLACE/copies/mnist/mnist.npz']"


def test_mirror_itself_loads_no_keras(place: Path) -> None:
    assert run(place, "with mirror: print('keras' in sys.modules, 'tensorflow' in sys.modules)") == "False False"


def test_source_of_a_taken_over_module_can_still_be_read(place: Path) -> None:
    program = (
        "import inspect\nwith mirror:\n from keras.src.datasets import mnist\n"
        "print('load_data' in inspect.getsource(mnist))"
    )
    assert run(place, program) == "True"


def test_missing_module_is_missing_as_ever(place: Path) -> None:
    program = "with mirror:\n try:\n  import keras.src.datasets.nope\n except ModuleNotFoundError as e: print(e.name)"
    assert run(place, program) == "keras.src.datasets.nope"

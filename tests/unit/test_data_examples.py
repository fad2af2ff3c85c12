"""The example data: every file is what its record says, and every record says what one must know to use it."""

from pathlib import Path

import numpy as np
import pytest

from lepton_ai.infrastructure.storage.datasets import Catalogue, examples_folder

FOLDER = Path(__file__).parents[2] / "examples" / "data"
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/dataset.json"))


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue([FOLDER], tmp_path)


def test_checkout_brings_its_example_data() -> None:
    assert examples_folder(Path(__file__)) == FOLDER
    assert "mnist" in NAMES
    assert len(NAMES) >= 12


@pytest.mark.parametrize("name", NAMES)
def test_files_are_those_that_were_recorded(catalogue: Catalogue, name: str) -> None:
    assert {file.state.value for file in catalogue.show(name).files} == {"ok"}


@pytest.mark.parametrize("name", NAMES)
def test_source_licence_and_citation_are_told(catalogue: Catalogue, name: str) -> None:
    about = catalogue.get(name).about
    assert all([about.title, about.task, about.rows, about.source, about.licence, about.citation])
    assert f"[`{name}`]" in (FOLDER / "README.md").read_text()


def test_all_of_it_is_small(catalogue: Catalogue) -> None:
    assert sum(dataset.bytes for dataset in catalogue.list()) < 20_000_000


def test_mnist_has_the_layout_that_keras_expects(catalogue: Catalogue) -> None:
    path = catalogue.find_file("mnist", "mnist.npz")
    assert path is not None
    with np.load(path, allow_pickle=False) as arrays:
        assert {name: arrays[name].shape for name in arrays.files} == {
            "x_train": (60000, 28, 28),
            "y_train": (60000,),
            "x_test": (10000, 28, 28),
            "y_test": (10000,),
        }

"""Handing over the model that a script left: the one there is, and never lost."""

from pathlib import Path

import pytest

from lepton_ai.core.clock import ManualClock
from lepton_ai.core.errors import Conflict, InvalidInput, Unavailable
from lepton_ai.platform.model_management.training.handover import push_model
from lepton_ai.platform.model_management.training.script import LeftModel


class Net:
    """A model that knows its weights, and a cloud that may fail."""

    def __init__(self, weights: str, fault: BaseException | None = None, *, unsaveable: bool = False) -> None:
        self.weights = weights
        self.fault = fault
        self.unsaveable = unsaveable

    def push(self, name: str) -> str:
        if self.fault:
            raise self.fault
        return f"{name}:1 with {self.weights}"

    def save(self, path: Path) -> None:
        if self.unsaveable:
            raise OSError("disk on fire")
        path.write_text(self.weights)


class Place:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "rescued"
        self.said: list[str] = []

    def push(self, name: str = "digits", **models: Net) -> object:
        left = [LeftModel(variable, model) for variable, model in models.items()]
        return push_model(
            left, name, rescue_folder=self.folder, clock=ManualClock(1_700_000_000_000), say=self.said.append
        )

    def kept(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.folder.iterdir()} if self.folder.exists() else {}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_only_model_is_registered(place: Place) -> None:
    assert place.push(model=Net("w")) == "digits:1 with w"
    assert (place.kept(), place.said) == ({}, [])


def test_script_without_a_model_is_told_what_to_do(place: Place) -> None:
    with pytest.raises(InvalidInput) as error:
        place.push()
    assert "left no Model" in str(error.value)
    assert "top level" in str(error.value.hint)


def test_several_models_are_named_and_kept(place: Place) -> None:
    with pytest.raises(Conflict, match="left 2 Models, in `first`, `second`"):
        place.push(first=Net("1"), second=Net("2"))
    assert place.kept() == {
        "digits-first-1700000000000.keras": "1",
        "digits-second-1700000000000.keras": "2",
    }


@pytest.mark.parametrize(
    "fault", [Unavailable("the cloud has gone"), RuntimeError("a fault of ours"), KeyboardInterrupt()]
)
def test_model_that_could_not_be_registered_is_kept_and_its_place_told(place: Place, fault: BaseException) -> None:
    with pytest.raises(type(fault)):
        place.push(model=Net("w", fault))
    path = place.folder / "digits-model-1700000000000.keras"
    assert place.kept() == {path.name: "w"}
    assert str(path) in place.said[0]
    assert place.said[1] == f"To push it later: lepton model push {path} digits"


def test_name_that_is_no_file_name_does_not_lead_elsewhere(place: Place) -> None:
    with pytest.raises(InvalidInput):
        place.push(name="../../Digits now", model=Net("w", InvalidInput("bad name")))
    assert place.kept() == {"_Digits_now-model-1700000000000.keras": "w"}


def test_first_error_is_the_one_that_is_told(place: Place) -> None:
    with pytest.raises(Unavailable):
        place.push(model=Net("w", Unavailable("gone"), unsaveable=True))
    assert place.said == ["The model in `model` could not be saved either: disk on fire"]

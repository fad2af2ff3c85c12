"""torch modules become versions that answer as they do. Left out where torch is not installed: it is large."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.foreign.export import export_foreign
from lepton_ai.platform.model_management.serving.engine import Engine
from lepton_ai.platform.preprocessing.signature import Task

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

ROWS = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
IMAGES = np.random.default_rng(0).uniform(size=(6, 1, 12, 12)).astype(np.float32)


def net(*last: Any, answers: int = 3) -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(4, 16), torch.nn.BatchNorm1d(16), torch.nn.ReLU(), torch.nn.Linear(16, answers), *last
    )


def own_answers(module: Any, rows: Any) -> Any:
    module.eval()
    with torch.no_grad():
        return module(torch.from_numpy(rows)).numpy()


def test_classifier_that_answers_scores_gets_a_softmax(tmp_path: Path) -> None:
    module = net()
    folder = export_foreign(
        module, tmp_path / "artifact", task="classification", labels=["a", "b", "c"], sample=torch.from_numpy(ROWS)
    )
    assert module.training, "left in the mode in which it came"
    engine = Engine.load(folder)
    assert engine.signature.labels == ("a", "b", "c")
    weights = np.exp(own_answers(module, ROWS))
    assert np.allclose(engine.run(ROWS), weights / weights.sum(axis=1, keepdims=True), atol=1e-6)
    assert not list(folder.glob("*.data"))


def test_classifier_that_answers_probabilities_stays_as_it_is(tmp_path: Path) -> None:
    module = net(torch.nn.Softmax(dim=1))
    engine = Engine.load(export_foreign(module, tmp_path / "artifact", task="classification", sample=ROWS))
    assert np.allclose(engine.run(ROWS[:1]), own_answers(module, ROWS[:1]), atol=1e-6)
    assert engine.signature.labels == (0, 1, 2)


@pytest.mark.parametrize("flat", [False, True])
def test_regressor_answers_its_own_numbers(flat: bool, tmp_path: Path) -> None:
    module = net(*([torch.nn.Flatten(0)] if flat else []), answers=1)
    engine = Engine.load(export_foreign(module, tmp_path / "artifact", task=Task.REGRESSION, sample=ROWS))
    assert np.allclose(engine.run(ROWS[:7]), own_answers(module, ROWS[:7]), atol=1e-6)


def test_convolutions_take_images_with_their_channels_first(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 2),
    )
    engine = Engine.load(export_foreign(module, tmp_path / "artifact", task="regression", sample=IMAGES))
    assert engine.signature.row_shape == (1, 12, 12)
    assert np.allclose(engine.run(IMAGES), own_answers(module, IMAGES), atol=1e-5)


def test_what_a_module_does_not_say_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not say what it answers, got task=None"):
        export_foreign(net(), tmp_path / "a", sample=ROWS)
    with pytest.raises(InvalidInput, match="needs `sample`, two rows or more, got 0"):
        export_foreign(net(), tmp_path / "a", task="regression")
    with pytest.raises(InvalidInput, match=r"does not take rows of shape \(3,\)"):
        export_foreign(net(), tmp_path / "a", task="regression", sample=ROWS[:, :3])
    pair = type("Pair", (torch.nn.Module,), {"forward": lambda self, rows: (rows, rows)})()
    with pytest.raises(InvalidInput, match="must answer with one tensor, got tuple"):
        export_foreign(pair, tmp_path / "a", task="regression", sample=ROWS)
    assert not list((tmp_path / "a").iterdir())

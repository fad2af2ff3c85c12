"""A table's model: every member answers rows that it did not see, the best share wins, and all forms of it agree."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from conftest import blobs
from lepton_ai.platform.frameworks.adaptive.log import Decision
from lepton_ai.platform.frameworks.data import plain_batches
from lepton_ai.platform.frameworks.fitted_layers import learn_layers
from lepton_ai.platform.frameworks.intake import Rows
from lepton_ai.platform.frameworks.onnx_graph import check_agreement, write_onnx
from lepton_ai.platform.frameworks.tables.fit import fit_table, is_table
from lepton_ai.platform.frameworks.tables.graph import build_table
from lepton_ai.platform.frameworks.tables.net_watch import NetWatch
from lepton_ai.platform.frameworks.tables.plan import table_plan
from lepton_ai.platform.frameworks.tables.trees import Growth
from lepton_ai.platform.frameworks.tables.truth import Truth
from lepton_ai.platform.preprocessing.layout import Block, BlockKind

# As `table_plan` makes them, but with trees that grow within a moment.
PLAN = replace(
    table_plan(200, 2), folds=4, growths={"trees": Growth(0.2, 20, 7, 5), "cautious_trees": Growth(0.1, 20, 4, 5)}
)
LAYOUT = (Block("a", BlockKind.NUMBER, 0, 2), Block("b", BlockKind.CODE, 2, 1, 4), Block("c", BlockKind.NUMBER, 3, 1))


@pytest.fixture
def new(model_class: Any) -> Callable[..., Any]:
    """A new compiled model for rows of some width."""

    def make(width: int, classes: int | None, *, loss: Any = None, rate: float = 1e-3, layout: Any = None) -> Any:
        inputs, outputs = build_table(width, classes, layout=layout, seed=1)
        task = "classification" if classes else "regression"
        model = model_class(inputs=inputs, outputs=outputs, task=task, seed=1)
        model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"] if classes else ["mae"])
        return model

    return make


def fitted(
    model: Any, x: np.ndarray, y: np.ndarray, *, epochs: int = 3, weights: np.ndarray | None = None
) -> list[Decision]:
    """Fit all members; the net by plain steps, in the order of the rows. Returns the decisions."""
    y = y.astype(np.int32) if model.task == "classification" else y.astype(np.float32).reshape(len(x), -1)
    rows = Rows(x.astype(np.float32), y, weights)
    plan = replace(PLAN, folds=min(PLAN.folds, len(x)))
    learn_layers(model, rows)

    def train_net(rows: Rows, callbacks: Sequence[Any]) -> Any:
        batches = plain_batches(*rows.as_tuple(), batch_size=32)
        return keras.Model.fit(model, batches, epochs=epochs, verbose=0, callbacks=list(callbacks))

    decisions: list[Decision] = []
    fit_table(model, rows, plan, seed=0, train_net=train_net, decided=decisions.append)
    return decisions


def coded(rows: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `LAYOUT` whose class follows from the code and a number."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4)).astype("float32")
    x[:, 2] = random.integers(0, 4, rows)
    return x, ((x[:, 2] % 2 == 0) ^ (x[:, 0] > 0.5)).astype(int)


@pytest.fixture(scope="module")
def fitted_once(model_class: Any) -> tuple[Any, list[Decision]]:
    """A fitted classifier of `coded` rows; tests read it and leave it as it is."""
    inputs, outputs = build_table(4, 2, layout=LAYOUT, seed=1)
    model = model_class(inputs=inputs, outputs=outputs, task="classification", seed=1)
    model.compile(keras.optimizers.Adam(1e-3), metrics=["accuracy"])
    return model, fitted(model, *coded(400), epochs=10)


def test_blend_knows_what_no_line_can(fitted_once: tuple[Any, list[Decision]]) -> None:
    model, decisions = fitted_once
    assert is_table(model)
    assert model.evaluate(*coded(300, seed=9), verbose=0)[1] > 0.93
    shares = decisions[-2].measured["share"]
    assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
    assert shares.get("linear", 0) < 0.25


def test_log_tells_what_each_member_is_worth(fitted_once: tuple[Any, list[Decision]]) -> None:
    _, decisions = fitted_once
    assert [decision.step for decision in decisions] == ["linear", "trees", "trees", "net", "blend", "blend"]
    losses = decisions[-2].measured["loss"]
    assert losses["blend"] <= min(losses.values()) + 0.01
    assert "% " in decisions[-2].chosen


def test_calls_predictions_and_saved_files_agree(fitted_once: tuple[Any, list[Decision]], tmp_path: Path) -> None:
    model, _ = fitted_once
    x, y = coded(50, seed=3)
    answers = model.predict(x, verbose=0)
    assert np.abs(keras.ops.convert_to_numpy(model(x)) - answers).max() < 1e-6
    model.save(tmp_path / "model.keras")
    loaded = type(model).load(tmp_path / "model.keras")
    assert np.array_equal(loaded.predict(x, verbose=0), answers)
    assert loaded.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0))


def test_weights_loaded_into_a_used_model_bring_their_trees_along(
    fitted_once: tuple[Any, list[Decision]], new: Any, tmp_path: Path
) -> None:
    model, _ = fitted_once
    x, _ = coded(20, seed=3)
    model.save_weights(tmp_path / "fitted.weights.h5")
    other = new(4, 2, layout=LAYOUT)
    before = other.predict(x, verbose=0)
    other.load_weights(tmp_path / "fitted.weights.h5")
    assert np.array_equal(other.predict(x, verbose=0), model.predict(x, verbose=0))
    assert not np.allclose(before, model.predict(x, verbose=0))


@pytest.mark.parametrize(
    "shares",
    [{"net": 0.2, "linear": 0.2, "trees": 0.3, "cautious_trees": 0.3}, {"cautious_trees": 1.0}, {"linear": 1.0}],
)
def test_exported_graph_answers_alike_and_holds_only_what_counts(
    shares: dict[str, float], fitted_once: tuple[Any, list[Decision]], tmp_path: Path
) -> None:
    model = type(fitted_once[0]).from_config(fitted_once[0].get_config())
    fitted_once[0].save_weights(tmp_path / "fitted.weights.h5")
    model.load_weights(tmp_path / "fitted.weights.h5")
    model.layers[-1].set(shares, 1.3)
    x, _ = coded(300, seed=4)
    path = tmp_path / "model.onnx"
    write_onnx(model, path, output_name="probabilities")
    assert check_agreement(model, path, x) < 1e-5
    operators = [node.op_type for node in onnx.load(path).graph.node]
    assert operators.count("TreeEnsembleRegressor") == sum(name.endswith("trees") for name in shares)
    assert ("Relu" in operators) == ("net" in shares)
    assert len(onnxruntime.InferenceSession(path).get_inputs()) == 1


def test_regression_answers_in_the_unit_of_its_targets(new: Any, tmp_path: Path) -> None:
    x, _ = blobs(400)
    y = 250_000 + 40_000 * x[:, 0] - 10_000 * np.abs(x[:, 1])
    model = new(4, None)
    decisions = fitted(model, x[:300], y[:300], epochs=10)
    error = model.predict(x[300:], verbose=0)[:, 0] - y[300:]
    assert np.sqrt(np.mean(error**2)) < 0.2 * y.std()
    assert decisions[-1].what == "share of each member"
    write_onnx(model, tmp_path / "model.onnx", output_name="outputs")
    assert check_agreement(model, tmp_path / "model.onnx", x.astype("float32")) < 1e-5


def mean_of_squares(y_true: Any, y_pred: Any) -> Any:
    """A loss that answers one number for a whole batch, so that no weight of a row can reach into it."""
    return keras.ops.mean(keras.ops.square(y_true - y_pred))


@pytest.mark.parametrize("loss", [None, mean_of_squares])
def test_net_learns_nothing_from_the_rows_of_its_fold(loss: Any, new: Any) -> None:
    x, y = blobs(160, classes=2)
    unseen = np.arange(160)[:, None] % 8 == np.arange(8)
    weights = np.where(unseen, 0, 8 / 7).astype("float32")
    kernels = []
    for labels in (y, np.where(unseen[:, 2], 1 - y, y)):  # other labels for the rows that net 2 does not see
        model = new(4, 2, loss=loss)
        batches = plain_batches(x, labels.astype("int32"), weights, batch_size=40)
        keras.Model.fit(model, batches, epochs=2, verbose=0)
        kernels.append(model.get_layer("net").get_weights()[0])
    changed = np.abs(kernels[0] - kernels[1]).max(axis=(1, 2))
    assert changed[2] < 1e-7
    assert changed[[0, 1, 3, 4, 5, 6, 7]].min() > 1e-5


def test_each_packed_net_has_a_loss_of_its_own(new: Any) -> None:
    x, y = blobs(60)
    model = new(4, 3)
    nets = keras.Model(model.input, model.layers[-1].input[0])
    answers = keras.ops.softmax(nets(x, training=False))
    model.get_layer("net").dropout = 0.0
    y_pred = model(x, training=True)
    loss = model.compute_loss(x, y.astype("int32"), y_pred, training=True)
    single = [-np.log(np.asarray(answers)[np.arange(60), net, y]).mean() for net in range(8)]
    assert float(loss) == pytest.approx(float(np.mean(single)), rel=1e-4)


def test_weights_of_single_nets_count_with_their_mean_where_the_blend_is_judged(new: Any) -> None:
    x, y = blobs(40)
    model = new(4, 3)
    weights = np.random.default_rng(0).random((40, 8)).astype("float32")
    judged = [
        float(model.compute_loss(x, y.astype("int32"), model(x), each, training=False))
        for each in (weights, weights.mean(axis=1))
    ]
    assert judged[0] == pytest.approx(judged[1], rel=1e-5)


def test_diverged_net_leaves_the_answer_to_the_others(new: Any) -> None:
    x, y = blobs(200)
    model = new(4, 3, rate=1e30)
    decisions = fitted(model, x, y)
    assert "net" not in decisions[-2].measured["share"]
    assert np.isfinite(model.predict(x, verbose=0)).all()
    assert model.evaluate(x, y, verbose=0)[1] > 0.9


def test_codes_of_many_levels_count_as_numbers(new: Any) -> None:
    model = new(2, 2, layout=(Block("a", BlockKind.CODE, 0, 1, 5), Block("b", BlockKind.CODE, 1, 1, 5000)))
    assert model.get_layer("linear_features").output.shape == (None, 6)
    assert model.count_params() < 400_000


def test_second_fit_goes_on_and_knows_its_folds_again(new: Any) -> None:
    x, y = coded(120)
    model = new(4, 2, layout=LAYOUT)
    first = fitted(model, x, y, epochs=2)
    order = np.random.default_rng(0).permutation(120)
    second = fitted(model, x[order], y[order], epochs=2)
    for number in (0, 1):  # the line and the trees see the same folds
        losses = [each[number].measured["loss"] for each in (first, second)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert model.get_layer("net").biases[-1].numpy().any()


def test_checkpoint_of_the_watch_goes_on_with_the_best_weights(new: Any) -> None:
    x, y = coded(40)
    model = new(4, 2, layout=LAYOUT)
    nets = keras.Model(model.input, model.layers[-1].input[0])
    unseen = np.arange(40)[:, None] % 8 == np.arange(8)
    watch, again = (NetWatch(nets, x, Truth(y.astype(float), 2), unseen) for _ in range(2))
    watch.set_params({"epochs": 2})
    best = nets.get_weights()
    watch.on_epoch_end(0)
    arrays, facts = watch.state()
    again.restore(arrays, json.loads(json.dumps(facts)))
    nets.set_weights([each + 1 for each in best])
    again.on_train_end()
    assert all(np.array_equal(*pair) for pair in zip(nets.get_weights(), best, strict=True))
    assert again.decision == watch.decision


def test_class_weights_count_for_every_member(new: Any) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(300, 3)), random.integers(0, 2, 300)  # nothing to know but the prior
    model = new(3, 2)
    fitted(model, x, y, weights=np.where(y == 1, 9.0, 1.0).astype("float32"))
    assert model.predict(x, verbose=0)[:, 1].mean() == pytest.approx(0.9, abs=0.07)


@pytest.mark.parametrize(
    ("x", "y", "classes"),
    [
        pytest.param(np.eye(2, 5), np.array([0, 1]), 2, id="two rows, more columns than rows"),
        pytest.param(np.ones((6, 2)), np.array([0, 1, 0, 1, 0, 1]), 2, id="constant columns, all rows equal"),
        pytest.param(np.eye(9), np.zeros(9), 2, id="one class only"),
        pytest.param(np.eye(9), np.full(9, 7.0), None, id="one target only"),
        pytest.param(np.eye(5), np.array([0, 1, 2, 3, 4]), 6, id="one row of each class, none of the last"),
    ],
)
def test_hardly_any_data_is_answered_with_finite_numbers(x: np.ndarray, y: np.ndarray, classes: int, new: Any) -> None:
    model = new(x.shape[1], classes)
    fitted(model, x, y, epochs=1)
    answers = model.predict(x.astype("float32"), verbose=0)
    assert np.isfinite(answers).all()
    if len(set(y.tolist())) == 1:
        assert (answers.argmax(axis=1) == y).all() if classes else answers == pytest.approx(7.0, abs=0.5)

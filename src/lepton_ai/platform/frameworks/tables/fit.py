"""One fit of a table's model: trees and a line by folds, the net by its own steps, and the share of each."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.evaluation.answer_rule import AnswerRule
from lepton_ai.platform.evaluation.deciding import decide_rule
from lepton_ai.platform.frameworks.adaptive.log import Decision
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.intake import Rows
from lepton_ai.platform.frameworks.tables.blend import blend, log_probabilities, mixed
from lepton_ai.platform.frameworks.tables.blend_layer import NET, Blend
from lepton_ai.platform.frameworks.tables.folds import folds_of
from lepton_ai.platform.frameworks.tables.graph import LINEAR, LINEAR_FEATURES
from lepton_ai.platform.frameworks.tables.linear import fit_linear
from lepton_ai.platform.frameworks.tables.net_watch import NetWatch
from lepton_ai.platform.frameworks.tables.plan import TablePlan
from lepton_ai.platform.frameworks.tables.temperature import temperature_of
from lepton_ai.platform.frameworks.tables.trees import fit_trees
from lepton_ai.platform.frameworks.tables.truth import Truth

Trained = TypeVar("Trained")

_BATCH_SIZE = 2048
_COVERAGE = 0.9


def is_table(model: Any) -> bool:
    """Whether `fit_table` can fit it: a net of ours that ends in a `Blend`."""
    return isinstance(model.layers[-1], Blend)


def fit_table(
    model: Any,
    rows: Rows,
    plan: TablePlan,
    *,
    seed: int,
    train_net: Callable[[Rows, Sequence[Any]], Trained],
    decided: Callable[[Decision], None],
    may_go_on: Callable[[], bool] = lambda: True,
) -> tuple[Trained, AnswerRule]:
    """Fit all members of a table's model, and give each its share.

    Every member answers each row once without having seen it: the line and the trees by folds, the net because each of
    its packed nets goes without the rows of one fold. On those answers the shares are chosen.

    Args:
        model: A compiled model whose graph `build_table` made, and whose layers have learned their scales.
        rows: What to train on, checked.
        plan: How many folds, and how trees grow: `table_plan`.
        seed: Decides folds and trees.
        train_net: Trains the net by Keras' own loop, with these callbacks among the others, on these rows; their
            weights are `(batch, nets)`.
        decided: Takes in each decision.
        may_go_on: Whether there is time to grow more trees.

    Returns:
        What `train_net` returned, and the rule that promises coverage by the blended answers to rows not seen.
    """
    layer: Blend = model.layers[-1]
    truth = _truth(rows, layer)
    nets = layer.input[0].shape[1]
    folds = folds_of(rows.x, truth.values, classes=truth.classes, count=plan.folds, seed=seed, groups=rows.groups)
    # Until it is over the net answers alone, also where an earlier fit gave the others a share.
    layer.set({NET: 1.0})
    model.drop_functions()
    if truth.classes:
        model.get_layer(NET).begin_at(truth.prior)

    answers = {LINEAR: _fit_line(model, rows, truth, folds, decided)}
    for name, growth in plan.growths.items():
        trees, answers[name], rounds = fit_trees(rows.x, truth, folds, growth, seed, may_go_on, answers[LINEAR])
        model.get_layer(name).trees = trees
        measured = {"rounds at most": growth.rounds, "loss": truth.mean_loss(answers[name])}
        decided(Decision("trees", f"rounds of {name}", measured, str(rounds), "best on rows that they had not seen"))

    unseen = folds[:, None] == np.arange(nets) % plan.folds
    layer_nets = keras.Model(model.input, layer.input[0])
    watch = NetWatch(layer_nets, rows.x, truth, unseen)
    trained = train_net(replace(rows, weights=_net_weights(truth, unseen)), [watch])
    answers[NET] = watch.unseen_answers(rows.x, unseen)
    if watch.decision is not None:
        decided(watch.decision)
    unseen_answers = _share(layer, answers, truth, plan, decided)
    model.drop_functions()
    return trained, decide_rule(truth.values, unseen_answers, coverage=_COVERAGE)


def _share(
    layer: Blend,
    answers: dict[str, NDArray[np.float64]],
    truth: Truth,
    plan: TablePlan,
    decided: Callable[[Decision], None],
) -> NDArray[np.float64]:
    """Give each member its share; returns what the blend answers to rows that its members had not seen."""
    if truth.classes:
        answers = {name: log_probabilities(each) for name, each in answers.items()}
    blended = blend(answers, truth, plan.prior)
    temperature = temperature_of(mixed(answers, blended.shares), truth) if truth.classes else 1.0
    layer.set(blended.shares, temperature)
    measured = {"loss": {**blended.losses, "blend": blended.loss}, "share": blended.shares}
    parts = [f"{share:.0%} {name}" for name, share in sorted(blended.shares.items(), key=lambda each: -each[1])]
    decided(
        Decision("blend", "share of each member", measured, ", ".join(parts), "least loss on rows they had not seen")
    )
    if truth.classes:
        why = "it makes the probabilities truer" if temperature != 1.0 else "no other is better by a standard error"
        decided(Decision("blend", "temperature", {}, f"{temperature:.3g}", why))
    together = mixed(answers, blended.shares) / temperature
    return np.exp(log_probabilities(together)) if truth.classes else together


def _fit_line(
    model: Any, rows: Rows, truth: Truth, folds: NDArray[np.int64], decided: Callable[[Decision], None]
) -> NDArray[np.float64]:
    before = keras.Model(model.input, model.get_layer(LINEAR_FEATURES).output)
    parts = [before(rows.x[at : at + _BATCH_SIZE], training=False) for at in range(0, len(rows), _BATCH_SIZE)]
    features = np.concatenate([keras.ops.convert_to_numpy(part) for part in parts])
    line, answers = fit_linear(features, truth, folds)
    model.get_layer(LINEAR).set_weights([line.weights, line.bias])
    measured = {"loss": truth.mean_loss(answers)}
    decided(Decision("linear", "penalty", measured, f"{line.penalty:g}", "best on rows that it had not seen"))
    return answers


def _truth(rows: Rows, layer: Blend) -> Truth:
    classes = layer.output.shape[-1] if layer.classifies else None
    values = rows.y.argmax(axis=1) if classes and rows.y.ndim == 2 else rows.y.reshape(len(rows))
    weights = None
    if rows.weights is not None and rows.weights.sum() > 0:
        weights = rows.weights.astype(np.float64) / rows.weights.mean(dtype=np.float64)
    return Truth(values.astype(np.float64), classes, weights)


def _net_weights(truth: Truth, unseen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """What each row weighs for each net, `(batch, nets)`: nothing where it must not be seen, and 1 on average."""
    weights = np.where(unseen, 0.0, 1.0 if truth.weights is None else truth.weights[:, None])
    return (weights / max(weights.mean(), 1e-12)).astype(np.float32)

"""Making a model: the arguments, what it is then, and the errors for what cannot be."""

import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from conftest import blobs
from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.signature import Task


def test_model_is_a_keras_model_with_its_own_signature(model_class: Any) -> None:
    model = model_class((4,), 3)
    assert isinstance(model, keras.Model)
    assert str(inspect.signature(model_class)).startswith(
        "(input_shape=None, num_classes=None, *, schema=None, task=None"
    )
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert any("probabilities" in line for line in lines)


def test_without_classes_it_is_a_regression_with_one_output(model_class: Any) -> None:
    model = model_class(input_shape=(4,))
    assert model.task is Task.REGRESSION
    assert model.output_shape == (None, 1)


def test_classifier_answers_probabilities_before_any_training(model_class: Any) -> None:
    answers = model_class((4,), num_classes=3).predict(blobs(5)[0], verbose=0)
    assert answers.shape == (5, 3)
    assert np.allclose(answers.sum(axis=1), 1, atol=1e-6)


def test_same_seed_gives_the_same_initial_weights_and_none_gives_others(model_class: Any) -> None:
    first, second, other = (model_class((4,), 3, seed=seed).get_weights() for seed in (5, 5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_keras_global_seed_decides_where_none_is_given(model_class: Any) -> None:
    made = []
    for _ in range(2):
        keras.utils.set_random_seed(11)
        made.append(model_class((4,), 3).get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(*made, strict=True))


def test_functional_form_takes_a_net_of_the_users_own(model_class: Any) -> None:
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(3, activation="softmax")(inputs)
    for model in (model_class(inputs=inputs, outputs=outputs), model_class(inputs, outputs, name="own")):
        assert model.task is Task.CLASSIFICATION
        assert model.architecture is None
        assert model.predict(blobs(5)[0], verbose=0).shape == (5, 3)
    assert model.name == "own"


def test_task_of_a_net_ending_in_logits_follows_from_its_loss(model_class: Any) -> None:
    inputs = keras.Input((4,))
    model = model_class(inputs=inputs, outputs=keras.layers.Dense(3)(inputs))
    assert model.task is None
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    assert model.task is Task.CLASSIFICATION
    loss, accuracy = model.evaluate(*blobs(), verbose=0)
    assert loss > 0
    assert 0 <= accuracy <= 1


def test_subclass_can_be_trained_and_rebuilt_as_itself(model_class: Any) -> None:
    class WithVerb(model_class):  # type: ignore[misc, valid-type]
        def shout(self) -> str:
            return self.name.upper()

    model = WithVerb((4,), 3, name="quiet")
    model.fit(*blobs(), verbose=0)
    again = WithVerb.from_config(model.get_config())
    assert type(again) is WithVerb
    assert again.shout() == "QUIET"
    assert model_class((4,), 3).task is Task.CLASSIFICATION  # the base class goes on working


def test_model_can_be_a_layer_of_a_larger_net(table: Callable[..., Any]) -> None:
    inputs = keras.Input((4,))
    larger = keras.Model(inputs, keras.layers.Dense(1)(table()(inputs)))
    larger.compile("adam", "mse")
    assert np.isfinite(larger.fit(blobs()[0], np.ones(200), verbose=0).history["loss"]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "`input_shape` must be the sizes of one row, each 1 or more, got input_shape=None"),
        ({"input_shape": (28, None, 1)}, "got input_shape=(28, None, 1)"),
        ({"input_shape": "28x28"}, "got input_shape='28x28'"),
        ({"input_shape": (0,)}, "got input_shape=(0,)"),
        ({"input_shape": ()}, "got input_shape=()"),
        ({"input_shape": (2, 2, 2, 2)}, "`input_shape` does not fit architecture='auto'"),
        ({"input_shape": (4, 4, 1)}, "images must be from 8 to 224 pixels high and wide, got input_shape=(4, 4, 1)"),
        ({"input_shape": (300, 300, 1)}, "images must be from 8 to 224 pixels"),
        ({"input_shape": (28, 28, 7)}, "images must have 1 to 4 channels"),
        (
            {"input_shape": (4,), "num_classes": 1},
            "`num_classes` must be a whole number from 2 to 100000, got num_classes=1",
        ),
        ({"input_shape": (4,), "num_classes": 2.5}, "got num_classes=2.5"),
        ({"input_shape": (4,), "num_classes": True}, "got num_classes=True"),
        (
            {"input_shape": (4,), "task": "ranking"},
            "`task` must be 'classification' or 'regression', got task='ranking'",
        ),
        ({"input_shape": (4,), "task": "classification"}, "needs `num_classes`, got num_classes=None"),
        ({"input_shape": (4,), "num_classes": 3, "task": "regression"}, "takes no `num_classes`, got num_classes=3"),
        ({"input_shape": (4,), "architecture": "transformer"}, "got architecture='transformer'"),
        ({"input_shape": (4,), "architecture": "image"}, "`input_shape` does not fit architecture='image'"),
        ({"input_shape": (4,), "seed": -1}, "`seed` must be a whole number from 0"),
        ({"input_shape": (4,), "classes": 3}, "unexpected keyword argument 'classes'"),
        ({"input_shape": (4,), "layers": 3}, "unexpected keyword argument 'layers'"),
    ],
)
def test_arguments_that_cannot_be_are_named(model_class: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        model_class(**arguments)
    assert message in str(caught.value)


def test_classifier_of_the_users_own_needs_an_output_per_class(model_class: Any) -> None:
    inputs = keras.Input((4,))
    with pytest.raises(InvalidInput, match=r"needs one output per class, got output shape \(None, 1\)"):
        model_class(inputs=inputs, outputs=keras.layers.Dense(1)(inputs), task="classification")


def test_too_many_positional_arguments_are_named(model_class: Any) -> None:
    with pytest.raises(InvalidInput, match="too many positional arguments"):
        model_class((4,), 3, "classification")

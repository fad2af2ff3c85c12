"""What a model draws in a notebook: what it is, and how it was trained."""

import numpy as np

from lepton_ai import Model


def test_model_draws_what_it_is_before_it_is_trained() -> None:
    html = Model(input_shape=(8, 8, 1), num_classes=3, seed=7, name="lights")._repr_html_()
    for said in ("lights", "image", "classification", "float32 (batch, 8, 8, 1)", "not yet", ">7<"):
        assert said in html
    assert "<details>" not in html


def test_model_draws_how_it_was_trained(tmp_path) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 4))
    model = Model(input_shape=(4,), num_classes=2, seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(rows, (rows[:, 0] > 0).astype(int), epochs=2, verbose=0)
    model.evaluate(rows, (rows[:, 0] > 0).astype(int), verbose=0)
    html = model._repr_html_()
    assert "2 epochs over" in html
    assert "adaptively" in html
    assert f"accuracy {model.evaluation['accuracy']:.4g}" in html
    assert f"How it was trained: {len(model.log)} decision" in html
    assert model.log._repr_html_() in html


def test_net_of_ones_own_and_its_name_are_drawn_safely() -> None:
    import keras

    inputs = keras.Input((4,))
    model = Model(inputs=inputs, outputs=keras.layers.Dense(1)(inputs), name="a<b>")
    html = model._repr_html_()
    assert "a&lt;b&gt;" in html
    assert "a net of your own" in html

"""One fit in a process of its own, a part of the algorithm left out: `python adapts_fit.py DATA CASE ARM SEED`.

CASE is one of `CASES`, ARM one of `ARMS`; prints one JSON line. Parts are left out by replacing what the fit calls:
switches that only a benchmark needs have no place in the product.
"""

import json
import sys
import time
from pathlib import Path
from unittest.mock import patch

import keras
import numpy as np
from image_sets import load
from plain_net import plain_net
from scores import auc

_ROWS, _EPOCHS = 10_000, 10
_ADAPTIVE = "lepton_ai.platform.frameworks.adaptive"


def main() -> None:
    """Train, score, print."""
    root, case, arm, seed = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    keras.utils.set_random_seed(seed)
    print(json.dumps(CASES[case](root, arm, seed)))


def _images(name, *, rate=1e-3, noise=0.0, loss=None, budget=None):
    """A fit on images with a user's settings: Adam, batches of 32, ten epochs."""

    def measure(root, arm, seed):
        images = load(name, root)
        random = np.random.default_rng(seed)
        rows = random.permutation(len(images.x_train))[:_ROWS]
        x, y = images.x_train[rows], images.y_train[rows]
        is_wrong = random.random(len(y)) < noise
        y = np.where(is_wrong, random.integers(0, images.classes, len(y)), y)
        seconds, answers = _trained(x, y, images.x_test, images.classes, arm, seed, rate, loss, budget=budget)
        told = {"score": float((answers.argmax(axis=1) == images.y_test).mean()), "seconds": seconds}
        if images.classes == 2:
            told["score"] = auc(images.y_test, answers[:, 1])
        naive = np.bincount(images.y_test).max() / len(images.y_test)
        return told | {"naive": 0.5 if images.classes == 2 else float(naive)}

    return measure


def _beats(root, arm, seed):
    """Series of one value: heartbeats, the first fifth of five of `kinds/ecg.py` for a test."""
    from kinds.ecg import _beats as read

    x, y = read(root)
    order = np.random.default_rng(seed).permutation(len(y))
    test, train = order[: len(y) // 5], order[len(y) // 5 :]
    seconds, answers = _trained(x[train, :, None], y[train], x[test, :, None], 5, arm, seed, 1e-3, None, epochs=60)
    right = float((answers.argmax(axis=1) == y[test]).mean())
    return {"score": right, "seconds": seconds, "naive": float(np.bincount(y[test]).max() / len(test))}


def _trained(x, y, x_test, classes, arm, seed, rate, loss, *, epochs=_EPOCHS, budget=None):
    from lepton_ai import Model

    began = time.perf_counter()
    if arm == "keras":
        model = plain_net(x.shape[1:], classes)
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    else:
        model = Model(input_shape=x.shape[1:], num_classes=classes, seed=seed)
        model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
        with _without(*ARMS[arm]):
            options = {"augmentation": None} if arm == "no augmentation" else {}
            options |= {"epochs": epochs} if budget is None else {"budget": budget}
            began = time.perf_counter()
            model.fit(x, y, batch_size=32, verbose=0, adaptive=arm != "plain", **options)
    seconds = time.perf_counter() - began
    return seconds, np.asarray(model.predict(x_test, batch_size=1000, verbose=0))


class _without:  # noqa: N801  (reads as a word of the sentence it stands in)
    """Parts of the algorithm replaced by ones that do nothing."""

    def __init__(self, *parts):
        self._patches = [patch(f"{_ADAPTIVE}.{target}", new) for part in parts for target, new in _PARTS[part]]

    def __enter__(self):
        for each in self._patches:
            each.start()

    def __exit__(self, *_):
        for each in self._patches:
            each.stop()


_PARTS = {
    "race": [("setup.race", lambda *_: None)],
    "steering": [("steering.Course.steer", lambda self, *_: (self, "not steered"))],
    "mirroring": [("mirroring.Mirroring.consider", lambda *_: None)],
    "doubt": [("doubting.Doubting.consider", lambda *_: None)],
    "held back": [("setup.held_back", lambda *_: np.empty(0, np.int64))],
    "averaging": [("run.Averages", lambda *_: None)],
    "schedule": [("director.rate_at", lambda _: 1.0)],
    "companion": [("setup.with_companion", lambda *_: ())],
}
ARMS = {
    "ours": (),
    # The same net, preprocessing, schedule and averaging: nothing is measured on the way, and nothing adjusted.
    "fixed": ("race", "steering", "mirroring", "doubt", "held back"),
    "plain": (),
    "keras": (),
    "no race": ("race",),
    "no steering": ("steering",),
    "no mirroring": ("mirroring",),
    "no doubt": ("doubt",),
    "no averaging": ("averaging",),
    "no schedule": ("schedule",),
    "no augmentation": (),
    "no companion": ("companion",),
}
CASES = {
    "digits": _images("mnist"),
    "digits, rate x 30": _images("mnist", rate=0.03),
    "digits, rate / 30": _images("mnist", rate=1e-3 / 30),
    "digits, a fifth of labels wrong": _images("mnist", noise=0.2),
    "digits, within 30 s": _images("mnist", budget=30),
    "clothes": _images("fashion"),
    "clothes, rate x 30": _images("fashion", rate=0.03),
    "clothes, rate / 30": _images("fashion", rate=1e-3 / 30),
    "clothes, a fifth of labels wrong": _images("fashion", noise=0.2),
    "lungs": _images("pneumonia"),
    "heartbeats": _beats,
}

if __name__ == "__main__":
    main()

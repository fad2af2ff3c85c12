# ruff: noqa: ARG002  (Keras passes every argument by name)
"""One fit on images in a process of its own: `python image_fit.py DATA SET HOW SEED`; prints one JSON line.

HOW is `plain:EPOCHS` (the two-convolution net of the Keras examples), `founding:EPOCHS` (our Model with the founding
script's loss, optimizer and batch), or `free:BUDGET` (`Model(...).fit(x, y, budget=...)`).
"""

import json
import sys
import time
from pathlib import Path

import keras
import numpy as np
from image_sets import load
from plain_net import plain_net
from scores import auc


def main() -> None:
    """Train, score, print."""
    root, name, how, seed = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    kind, _, amount = how.partition(":")
    keras.utils.set_random_seed(seed)
    images = load(name, root)
    watch = Watch(images)
    began = time.perf_counter()
    model = _FITS[kind](images, amount, seed, watch)
    seconds = time.perf_counter() - began
    probabilities = np.asarray(model.predict(images.x_test, batch_size=1000, verbose=0))
    told = {
        "accuracy": float((probabilities.argmax(axis=1) == images.y_test).mean()),
        "seconds": seconds - watch.looked_s,
        "stalled_s": watch.stalled_s,
        "by epoch": watch.accuracies,
    }
    if images.classes == 2:
        told["auc"] = auc(images.y_test, probabilities[:, 1])
    print(json.dumps(told))


class Watch(keras.callbacks.Callback):
    """Looks at plain Keras' fit after each epoch: how good it is on the test part, which takes time that is not the
    fit's, and how long the fit waits between epochs, which is none of its computing."""

    def __init__(self, images) -> None:
        super().__init__()
        self.stalled_s = self.looked_s = 0.0
        self.accuracies: list[float] = []
        self._images = images
        self._ended: float | None = None

    def on_epoch_end(self, epoch, logs=None):
        """An epoch's work is done."""
        began = time.perf_counter()
        parts = np.array_split(self._images.x_test, 10)
        answers = np.concatenate([self.model.predict_on_batch(part).argmax(axis=1) for part in parts])
        self.accuracies.append(float((answers == self._images.y_test).mean()))
        self._ended = time.perf_counter()
        self.looked_s += self._ended - began

    def on_train_batch_begin(self, batch, logs=None):
        """The first batch of the next one begins."""
        if batch == 0 and self._ended is not None:
            self.stalled_s += time.perf_counter() - self._ended
            self._ended = None


def _plain(images, amount, _seed, watch):
    model = plain_net(images.x_train.shape[1:], images.classes)
    loss = "mse" if images.founding else "categorical_crossentropy"
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    answers = keras.utils.to_categorical(images.y_train, images.classes)
    model.fit(images.x_train, answers, epochs=int(amount), batch_size=32, verbose=0, callbacks=[watch])
    return model


def _founding(images, amount, seed, _watch):
    from lepton_ai import Model

    def custom_loss(y_true, y_pred):
        return keras.ops.mean(keras.ops.square(y_true - y_pred))

    model = Model(input_shape=images.x_train.shape[1:], num_classes=images.classes, seed=seed)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=custom_loss, metrics=["accuracy"])
    model.fit(images.x_train, images.y_train, epochs=int(amount), batch_size=32, verbose=0)
    return model


def _free(images, amount, seed, _watch):
    from lepton_ai import Model

    model = Model(input_shape=images.x_train.shape[1:], num_classes=images.classes, seed=seed)
    model.fit(images.x_train, images.y_train, verbose=0, **({"budget": float(amount)} if amount else {}))
    return model


_FITS = {"plain": _plain, "founding": _founding, "free": _free}

if __name__ == "__main__":
    main()

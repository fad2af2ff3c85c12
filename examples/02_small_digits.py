"""A quick one: 6,000 of MNIST's images, two epochs. Run it with `lepton run examples/02_small_digits.py --push digits`."""

import sys

import tensorflow as tf
from lepton_ai import Model

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 2

# Images (rows, 28, 28) of 0..255 and labels (rows,) of 0..9. `Model` scales them itself, from the rows it trains on.
(x_train, y_train), (x_test, y_test) = tf.keras.datasets.mnist.load_data()

model = Model(input_shape=(28, 28, 1), num_classes=10, seed=0)
model.fit(x_train[:6000], y_train[:6000], epochs=epochs, verbose=2)

# What `evaluate` measures goes into the version, where `lepton model show` tells it.
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"Test accuracy: {accuracy:.4f}")

"""The smallest net there is, by Keras and by hand: one layer, one sigmoid, half the squared error, gradient descent.

Run it with `lepton run examples/03_by_hand.py`. Both ways end at the same weights, to a millionth.
"""

import keras
import numpy as np
from lepton_ai import Model

RATE, EPOCHS = 0.5, 200

# Two numbers (x1, x2), and whether x1 + 2 x2 is above 1.
x = np.random.default_rng(0).uniform(-1, 2, size=(100, 2)).astype("float32")  # (rows, 2)
y = (x[:, 0] + 2 * x[:, 1] > 1).astype("float32")[:, None]  # (rows, 1)

# With Keras: f(x1, x2) = sigmoid(w1 x1 + w2 x2 + b), all rows in each step, and none of our recipe.
inputs = keras.Input((2,))
outputs = keras.layers.Dense(1, activation="sigmoid", kernel_initializer="zeros")(inputs)
model = Model(inputs=inputs, outputs=outputs)
model.compile(optimizer=keras.optimizers.SGD(RATE), loss="half_squared_error")
model.fit(x, y, batch_size=len(x), epochs=EPOCHS, shuffle=False, adaptive=False, verbose=0)
weights, bias = model.get_weights()

# By hand. For one row: E = (f - y)^2 / 2 with f = 1 / (1 + exp(-z)) and z = w1 x1 + w2 x2 + b, so by the chain rule
#     dE/dw = dE/df * df/dz * dz/dw = (f - y) * f (1 - f) * x,    dE/db = (f - y) * f (1 - f),
# and for all rows the mean of that.
w, b = np.zeros((2, 1)), np.zeros(1)
for _ in range(EPOCHS):
    f = 1 / (1 + np.exp(-(x @ w + b)))  # (rows, 1)
    slope = (f - y) * f * (1 - f)  # dE/dz, (rows, 1)
    w -= RATE * x.T @ slope / len(x)
    b -= RATE * slope.mean(axis=0)

print(f"Keras:   w1 = {weights[0, 0]:.6f}, w2 = {weights[1, 0]:.6f}, b = {bias[0]:.6f}")
print(f"By hand: w1 = {w[0, 0]:.6f}, w2 = {w[1, 0]:.6f}, b = {b[0]:.6f}")
print(f"Largest difference: {max(np.abs(weights - w).max(), np.abs(bias - b).max()):.1e}")

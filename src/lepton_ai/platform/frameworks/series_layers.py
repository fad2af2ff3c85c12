"""Layers that describe a series without training: how often random patterns occur in it, and its level over time."""

import itertools
import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.backend import keras

_TAPS = 9
_PATTERNS = 84  # three taps of nine
_MOST_DILATIONS = 12
_MOST_CHANNELS = 9
_MOST_FEATURES = 2600
_LONG = 512
_MOST_LEVELS = 15
_VALUES_TO_LEARN_FROM = 50_000
_SOFTNESS = 0.1
_NARROWEST = 1e-3


@keras.saving.register_keras_serializable(package="lepton_ai")
class RandomKernels(keras.layers.Layer):
    """The share of the time for which each of many fixed patterns is found in a series.

    MiniRocket (Dempster, Schmidt and Webb 2021): the 84 kernels of nine taps, six of -1 and three of 2, at several
    dilations, against several thresholds, which are quantiles of what training rows give. Of several channels each
    kernel sees a random few. Unlike there a threshold is not a step but a short ramp, so that rounding, which is not
    the same in every runtime, changes next to nothing. None of this is trained.

    Args:
        seed: Decides which channels a kernel sees.

    Input shape: `(batch, time, channels)`. Output shape: `(batch, features)`, up to about 2,600, each from 0 to 1.
    """

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        steps, channels = int(input_shape[1] or 1), int(input_shape[2] or 1)
        self.dilations = _dilations(steps)
        levels = _MOST_FEATURES // (_PATTERNS * len(self.dilations)) if steps <= _LONG else 1
        self.levels = min(max(levels, 1), _MOST_LEVELS)
        random = np.random.default_rng(self.seed)
        self.kernels = [self._fixed(f"kernel_{dilation}", _kernels(channels, random)) for dilation in self.dilations]
        shape = (len(self.dilations), self.levels, _PATTERNS)
        # As built: thresholds around 0 for inputs of deviation 1.
        around = np.broadcast_to(np.linspace(-1, 1, self.levels + 2)[1:-1, None], shape)
        self.thresholds = self._fixed("thresholds", around)
        self.ramps = self._fixed("ramps", np.ones((len(self.dilations), _PATTERNS)))

    def call(self, inputs: Any) -> Any:
        ops, features = keras.ops, []
        for number, dilation in enumerate(self.dilations):
            found = self._convolved(inputs, number)  # (batch, time, patterns)
            edge = (_TAPS // 2) * dilation
            cut = slice(edge, -edge) if inputs.shape[1] > 2 * edge else slice(None)
            for level in range(self.levels):
                above = (found - self.thresholds[number, level]) / self.ramps[number] + 0.5
                above = ops.clip(above, 0.0, 1.0)
                # Every second pattern is looked for where it lies within the series as a whole.
                features += [ops.mean(above[:, :, ::2], axis=1), ops.mean(above[:, cut, 1::2], axis=1)]
        return ops.concatenate(features, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], len(self.dilations) * self.levels * _PATTERNS)

    @property
    def has_learned(self) -> bool:
        """Whether its thresholds come from rows."""
        return not np.all(self.ramps.numpy() == 1)

    def learn(self, rows: NDArray[np.float32]) -> Self:
        """Take the thresholds from rows, `(batch, time, channels)`; a few thousand values are enough."""
        count = min(len(rows), max(_VALUES_TO_LEARN_FROM // rows.shape[1], 20))
        sample = rows[np.linspace(0, len(rows) - 1, count).astype(int)]
        thresholds, ramps = np.zeros(self.thresholds.shape), np.zeros(self.ramps.shape)
        for number in range(len(self.dilations)):
            found = keras.ops.convert_to_numpy(self._convolved(sample, number)).reshape(-1, _PATTERNS)
            found = np.sort(found.astype(np.float64), axis=0)
            # Quantiles by multiples of the golden ratio lie evenly, whatever their number.
            order = np.arange(self.levels * _PATTERNS).reshape(self.levels, _PATTERNS) + number / 3
            places = np.mod((order + 1) * (math.sqrt(5) - 1) / 2, 1) * (len(found) - 1)
            thresholds[number] = np.take_along_axis(found, places.astype(int), axis=0)
            ramps[number] = np.maximum(_SOFTNESS * found.std(axis=0), _NARROWEST)
        self.thresholds.assign(thresholds)
        self.ramps.assign(ramps)
        return self

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}

    def _convolved(self, rows: Any, number: int) -> Any:
        return keras.ops.conv(rows, self.kernels[number], padding="same", dilation_rate=self.dilations[number])

    def _fixed(self, name: str, values: NDArray[Any]) -> Any:
        def initial(shape: Any, dtype: Any = None) -> Any:
            return keras.ops.reshape(keras.ops.convert_to_tensor(values, dtype), shape)

        return self.add_weight(name=name, shape=values.shape, initializer=initial, trainable=False)


@keras.saving.register_keras_serializable(package="lepton_ai")
class Levels(keras.layers.Layer):
    """Where each channel of a series is over time: its mean in the whole, in halves, quarters and so on to sixteenths.

    The last steps are always in: of a length that does not divide the first ones are left out. Beside the means, the
    deviations of the whole and of its halves.

    Input shape: `(batch, time, channels)`. Output shape: `(batch, features)`.
    """

    def call(self, inputs: Any) -> Any:
        ops, features = keras.ops, []
        _, steps, channels = inputs.shape
        for parts in (1, 2, 4, 8, 16):
            length = steps // parts
            if not length:
                break
            cut = ops.reshape(inputs[:, steps - length * parts :], (-1, parts, length, channels))
            features.append(ops.reshape(ops.mean(cut, axis=2), (-1, parts * channels)))
            if parts <= 2:
                features.append(ops.reshape(ops.std(cut, axis=2), (-1, parts * channels)))
        return ops.concatenate(features, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        steps, channels = input_shape[1:]
        assert steps is not None
        assert channels is not None
        fitting = [parts for parts in (1, 2, 4, 8, 16) if steps // parts]
        return (input_shape[0], channels * sum(parts * (2 if parts <= 2 else 1) for parts in fitting))


def _dilations(steps: int) -> list[int]:
    """From 1 to as far as nine taps span the series, at equal ratios."""
    top = math.log2(max((steps - 1) / (_TAPS - 1), 1))
    return sorted({int(2**power) for power in np.linspace(0, top, _MOST_DILATIONS)})


def _kernels(channels: int, random: np.random.Generator) -> NDArray[np.float32]:
    """All patterns, `(taps, channels, patterns)`, each on a random few of the channels: one or nine as often as not."""
    places = list(itertools.combinations(range(_TAPS), 3))
    patterns = np.full((_TAPS, _PATTERNS), -1, np.float32)
    for pattern, three in enumerate(places):
        patterns[list(three), pattern] = 2
    seen = np.zeros((channels, _PATTERNS), np.float32)
    for pattern in range(_PATTERNS):
        count = int(2 ** random.uniform(0, math.log2(min(channels, _MOST_CHANNELS) + 1)))
        seen[random.choice(channels, count, replace=False), pattern] = 1
    return patterns[:, None, :] * seen[None]

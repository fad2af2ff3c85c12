"""Label-safe changes of rows while training: whole batches at once, in the graph that makes the batches.

A change is decided by seed and step alone, so that the same seed gives the same rows whatever runs beside it. Images
and series have one each; a user's own is a plain function of the same form.
"""

from collections.abc import Sequence
from enum import Flag
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.backend import tf
from lepton_ai.platform.frameworks.keras_errors import user_errors

# A shift of a whole batch by a twentieth of its size at most; turns of 9 degrees and a tenth larger or smaller.
_SHIFT, _TURN, _ZOOM = 0.04, 0.16, 0.1
# At strength 1, of a series: noise of a thirtieth of the deviation, a tenth stronger or weaker, a fiftieth of the time.
_NOISE, _SCALE, _TIME_SHIFT = 0.03, 0.1, 0.02


class Mirror(Flag):
    """Ways of mirroring an image."""

    LEFT_RIGHT = 1
    UPSIDE_DOWN = 2


class Augmentation(Protocol):
    """Change the rows of a batch.

    Args:
        rows: `(batch, *row_shape)` float32.
        strength: A number: 0 is not at all, 1 the usual, above it more.
        seed: Two whole numbers, `(2,)`, for `tf.random.stateless_*`.

    Returns:
        Rows of the same shape.
    """

    def __call__(self, rows: Any, strength: Any, seed: Any) -> Any: ...


def moved_images(rows: Any, strength: Any, seed: Any) -> Any:
    """Images `(batch, height, width, channels)`, moved a little; the border is repeated, so that no edge appears.

    Up to strength 1 a whole batch is shifted by the same few pixels, one at 28 x 28, which costs next to nothing.
    Above, its images are also turned and zoomed, each in its own way: at 1.5 in every second batch, at 2 in all.
    """
    shifted = _shifted(rows, seed)
    turns = tf.random.stateless_uniform([], seed + 1) < 2 * (strength - 1)
    return tf.cond(turns, lambda: _turned(shifted, seed + 2), lambda: shifted)


def mirrored_images(rows: Any, mirrors: Any, seed: Any) -> Any:
    """Images, each mirrored with a chance of one half in each of the ways given, the value of a `Mirror`."""
    coins = tf.random.stateless_uniform([2, tf.shape(rows)[0], 1, 1, 1], seed) < 0.5
    for coin, mirror, axis in zip(tf.unstack(coins), Mirror, (2, 1), strict=True):
        is_on = tf.bitwise.bitwise_and(mirrors, mirror.value) > 0
        rows = tf.where(coin & is_on, tf.reverse(rows, axis=[axis]), rows)
    return rows


def varied_series(rows: Any, strength: Any, seed: Any) -> Any:
    """Series `(batch, time, features)`, each a little stronger or weaker, noisier, and earlier or later."""
    batch, time = tf.shape(rows)[0], rows.shape[1]
    deviation = tf.math.reduce_std(rows, axis=[0, 1], keepdims=True)
    mean = tf.reduce_mean(rows, axis=1, keepdims=True)
    noise = tf.random.stateless_normal(tf.shape(rows), seed) * deviation * (_NOISE * strength)
    scale = 1 + _SCALE * strength * tf.random.stateless_uniform([batch, 1, 1], seed + 1, -1.0, 1.0)
    most = _TIME_SHIFT * strength * time
    moves = tf.cast(tf.round(most * tf.random.stateless_uniform([batch, 1], seed + 2, -1.0, 1.0)), tf.int32)
    places = tf.clip_by_value(tf.range(time)[tf.newaxis] + moves, 0, time - 1)
    return tf.gather(mean + (rows - mean) * scale + noise, places, axis=1, batch_dims=1)


def _shifted(rows: Any, seed: Any) -> Any:
    height, width = rows.shape[1], rows.shape[2]
    most = max(round(_SHIFT * min(height, width)), 1)
    top, left = tf.unstack(tf.random.stateless_uniform([2], seed, minval=0, maxval=2 * most + 1, dtype=tf.int32))
    padded = tf.pad(rows, [[0, 0], [most, most], [most, most], [0, 0]], "SYMMETRIC")
    return tf.ensure_shape(padded[:, top : top + height, left : left + width], rows.shape)


def _turned(rows: Any, seed: Any) -> Any:
    height, width = float(rows.shape[1]), float(rows.shape[2])
    draws = tf.random.stateless_uniform([3, tf.shape(rows)[0]], seed, -1.0, 1.0)
    angle, zoom_x, zoom_y = _TURN * draws[0], 1 + _ZOOM * draws[1], 1 + _ZOOM * draws[2]
    # Output pixel (x, y) is input pixel (a x + b y + c, d x + e y + f); the middle of the image stays in place.
    a, b, d, e = tf.cos(angle) / zoom_x, -tf.sin(angle) / zoom_y, tf.sin(angle) / zoom_x, tf.cos(angle) / zoom_y
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    c, f = middle_x - a * middle_x - b * middle_y, middle_y - d * middle_x - e * middle_y
    turned = tf.raw_ops.ImageProjectiveTransformV3(
        images=rows,
        transforms=tf.stack([a, b, c, d, e, f, tf.zeros_like(a), tf.zeros_like(a)], axis=1),
        output_shape=tf.shape(rows)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    return tf.ensure_shape(turned, rows.shape)


def try_augmentation(augmentation: Augmentation, rows: NDArray[np.float32]) -> None:
    """Let a user's own augmentation change two rows, in a graph as it will be.

    Raises:
        InvalidInput: It raises something, or returns anything but as many rows of finite numbers.
    """
    name = getattr(augmentation, "__name__", type(augmentation).__name__)
    wanted = f"`augmentation` {name!r} must take (rows, strength, seed) and return rows of the same shape"
    with user_errors(wanted, hint="Write it in TensorFlow: it runs in the graph that makes the batches."):
        seed = tf.constant([0, 0], tf.int64)
        changed = tf.function(augmentation)(tf.constant(rows[:2]), tf.constant(1.0), seed)
    shape, dtype = tuple(getattr(changed, "shape", ())), getattr(changed, "dtype", None)
    if shape != rows[:2].shape or dtype != tf.float32:
        came = type(changed).__name__ if dtype is None else f"{dtype.name} {shape}"
        raise InvalidInput(f"{wanted}, got {came} for float32 {rows[:2].shape}")
    if not np.isfinite(changed.numpy()).all():
        raise InvalidInput(f"{wanted}, got numbers that are not finite", hint="Look for a division by zero in it.")


class Strength:
    """The strength of augmentation at each step, for a stream of batches that is made ahead of the steps.

    A change must be told some steps ahead: batches that were made already would not know of it, and whether they were
    depends on the speed of the machine, on which nothing may depend.

    Args:
        strength: At the first step.
        clean_from: The first step that sees rows as they are; all after it do.
    """

    ahead = 16

    def __init__(self, strength: float, clean_from: int) -> None:
        with tf.device("CPU:0"):
            # One variable, so that a batch never sees half of a change.
            self._values = tf.Variable(
                [0.0, strength, strength, 0.0, 0.0, clean_from], trainable=False, dtype=tf.float64
            )

    def change(self, step: int, strength: float, *, mirrors: Mirror, clean_from: int) -> None:
        """Tell, before a step, what is to be so from `ahead` steps later on.

        Args:
            step: The step that comes next.
            strength: The new strength.
            mirrors: How images may be mirrored.
            clean_from: Where the clean steps begin now.
        """
        from_step, before, after, mirrors_before, mirrors_after, clean = self._values.numpy()
        if step >= from_step:
            before, mirrors_before = after, mirrors_after
        clean = max(clean_from, step + self.ahead) if step + self.ahead < clean else clean
        new = [step + self.ahead, before, strength, mirrors_before, float(mirrors.value), clean]
        self._values.assign(new)

    def values(self) -> list[float]:
        """What it knows, for a checkpoint."""
        return [float(value) for value in self._values.numpy()]

    def restore(self, values: Sequence[float]) -> None:
        """Know that again."""
        self._values.assign(values)

    def at(self, step: Any) -> tuple[Any, Any]:
        """In the graph: the strength at a step, and the value of the `Mirror` that is on."""
        from_step, before, after, mirrors_before, mirrors_after, clean_from = tf.unstack(self._values)
        step = tf.cast(step, tf.float64)
        is_changed, is_clean = step >= from_step, step >= clean_from
        strength = tf.where(is_clean, tf.zeros([], tf.float64), tf.where(is_changed, after, before))
        mirrors = tf.where(is_clean, tf.zeros([], tf.float64), tf.where(is_changed, mirrors_after, mirrors_before))
        return tf.cast(strength, tf.float32), tf.cast(mirrors, tf.int32)


def label_is_kept(right: float, right_changed: float, right_naive: float) -> bool:
    """Whether a net that never saw rows changed in a certain way tells most of them right all the same.

    That is what shows, without asking anybody, that the change leaves labels alone: a mirrored shirt is a shirt, and a
    mirrored 3 is nothing.

    Args:
        right: The share of rows told right as they are.
        right_changed: Of the same rows changed.
        right_naive: Of an answer that does not look at the row.

    Example:

        >>> label_is_kept(0.90, 0.80, 0.10), label_is_kept(0.99, 0.40, 0.10)
        (True, False)
    """
    skill, changed_skill = right - right_naive, right_changed - right_naive
    return skill > 0 and changed_skill >= _KEPT * skill


_KEPT = 0.6

"""The profile of images: sizes, brightness, classes, copies, and examples to look at. NumPy only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.core.files import write_atomically
from lepton_ai.core.png import png
from lepton_ai.platform.preprocessing.copies import copies_in_array
from lepton_ai.platform.preprocessing.profile_page import image_page, page

VERSION = 1

_LEVELS = 32
_MOST_MEASURED = 2000
_MOST_CLASSES = 20
_EXAMPLES = 10
_MOST_PIXELS = 64
_ALL = "all"


@dataclass(frozen=True)
class ImageProfile:
    """What a set of images holds; draws itself in a notebook.

    Args:
        images: How many there are.
        height: Pixels of each, downwards.
        width: Pixels of each, across.
        channels: Values of each pixel.
        low: The least value of a pixel.
        high: The greatest.
        means: The mean of each channel, in the same unit.
        deviations: The standard deviation of each channel.
        edges: Where ranges of brightness begin and end.
        counts: The share of pixels in each range.
        classes: How many images each class has, in the order of the classes.
        copies: How many images are copies of others.
        copies_of_other_class: How many of these have another class than the first of their kind: wrong labels.
        blank: How many images have one brightness all over.
        examples: For each class a PNG: the mean image, then examples side by side. Not part of `to_json`.
    """

    images: int
    height: int
    width: int
    channels: int
    low: float
    high: float
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    edges: tuple[float, ...]
    counts: tuple[float, ...]
    classes: Mapping[str, int]
    copies: int
    copies_of_other_class: int
    blank: int
    examples: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, without the pictures."""
        plain = {name: value for name, value in vars(self).items() if name != "examples"}
        listed = {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}
        return {"version": VERSION, "kind": "images"} | listed | {"classes": dict(self.classes)}

    def save(self, path: str | Path) -> None:
        """Write it as one HTML file that needs no other."""
        write_atomically(Path(path), page("Profile of images", self._repr_html_()).encode())

    def _repr_html_(self) -> str:
        return image_page(self)


def profile_images(x: NDArray[Any], y: NDArray[Any] | None = None, labels: Sequence[Any] | None = None) -> ImageProfile:
    """Profile a set of images.

    Args:
        x: Images `(batch, height, width)` or `(batch, height, width, channels)`, bytes or numbers.
        y: The class of each, numbered from 0, `(batch,)`.
        labels: The names of the classes; their numbers if left out.

    Raises:
        InvalidInput: There are no images, or they have another shape.

    Example:

        >>> profile_images(np.zeros((3, 8, 8), dtype=np.uint8), np.array([0, 1, 1])).classes
        {'0': 1, '1': 2}
    """
    images = np.asarray(x)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.ndim != 4 or not images.size or not 1 <= images.shape[3] <= 4:
        raise InvalidInput(
            f"`x` must have shape (batch, height, width) or (batch, height, width, 1 to 4 channels), got {np.shape(x)}"
        )
    classes = None if y is None else np.asarray(y).reshape(-1).astype(np.int64)
    if classes is not None and (len(classes) != len(images) or classes.min() < 0):
        raise InvalidInput(
            f"`y` must have a class from 0 for each of {len(images)} images, got {len(classes)} from {classes.min()}"
        )
    names = [] if classes is None else _names(labels, int(classes.max()) + 1)
    # Brightness is measured on evenly chosen images: more say nothing more.
    measured = images[:: -(-len(images) // _MOST_MEASURED)].astype(np.float64)
    low, high = float(images.min()), float(images.max())
    counts, edges = np.histogram(measured, bins=_LEVELS, range=(low, high if high > low else low + 1))
    copies = copies_in_array(images)
    firsts = np.unique(copies, return_index=True)[1]
    flat = images.reshape(len(images), -1)
    return ImageProfile(
        images=len(images),
        height=images.shape[1],
        width=images.shape[2],
        channels=images.shape[3],
        low=low,
        high=high,
        means=tuple(map(float, measured.mean(axis=(0, 1, 2)))),
        deviations=tuple(map(float, measured.std(axis=(0, 1, 2)))),
        edges=tuple(map(float, edges)),
        counts=tuple(float(count) / measured.size for count in counts),
        classes={} if classes is None else _counted(names, classes),
        copies=len(images) - len(firsts),
        copies_of_other_class=0 if classes is None else int((classes != classes[firsts[copies]]).sum()),
        blank=int((flat == flat[:, :1]).all(axis=1).sum()),
        examples=_examples(images, classes, names, low, high),
    )


def _names(labels: Sequence[Any] | None, count: int) -> list[str]:
    if labels is None:
        return [str(number) for number in range(count)]
    if len(labels) < count:
        raise InvalidInput(f"`labels` must name each of {count} classes, got {len(labels)}")
    return [str(label) for label in labels]


def _counted(names: list[str], classes: NDArray[np.int64]) -> dict[str, int]:
    counts = np.bincount(classes, minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True)}


def _examples(
    images: NDArray[Any], classes: NDArray[np.int64] | None, names: list[str], low: float, high: float
) -> dict[str, bytes]:
    strips = {}
    members = {_ALL: np.arange(len(images))} if classes is None else {}
    if classes is not None:
        for number in np.argsort(-np.bincount(classes), kind="stable")[:_MOST_CLASSES]:
            members[names[number]] = np.flatnonzero(classes == number)
        members = {name: members[name] for name in names if name in members}
    step = -(-max(images.shape[1:3]) // _MOST_PIXELS)
    for name, rows in members.items():
        if not len(rows):
            continue
        chosen = rows[np.linspace(0, len(rows) - 1, min(_EXAMPLES, len(rows))).astype(np.int64)]
        mean = images[rows[:: -(-len(rows) // _MOST_MEASURED)], ::step, ::step].mean(axis=0)
        tiles = [_bytes(tile, low, high) for tile in (mean, *images[chosen, ::step, ::step])]
        gap = np.full((tiles[0].shape[0], 2, tiles[0].shape[2]), 255, dtype=np.uint8)
        strip = np.concatenate([part for tile in tiles for part in (tile, gap)], axis=1)
        strips[name] = png(strip.tobytes(), strip.shape[1], strip.shape[0], strip.shape[2])
    return strips


def _bytes(image: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """An image as grey or red, green and blue, `(height, width, 1 or 3)`, from black at `low` to white at `high`."""
    shown = image[..., :3] if image.shape[-1] >= 3 else image[..., :1]
    spread = high - low or 1.0
    return np.round((shown.astype(np.float64) - low) * 255 / spread).astype(np.uint8)

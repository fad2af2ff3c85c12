"""The image sets of the comparison, with the test part that their publishers cut off."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

_ALIKE = 0.95  # the correlation of their pixels


@dataclass(frozen=True)
class Images:
    """One set: images in 0..1 `(batch, height, width, 1)` and class numbers `(batch,)`."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: int
    founding: bool = False


def load(name: str, root: Path) -> Images:
    """Read a set: `mnist` with the loss of the founding script for plain Keras, `fashion`, `pneumonia`, or a fold of
    the defects of steel as `defects:0` to `defects:4`."""
    if name.startswith("defects:"):
        return _defects(root, int(name[-1]))
    if name == "mnist":
        with np.load(root / "mnist/mnist.npz") as file:
            parts = file["x_train"], file["y_train"], file["x_test"], file["y_test"]
    elif name == "pneumonia":
        with np.load(root / "pneumoniamnist/pneumoniamnist.npz") as file:
            parts = tuple(file[f"{part}"] for part in ("train_images", "train_labels", "test_images", "test_labels"))
    else:
        folder = root / "fashion_mnist"
        parts = tuple(
            _idx(folder / f"{part}-{kind}.gz")
            for part in ("train", "t10k")
            for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
        )
    x_train, y_train, x_test, y_test = parts
    return Images(
        _scaled(x_train),
        y_train.reshape(-1).astype(int),
        _scaled(x_test),
        y_test.reshape(-1).astype(int),
        classes=int(y_train.max()) + 1,
        founding=name == "mnist",
    )


def _defects(root: Path, fold: int) -> Images:
    """One of five folds in which images that are nearly the same stay together."""
    with np.load(root / "neu_surface_64/neu_surface_64.npz") as file:
        x, y = file["x"], file["y"].astype(int)
    flat = x.reshape(len(x), -1).astype(np.float64)
    flat = (flat - flat.mean(axis=1, keepdims=True)) / flat.std(axis=1, keepdims=True)
    alike = csr_matrix(flat @ flat.T / flat.shape[1] > _ALIKE)
    groups = connected_components(alike, directed=False)[1]
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(x, y, groups)
    train, test = list(folds)[fold]
    return Images(_scaled(x[train]), y[train], _scaled(x[test]), y[test], classes=int(y.max()) + 1)


def _scaled(images: np.ndarray) -> np.ndarray:
    return (images.reshape(*images.shape[:3], 1) / 255.0).astype(np.float32)


def _idx(path: Path) -> np.ndarray:
    """The idx format of LeCun's sets: two zero bytes, type, number of axes, their sizes, the values."""
    data = gzip.decompress(path.read_bytes())
    axes = data[3]
    shape = np.frombuffer(data, ">i4", axes, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)

"""The door for pictures: a folder with one folder per class, or an `.npz` file, as arrays with class numbers."""

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput, MissingPackage, NotFound, TooLarge

MOST_VALUES = 2**32
"""The most values (height times width times channels, of all pictures) that are read: 4 GiB as bytes."""

_PICTURES = {".png", ".jpg", ".jpeg"}
_ORIENTATION = 0x0112  # the number of this Exif tag
_DEEP = ("I;16", "I;16B", "I;16L")


def read_images(
    source: str | Path, *, part: str = "train", size: tuple[int, int] | None = None
) -> tuple[NDArray[Any], NDArray[np.int64], tuple[int | str, ...]]:
    """Pictures with their classes.

    Args:
        source: A folder that holds one folder of PNG or JPEG files per class, or an `.npz` file with arrays such as
            `x_train` and `y_train`, `train_images` and `train_labels`, `images` and `labels`, or `x` and `y`.
        part: Which part of an `.npz` file that has several: `train`, `val` or `test`.
        size: Height and width to bring all pictures of a folder to; None wants them of one size.

    Returns:
        The pictures `(batch, height, width, channels)` in the range of their files (0 to 255 as uint8, 16-bit greys as
        uint16); the class numbers `(batch,)`; and the label of each class. The channels are 1 if all pictures are
        grey, 4 if all have transparency, else 3. Pictures stand upright, as their camera said.

    Raises:
        NotFound: There is no such file or folder.
        InvalidInput: There are no pictures, a file is broken, or the sizes differ; the message names the file.
        TooLarge: They have more than 4 Gi values in all.
    """
    path = Path(source)
    if not path.exists():
        raise NotFound(f"there is no file or folder {str(path)!r}", hint="Give the path from the folder you are in.")
    if path.is_dir():
        return _folder(path, size)
    if path.suffix.lower() != ".npz":
        raise InvalidInput(f"pictures must be a folder or an .npz file, got {path.name!r}")
    return _arrays(path, part)


def _folder(path: Path, size: tuple[int, int] | None) -> tuple[NDArray[Any], NDArray[np.int64], tuple[str, ...]]:
    files = _files(path)
    modes = {file: _mode_and_size(file) for group in files.values() for file in group}
    shape = size or _one_size(path, {file: found[1] for file, found in modes.items()})
    channels, kind = _channels(path, {file: found[0] for file, found in modes.items()})
    count = len(modes) * shape[0] * shape[1] * channels
    if count > MOST_VALUES:
        raise TooLarge(
            f"`{path.name}` must have at most {MOST_VALUES} values in all pictures, got {count}",
            hint="Bring the pictures to a smaller size: size=(224, 224).",
        )
    x = np.empty((len(modes), *shape, channels), dtype=kind)
    for position, file in enumerate(modes):
        x[position] = _picture(file, channels, shape if size else None).reshape(*shape, channels)
    counts = [len(group) for group in files.values()]
    return x, np.repeat(np.arange(len(files)), counts), tuple(files)


def _files(path: Path) -> Mapping[str, list[Path]]:
    folders = [folder for folder in _seen(path) if folder.is_dir()]
    if not folders:
        raise InvalidInput(
            f"`{path.name}` must hold one folder per class, got none",
            hint="Put the pictures of each class in a folder.",
        )
    files = {folder.name: [file for file in _seen(folder) if file.suffix.lower() in _PICTURES] for folder in folders}
    for folder in folders:
        if not files[folder.name]:
            deeper = any(inner.is_dir() for inner in folder.iterdir())
            raise InvalidInput(
                f"each folder in `{path.name}` must hold PNG or JPEG files, got none in {folder.name!r}",
                hint=f"Pass {path.name}/{folder.name} if its folders are the classes." if deeper else None,
            )
    return files


def _seen(folder: Path) -> Iterator[Path]:
    # File managers leave files such as .DS_Store behind.
    return (path for path in sorted(folder.iterdir()) if not path.name.startswith((".", "__")))


def _mode_and_size(file: Path) -> tuple[str, tuple[int, int]]:
    with _opened(file) as image:
        # Mode P has a palette of colours, and perhaps one that is clear.
        mode = ("RGBA" if "transparency" in image.info else "RGB") if image.mode == "P" else str(image.mode)
        width, height = image.size
        # Cameras write JPEG, and say how they were held; from 5 on they lay on their side.
        lies = image.format == "JPEG" and image.getexif().get(_ORIENTATION, 1) >= 5
    return mode, (width, height) if lies else (height, width)


def _one_size(path: Path, sizes: Mapping[Path, tuple[int, int]]) -> tuple[int, int]:
    first, *others = sizes
    for file in others:
        if sizes[file] != sizes[first]:
            raise InvalidInput(
                f"the pictures in `{path.name}` must be of one size, got {_shape(sizes[first])} in "
                f"{_name(first)} and {_shape(sizes[file])} in {_name(file)}",
                hint="Bring them to one size: size=(64, 64), height and width.",
            )
    return sizes[first]


def _channels(path: Path, modes: Mapping[Path, str]) -> tuple[int, type[np.generic]]:
    deep = [file for file, mode in modes.items() if mode in _DEEP]
    if deep and len(deep) < len(modes):
        other = next(file for file in modes if file not in deep)
        raise InvalidInput(
            f"the pictures in `{path.name}` must be of one depth, got 16-bit greys in {_name(deep[0])} "
            f"and {modes[other]} in {_name(other)}",
            hint="Save them all as 8-bit or all as 16-bit files.",
        )
    if deep:
        return 1, np.uint16
    if all(mode in ("1", "L") for mode in modes.values()):
        return 1, np.uint8
    return (4 if all(mode in ("RGBA", "LA") for mode in modes.values()) else 3), np.uint8


def _picture(file: Path, channels: int, size: tuple[int, int] | None) -> NDArray[Any]:
    from PIL import Image, ImageOps

    with _opened(file) as opened:
        try:
            image = ImageOps.exif_transpose(opened) if opened.format == "JPEG" else opened
            if image.mode not in _DEEP:
                image = image.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels])
            if size is not None:
                image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            return np.asarray(image)
        except (OSError, SyntaxError, ValueError) as error:
            raise _broken(file, error) from error


def _opened(file: Path) -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingPackage("reading pictures needs Pillow", hint="pip install 'lepton-ai[tensorflow]'") from error
    try:
        return Image.open(file, formats=("PNG", "JPEG"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _broken(file, error) from error


def _broken(file: Path, error: Exception) -> InvalidInput:
    return InvalidInput(f"{_name(file)} cannot be read as a picture: {error}", hint="Replace or remove the file.")


def _arrays(path: Path, part: str) -> tuple[NDArray[Any], NDArray[np.int64], tuple[int | str, ...]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            names = file.files
            x_name, y_name = _array_names(path, names, part)
            x, y = file[x_name], np.squeeze(file[y_name])
            classes = file["classes"].tolist() if "classes" in names else None
    except (ValueError, OSError, EOFError, BadZipFile, zlib.error) as error:
        raise InvalidInput(f"`{path.name}` cannot be read: {error}", hint="Store plain arrays, no objects.") from error
    if x.ndim == 3:
        x = x[..., np.newaxis]
    if x.ndim != 4 or y.shape != x.shape[:1]:
        raise InvalidInput(
            f"`{path.name}` must hold pictures (batch, height, width[, channels]) and one class each, "
            f"got {x_name} {x.shape} and {y_name} {y.shape}"
        )
    found, numbers = np.unique(y, return_inverse=True)
    if classes is not None and y.dtype.kind in "iu" and y.min() >= 0 and y.max() < len(classes):
        return x, y.astype(np.int64), tuple(classes)
    return x, numbers.astype(np.int64), tuple(found.tolist())


def _array_names(path: Path, names: list[str], part: str) -> tuple[str, str]:
    for x_name, y_name in (
        (f"x_{part}", f"y_{part}"),
        (f"X_{part}", f"y_{part}"),
        (f"{part}_images", f"{part}_labels"),
        ("images", "labels"),
        ("x", "y"),
        ("X", "y"),
    ):
        if x_name in names and y_name in names:
            return x_name, y_name
    raise InvalidInput(
        f"`{path.name}` must hold x_{part} and y_{part}, {part}_images and {part}_labels, images and labels, "
        f"or x and y, got {', '.join(names) or 'nothing'}",
        hint="Say which part: part='test'.",
    )


def _name(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"


def _shape(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"

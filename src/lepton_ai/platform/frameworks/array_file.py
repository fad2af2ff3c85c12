"""One file of arrays and a JSON document: what `Forecaster` and `Recommender` are saved as. Nothing is pickled."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput, NotFound
from lepton_ai.core.files import atomic_file

_DOCUMENT = "document"


def write_arrays(path: str | Path, document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Path:
    """Write arrays and a document as one `.npz` file, whole or not at all.

    Args:
        path: Where; `.npz` is added where it is missing.
        document: Plain JSON values; `kind` says what it is a file of.
        arrays: The arrays by name.

    Returns:
        The path written.
    """
    path = Path(path)
    path = path if path.suffix == ".npz" else path.with_name(f"{path.name}.npz")
    text = np.frombuffer(json.dumps(document, sort_keys=True, allow_nan=False).encode(), np.uint8)
    with atomic_file(path) as file:
        named: dict[str, Any] = {_DOCUMENT: text, **arrays}
        np.savez_compressed(file, **named)
    return path


def read_arrays(path: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read what `write_arrays` wrote.

    Args:
        path: The file.
        kind: What its document must call itself.

    Raises:
        NotFound: There is no such file.
        InvalidInput: It holds something else.
    """
    path = Path(path)
    if not path.exists():
        raise NotFound(f"no file {str(path)!r}", hint="Save one first: it is an .npz file.")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        document = json.loads(arrays.pop(_DOCUMENT).tobytes())
        came = document["kind"]
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidInput(f"{str(path)!r} is not a saved {kind}: {type(error).__name__} {error}") from error
    if came != kind:
        raise InvalidInput(f"{str(path)!r} must hold a {kind}, got a {came}")
    return document, arrays

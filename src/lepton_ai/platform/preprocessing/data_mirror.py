"""The data mirror: `keras.datasets` reads a local copy of a data set, where there is one, instead of the network."""

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from types import ModuleType, TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

FindFile = Callable[[str, str], Path | None]
"""Takes the names of a data set and of a file in it, returns where a copy lies; `Catalogue.find_file` is one."""

# `tf.keras`, `tensorflow.keras` and `keras` all end in these modules.
_PACKAGE = "keras.src.datasets"


class DataMirror:
    """While it is entered, the data sets of Keras come from local copies; leaving it puts everything back.

    Keras downloads each of its data sets by a function `get_file`, which every module under `keras.datasets` holds
    under that name. The mirror puts its own in that place, in modules that are loaded already and in those that load
    later; nothing is imported for it. A file without a copy is left to Keras, which then does what it always does.

    The user's Keras cache is neither read nor written for a file that has a copy. The copy need not have the bytes that
    Keras knows by their digest, as long as it reads the same; only archives, which Keras unpacks, must.

    Args:
        find_file: Finds copies.
        on_use: Called with the path of each copy, the first time it is used.

    Example:

        >>> with DataMirror(lambda dataset, file: None):
        ...     pass  # run the script here
    """

    def __init__(self, find_file: FindFile, on_use: Callable[[Path], None] | None = None) -> None:
        self._find_file = find_file
        self._on_use = on_use
        self._used: set[Path] = set()
        self._finder = _Finder(self._take_over)
        self._originals: list[tuple[ModuleType, Any]] = []
        self._unpacked: TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        for name, module in list(sys.modules.items()):
            if name.startswith(f"{_PACKAGE}."):
                self._take_over(module)
        sys.meta_path.insert(0, self._finder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.meta_path.remove(self._finder)
        while self._originals:
            module, original = self._originals.pop()
            module.get_file = original  # type: ignore[attr-defined]
        if self._unpacked:
            self._unpacked.cleanup()
            self._unpacked = None

    def _take_over(self, module: ModuleType) -> None:
        original = getattr(module, "get_file", None)
        if original is None:
            return
        dataset = module.__name__.rpartition(".")[2]

        def get_file(fname: Any = None, origin: Any = None, *args: Any, **kwargs: Any) -> Any:
            copy = self._copy_of(dataset, fname, origin)
            if copy is None:
                return original(fname, origin, *args, **kwargs)
            if kwargs.get("extract") or kwargs.get("untar"):
                # Keras unpacks it as it would a download, checks its digest first, and needs a folder to do so.
                return original(
                    fname, copy.absolute().as_uri(), *args, **{**kwargs, "cache_dir": self._unpack_folder()}
                )
            return str(copy)

        self._originals.append((module, original))
        module.get_file = get_file  # type: ignore[attr-defined]

    def _copy_of(self, dataset: str, fname: object, origin: object) -> Path | None:
        # A path in place of a name asks for that very file.
        if "/" in str(fname or "") or not isinstance(origin, str):
            return None
        # What the file is, is the name at its origin: `fname` may be anything the user likes it to be called.
        file_name = PurePosixPath(urlsplit(origin).path).name
        # Keras' own cache spells `fashion_mnist` with a hyphen.
        for name in dict.fromkeys((dataset, dataset.replace("_", "-"))):
            copy = self._find_file(name, file_name)
            if copy is not None:
                if copy not in self._used and self._on_use:
                    self._on_use(copy)
                self._used.add(copy)
                return copy
        return None

    def _unpack_folder(self) -> str:
        if self._unpacked is None:
            self._unpacked = TemporaryDirectory(prefix="lepton-data-")
        return self._unpacked.name


class _Finder(MetaPathFinder):
    """Finds the modules of Keras' data sets as Python does, and has each looked at once it is loaded."""

    def __init__(self, on_loaded: Callable[[ModuleType], None]) -> None:
        self._on_loaded = on_loaded

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(f"{_PACKAGE}."):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path, self._on_loaded)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, on_loaded: Callable[[ModuleType], None]) -> None:
        super().__init__(fullname, path)
        self._on_loaded = on_loaded

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        self._on_loaded(module)

"""The door for tables: from wherever people keep them into one kind of frame, and on into checked columns."""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput, NotFound, TooLarge
from lepton_ai.platform.preprocessing.cells import WANTED, read_cells
from lepton_ai.platform.preprocessing.column import Role, unknown_column
from lepton_ai.platform.preprocessing.columns import MOST_MISFITS, Columns, Misfit, misfits_error, shown
from lepton_ai.platform.preprocessing.delimited import read_delimited
from lepton_ai.platform.preprocessing.schema import Schema
from lepton_ai.platform.preprocessing.series import one_series, plain_frame

if TYPE_CHECKING:
    import polars

MOST_CELLS = 500_000_000
"""The most cells of a Parquet file that are read: some 4 GB as numbers."""

_TEXT_FILES = {".csv", ".tsv", ".tab", ".txt", ".data", ".dat", ".test", ".train", ""}
_OTHER_FILES = {
    ".xlsx": "Save the sheet as CSV.",
    ".xls": "Save the sheet as CSV.",
    ".json": "Pass the rows: read_table(json.loads(text)).",
    ".jsonl": "Pass the rows: read_table([json.loads(line) for line in file]).",
    ".feather": "Save it as Parquet.",
    ".pkl": "Save it as Parquet; a pickle can run anything when it is read.",
}


def read_table(source: Any, *, header: bool | None = None) -> "polars.DataFrame":
    """A table from wherever it is, as a polars frame of numbers, texts, categories, dates and true/false.

    Args:
        source: A pandas or polars frame, an Arrow table, a NumPy array (structured, or `(batch, columns)`), a dict of
            columns, a list of rows as dicts, or the path of a CSV, Parquet, `.npz` or `.npy` file; CSV also with other
            separators, and packed (`.gz`).
        header: Whether the first line of a text file holds names; None looks at it.

    Columns without names are called `x0`, `x1` … An index of pandas that has a name comes along as a column.
    Cells of mixed types become text, and whole numbers of more than 15 digits too, as they would lose digits.

    Raises:
        NotFound: There is no such file.
        InvalidInput: It is no table, or one that cannot be read; the message names line or column.
        TooLarge: The file is larger than what is read: 1 GiB of text, or 500 million cells of Parquet.

    Example:

        >>> read_table({"age": [31, 47], "sex": ["f", "m"]}).shape
        (2, 2)
    """
    import polars as pl

    if isinstance(source, str | Path):
        try:
            frame = _file(Path(source), header)
        except OSError as error:
            raise InvalidInput(
                f"a table must be a file that can be read, got {error.strerror}: {str(source)[:80]!r}"
            ) from error
    elif isinstance(source, pl.DataFrame | pl.LazyFrame):
        frame = source.lazy().collect()
    elif type(source).__module__.partition(".")[0] == "pandas":
        frame = _pandas(source)
    elif isinstance(source, np.ndarray):
        frame = _array(source)
    elif isinstance(source, Mapping):
        frame = _columns(source)
    elif isinstance(source, Sequence):
        frame = _rows(source)
    elif hasattr(source, "__arrow_c_stream__"):
        frame = pl.DataFrame(source)
    else:
        raise InvalidInput(
            "a table must be a frame, an array, a dict of columns, a list of rows or a path, "
            f"got {type(source).__name__}"
        )
    if not frame.width or not frame.height:
        raise InvalidInput(f"a table must have rows and columns, got {frame.height} rows and {frame.width} columns")
    return plain_frame(frame)


def to_columns(schema: Schema, source: Any) -> Columns:
    """A table in the form that training and serving share, checked cell by cell against its schema.

    The features must be there; other columns of the schema come along if they are, and what the schema does not know is
    passed over. Numbers and dates that stand as text are read; a text that is neither a number nor one of the missing
    codes is an error. Limits are left to `clean`, which repairs, where the serving door (`columns_of_rows`) refuses;
    and a value may be missing in any column, which `findings` tells.

    Args:
        schema: What the table must fit.
        source: As for `read_table`.

    Returns:
        The columns, each `(batch,)`.

    Raises:
        InvalidInput: A feature is not there, or cells do not fit: the first 20 in `errors`, and how many there are.

    Example:

        >>> frame = {"age": ["31", "?"], "sex": ["f", "m"]}
        >>> to_columns(Schema.infer(frame), frame)["age"]
        array([31., nan])
    """
    frame = read_table(source)
    misfits: list[Misfit] = []
    count = 0
    columns = {}
    for column in schema.columns:
        if column.name not in frame.columns:
            if column.is_a(Role.FEATURE):
                raise unknown_column(column.name, frame.columns)
            continue
        values, misfit_rows = read_cells(column, frame[column.name])
        columns[column.name] = values
        count += len(misfit_rows)
        cells = frame[column.name]
        misfits += [
            Misfit(row, column.name, WANTED[column.kind], shown(cells[row])) for row in misfit_rows[:MOST_MISFITS]
        ]
    if misfits:
        raise misfits_error(sorted(misfits, key=lambda misfit: misfit.row), count, "rows")
    return columns


def _file(path: Path, header: bool | None) -> "polars.DataFrame":
    import polars as pl

    if not path.exists():
        raise NotFound(f"there is no file {str(path)!r}", hint="Give the path from the folder in which you are.")
    if path.is_dir():
        raise InvalidInput(f"a table must be a file, got the folder {str(path)!r}", hint="Name the file in it.")
    ending = path.suffix.lower()
    if ending in (".parquet", ".pq"):
        try:
            scan = pl.scan_parquet(path)
            cells = scan.select(pl.len()).collect().item() * len(scan.collect_schema())
        except pl.exceptions.PolarsError as error:
            raise InvalidInput(f"`{path.name}` cannot be read as Parquet: {error}") from error
        if cells > MOST_CELLS:
            raise TooLarge(
                f"`{path.name}` must have at most {MOST_CELLS} cells, got {cells}", hint="Take a part of it."
            )
        return scan.collect()
    if ending in (".npz", ".npy"):
        return _arrays(path)
    if ending in _OTHER_FILES:
        raise InvalidInput(f"a table must be CSV, Parquet or .npz, got {path.name!r}", hint=_OTHER_FILES[ending])
    return read_delimited(path, header)


def _arrays(path: Path) -> "polars.DataFrame":
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return _array(loaded)
        arrays = {name: loaded[name] for name in loaded.files}
    except (ValueError, OSError, EOFError, BadZipFile, zlib.error) as error:
        raise InvalidInput(
            f"`{path.name}` cannot be read: {error}", hint="Store plain arrays, without objects."
        ) from error
    columns: dict[str, Any] = {}
    for name, array in arrays.items():
        if array.ndim == 2:
            columns |= {f"{name}{position}": array[:, position] for position in range(array.shape[1])}
        else:
            columns[name] = array
    return _columns(columns)


def _pandas(source: Any) -> "polars.DataFrame":
    if not hasattr(source, "columns"):
        raise InvalidInput(
            f"a table must be a frame, got a pandas {type(source).__name__}", hint="Pass series.to_frame()."
        )
    if source.columns.nlevels > 1:
        raise InvalidInput("column names must have one level, got a pandas MultiIndex", hint="Join the levels first.")
    index = [name for name in source.index.names if name is not None]
    _check_names([*map(str, index), *map(str, source.columns)])
    if index:
        source = source.reset_index(level=index)
    names = [str(name) for name in source.columns]
    # By position, as names that differ as objects may be the same as text.
    return _framed([one_series(name, source.iloc[:, position]) for position, name in enumerate(names)])


def _array(source: NDArray[Any]) -> "polars.DataFrame":
    if source.dtype.names:
        return _framed([one_series(name, source[name].ravel()) for name in source.dtype.names])
    if source.ndim != 2:
        raise InvalidInput(
            f"an array must have shape (batch, columns), got {source.shape}",
            hint="Images and series go to Model without a schema." if source.ndim > 2 else "Pass x.reshape(-1, 1).",
        )
    return _framed([one_series(f"x{position}", source[:, position]) for position in range(source.shape[1])])


def _columns(source: Mapping[Any, Any]) -> "polars.DataFrame":
    names = [str(name) for name in source]
    _check_names(names)
    return _framed([one_series(name, values) for name, values in zip(names, source.values(), strict=True)])


def _rows(source: Sequence[Any]) -> "polars.DataFrame":
    for position, row in enumerate(source):
        if not isinstance(row, Mapping):
            raise InvalidInput(
                f"a list must hold rows, each a mapping from column to value, got {type(row).__name__} at {position}",
                hint="Pass numpy.array(rows) if they are plain numbers.",
            )
    names = list(dict.fromkeys(str(name) for row in source for name in row))
    return _framed([one_series(name, [row.get(name) for row in source]) for name in names])


def _framed(series: list[Any]) -> "polars.DataFrame":
    import polars as pl

    lengths = {one.name: one.len() for one in series}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"`{name}` {length}" for name, length in list(lengths.items())[:6])
        raise InvalidInput(f"the columns of a table must be of equal length, got {told}")
    return pl.DataFrame(series)


def _check_names(names: Sequence[str]) -> None:
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        told = ", ".join(f"`{name}`" for name in doubled)
        raise InvalidInput(f"column names must differ, got twice: {told}", hint="Rename one of each.")

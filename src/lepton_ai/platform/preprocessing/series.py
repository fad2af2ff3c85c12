"""One column, however it is held, as a polars series of numbers, texts, dates or true/false."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.values import text_of

if TYPE_CHECKING:
    import polars

# A float64 holds whole numbers up to here without a gap.
_EXACT = 2**53


def one_series(name: str, values: Any) -> "polars.Series":
    """A column of pandas, NumPy or plain Python, `(batch,)`.

    Raises:
        InvalidInput: It is no column, or holds what is no single value.
    """
    import polars as pl

    if isinstance(values, pl.Series):
        return values.alias(name)
    if hasattr(values, "columns"):
        raise InvalidInput(
            f"column {name!r} must have shape (batch,), got a {type(values).__name__} of shape {tuple(values.shape)}",
            hint=f"Take the column out of it: frame[{name!r}].",
        )
    if str(getattr(values, "dtype", "")) == "category":
        return _from_cells(name, np.asarray(values.astype(object)), texts=True).cast(pl.Categorical)
    array = _as_array(name, values)
    if array.ndim != 1:
        raise InvalidInput(f"column {name!r} must have shape (batch,), got {array.shape}")
    return _from_array(name, array)


def plain_frame(frame: "polars.DataFrame") -> "polars.DataFrame":
    """A frame whose columns are whole numbers, floats, texts, true/false or dates in UTC; null is what is missing.

    Raises:
        InvalidInput: A column holds lists, bytes or the like.
    """
    return frame.with_columns(_plain(frame[name]) for name in frame.columns)


def _as_array(name: str, values: Any) -> NDArray[Any]:
    module = type(values).__module__.partition(".")[0]
    if module == "pandas":
        # Its own types (categories, nullable numbers, texts, dates with zones) are told apart by their cells.
        values = np.asarray(values if isinstance(values.dtype, np.dtype) else values.astype(object))
    elif module == "pyarrow":
        values = values.to_pylist()
    if isinstance(values, np.ma.MaskedArray):
        masked, values = np.ma.getmaskarray(values), values.astype(object).data
        values[masked] = None
    if isinstance(values, np.ndarray):
        return values
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InvalidInput(f"column {name!r} must hold one value per row, got {type(values).__name__}")
    return _objects(list(values))


def _from_array(name: str, values: NDArray[Any]) -> Any:
    import polars as pl

    kind = values.dtype.kind
    if kind in "biu":
        return pl.Series(name, np.ascontiguousarray(values))
    if kind == "f":
        return pl.Series(name, np.ascontiguousarray(values, dtype=np.float64))
    if kind == "M":
        return pl.Series(name, values.astype("datetime64[us]"))
    if kind in "US":
        try:
            texts = np.char.decode(values, "utf-8") if kind == "S" else values
        except UnicodeDecodeError as error:
            raise InvalidInput(f"column {name!r} must hold UTF-8 text, got other bytes: {error}") from error
        return _of_texts(name, texts.tolist())
    if kind == "O":
        return _from_cells(name, values)
    raise InvalidInput(
        f"column {name!r} must hold numbers, texts, dates or true/false, got {values.dtype}",
        hint="Decode bytes to text, and turn durations into numbers of a unit.",
    )


def _from_cells(name: str, values: NDArray[Any], *, texts: bool = False) -> Any:
    import polars as pl

    cells = [None if _is_nothing(cell) else _plain_cell(cell) for cell in values]
    types = {str} if texts else {type(cell) for cell in cells if cell is not None}
    if not types:
        return pl.Series(name, cells, dtype=pl.String)
    if types == {bool}:
        return pl.Series(name, cells, dtype=pl.Boolean)
    if types <= {int, float} and all(abs(cell) <= _EXACT for cell in cells if isinstance(cell, int)):
        return pl.Series(name, cells, dtype=pl.Int64 if types == {int} else pl.Float64)
    if types <= {date, datetime}:
        return pl.Series(name, [_in_utc(cell) for cell in cells], dtype=pl.Datetime("us"))
    try:
        return _of_texts(name, [text_of(cell) for cell in cells])
    except TypeError as error:
        raise InvalidInput(
            f"column {name!r} must hold one number, text, date or true/false per row: {error}",
            hint="Spread lists and mappings over columns of their own.",
        ) from error


def _of_texts(name: str, texts: list[str | None]) -> Any:
    import polars as pl

    try:
        return pl.Series(name, texts, dtype=pl.String)
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"column {name!r} must hold text that UTF-8 can write, got {error.object[error.start]!a}",
            hint="Half of a surrogate pair is no character: repair the text where it was cut.",
        ) from error


def _objects(values: list[Any]) -> NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _is_nothing(cell: Any) -> bool:
    # pandas.NA answers neither yes nor no when compared, and is known by its type.
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(cell, float | np.floating | np.datetime64) and bool(cell != cell)


def _plain_cell(cell: Any) -> Any:
    if isinstance(cell, np.datetime64):
        return cell.astype("datetime64[us]").item()
    if isinstance(cell, np.generic):
        return cell.item()
    if isinstance(cell, Decimal):
        return float(cell)
    if isinstance(cell, datetime):
        # A pandas Timestamp is a datetime too, and polars wants a plain one.
        return datetime.fromisoformat(cell.isoformat(timespec="microseconds"))
    return cell


def _in_utc(cell: Any) -> datetime | None:
    if cell is None or not isinstance(cell, date):
        return None
    if not isinstance(cell, datetime):
        return datetime(cell.year, cell.month, cell.day)  # noqa: DTZ001 - columns are in UTC without saying so
    return cell.astimezone(UTC).replace(tzinfo=None) if cell.tzinfo else cell


def _plain(series: Any) -> Any:
    import polars as pl

    kind = series.dtype
    if kind in (pl.String, pl.Boolean):
        return series
    if kind.is_integer():
        large = series.len() > series.null_count() and max(abs(series.min()), abs(series.max())) > _EXACT
        return series.cast(pl.String if large else pl.Int64)
    if kind.is_float() or kind.is_decimal():
        return series.cast(pl.Float64).fill_nan(None)
    if kind == pl.Null:
        return series.cast(pl.String)
    if kind in (pl.Categorical, pl.Enum):
        # Kept apart from texts: somebody has said that its values are categories, also where they look like numbers.
        return series.cast(pl.Categorical)
    if kind == pl.Date:
        return series.cast(pl.Datetime("us"))
    if kind == pl.Datetime:
        if kind.time_zone:
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return series.cast(pl.Datetime("us"))
    if kind == pl.Time:
        return series.dt.to_string("%H:%M:%S")
    if kind == pl.Object:
        return _from_cells(series.name, _objects(series.to_list()))
    raise InvalidInput(
        f"column {series.name!r} must hold numbers, texts, dates or true/false, got {kind}",
        hint="Decode bytes to text, turn durations into numbers of a unit, and spread lists over columns.",
    )

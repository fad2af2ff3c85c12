"""Text files of separated fields (CSV, TSV and their kin), read as they are."""

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_ai.core.errors import InvalidInput, TooLarge
from lepton_ai.platform.preprocessing.column import listed
from lepton_ai.platform.preprocessing.sniffing import form_of, has_header

if TYPE_CHECKING:
    import polars

MOST_BYTES = 2**30
"""The largest text that is read, unpacked. Parquet is the form for more."""

_ROWS_TO_LOOK_AT = 200
_ROWS_AT_ONCE = 50_000

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_WHOLE = r"^[+-]?[0-9]+$"
# 007 is a code; and a float64 holds no more than 15 digits faithfully.
_CODE = r"^[+-]?(0[0-9]|[0-9]{16})"
_COMMA_NUMBER = r"^[+-]?([0-9]{1,3}(\.[0-9]{3})+|[0-9]+)(,[0-9]+)?$"
_DECIMAL_COMMA = r",([0-9]{1,2}|[0-9]{4,})$"


def read_delimited(path: Path, header: bool | None = None) -> "polars.DataFrame":
    """Read a file of separated fields, packed by gzip or not.

    Separator, quotes, header and encoding are found by looking at the file. A column is numbers where every field that
    is not empty is one, written with a point (or, where the separator is no comma, with a decimal comma); a column with
    leading zeros or more than 15 digits stays text. Everything else stays text, without the spaces around it, and an
    empty field is null.

    Args:
        path: The file.
        header: Whether the first line holds the names; None looks at it. Without names, columns are `x0`, `x1` ….

    Raises:
        InvalidInput: A line has more or fewer fields than the first, a quote is not closed, a name comes twice, or the
            file is not text; the message names the line.
        TooLarge: It has more than 1 GiB.
    """
    text = _text(path)
    if not text.strip():
        raise InvalidInput(f"`{path.name}` must hold rows, got an empty file")
    form = form_of(text)
    frame = _frame(_checked(form.rows(text, strict=True), path), header, path)
    if form.separator != ",":
        frame = frame.with_columns(_with_point(frame[name]) for name in frame.columns)
    frame = frame.with_columns(_typed(frame[name]) for name in frame.columns)
    # Separators at the end of each line make columns without name and values.
    nameless = [name for place, name in enumerate(frame.columns) if name == f"x{place}"]
    return frame.drop([name for name in nameless if frame[name].null_count() == frame.height])


def _text(path: Path) -> str:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            content = (gzip.GzipFile(fileobj=file) if packed else file).read(MOST_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise InvalidInput(f"`{path.name}` cannot be unpacked: {error}") from error
    if len(content) > MOST_BYTES:
        raise TooLarge(
            f"`{path.name}` must have at most {MOST_BYTES // 2**20} MiB of text",
            hint="Store it as Parquet, or in parts.",
        )
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError as error:
            raise InvalidInput(f"`{path.name}` begins as UTF-16 text and is none: {error}") from error
    if b"\0" in content[:100_000]:
        hint = "Save the sheet as CSV." if content.startswith(b"PK") else "Pass a CSV or Parquet file."
        raise InvalidInput(f"`{path.name}` must be text, got binary data", hint=hint)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        try:
            # What spreadsheets in the West wrote before.
            return content.decode("cp1252")
        except UnicodeDecodeError:
            line = content.count(b"\n", 0, error.start) + 1
            raise InvalidInput(
                f"`{path.name}` must be UTF-8 text, got byte 0x{content[error.start]:02x} in line {line}",
                hint="Save it as UTF-8.",
            ) from error


def _checked(rows: Iterator[tuple[int, list[str]]], path: Path) -> Iterator[list[str]]:
    width = 0
    try:
        for line, row in rows:
            if width and len(row) != width:
                raise InvalidInput(
                    f"`{path.name}`, line {line}: must have {width} fields like the lines before, got {len(row)}",
                    hint="Correct the line; put a field that holds the separator in quotes.",
                )
            width = len(row)
            # Spreadsheets write lines of nothing but separators below the last row.
            if any(field.strip() for field in row):
                yield row
    except csv.Error as error:
        raise InvalidInput(
            f"`{path.name}`, {error}", hint="Correct the line; a quote within a quoted field is written twice."
        ) from error


def _frame(rows: Iterator[list[str]], header: bool | None, path: Path) -> "polars.DataFrame":
    import polars as pl

    some = list(islice(rows, _ROWS_TO_LOOK_AT))
    if header is None:
        header = has_header(some)
    names = _names(some.pop(0) if header else None, len(some[0]) if some else 0, path)
    if not some:
        raise InvalidInput(f"`{path.name}` must hold rows, got only names", hint="Pass header=False if it is a row.")
    parts = []
    while some:
        fields = zip(names, zip(*some, strict=True), strict=True)
        parts.append(pl.DataFrame([pl.Series(name, values, dtype=pl.String) for name, values in fields]))
        some = list(islice(rows, _ROWS_AT_ONCE))
    frame = pl.concat(parts, rechunk=True).with_columns(pl.all().str.strip_chars())
    return frame.with_columns(pl.when(pl.all() == "").then(None).otherwise(pl.all()).name.keep())


def _names(fields: Sequence[str] | None, width: int, path: Path) -> list[str]:
    if fields is None:
        return [f"x{position}" for position in range(width)]
    names = [field.strip() or f"x{position}" for position, field in enumerate(fields)]
    doubled = sorted(name for name, times in Counter(names).items() if times > 1)
    if doubled:
        raise InvalidInput(
            f"`{path.name}`: column names must differ, got twice: {listed(doubled)}",
            hint="Rename one of each, or pass header=False if the first line is a row.",
        )
    return names


def _with_point(series: Any) -> Any:
    """Numbers with a decimal comma, written with a point; unless each comma may also stand between thousands."""
    import polars as pl

    values = series.drop_nulls()
    numbers = values.str.contains(_COMMA_NUMBER)
    if (
        not values.len()
        or numbers.sum() < 0.9 * values.len()
        or not values.filter(numbers).str.contains(_DECIMAL_COMMA).any()
    ):
        return series
    plain = series.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return pl.select(
        pl.when(series.str.contains(_COMMA_NUMBER)).then(plain).otherwise(series).alias(series.name)
    ).to_series()


def _typed(series: Any) -> Any:
    import polars as pl

    values = series.drop_nulls()
    if not values.len() or not values.str.contains(_NUMBER).all() or values.str.contains(_CODE).any():
        return series
    return series.cast(pl.Int64 if values.str.contains(_WHOLE).all() else pl.Float64)

"""How a text file of separated fields is written: separator, quotes, and whether it begins with names. Pure."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

from lepton_ai.platform.preprocessing.values import number_of

# In the order of preference where a file can be read in more than one way: in a line such as `1,5;2,5` both would do.
_SEPARATORS = ("\t", ";", "|", ",")
# Stands for "no separator": it is in no text.
_NOTHING = "\x1f"
_SAMPLE_CHARACTERS = 200_000
_SAMPLE_ROWS = 200


@dataclass(frozen=True)
class Form:
    """How the fields of a line are told apart.

    Args:
        separator: What stands between two fields.
        quoted: Whether a field may stand in quotes, and then hold separators and line ends.
    """

    separator: str
    quoted: bool = True

    def rows(self, text: str, *, strict: bool) -> Iterator[tuple[int, list[str]]]:
        """The rows that are not blank, each with the number of the line on which it begins.

        Args:
            text: The text of the file.
            strict: Whether a quote out of place is an error.

        Raises:
            csv.Error: A quote is out of place, or not closed.
        """
        quoting = csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE
        dialect: dict[str, Any] = {"delimiter": self.separator, "quoting": quoting, "skipinitialspace": True}
        reader = csv.reader(io.StringIO(text, newline=""), strict=strict and self.quoted, **dialect)
        line = 1
        try:
            for row in reader:
                # Where spaces separate, those at the end of a line do not.
                if self.separator == " " and len(row) > 1 and not row[-1]:
                    row.pop()
                if len(row) > 1 or (row and row[0].strip()):
                    yield line, row
                line = reader.line_num + 1
        except csv.Error as error:
            raise csv.Error(f"line {line}: {_reason(error)}") from error


def form_of(text: str) -> Form:
    """How a file is written, judged by its first lines: the form in which all of them have as many fields.

    Example:

        >>> form_of("age;weight\\n31;70,5\\n47;81,2\\n").separator
        ';'
    """
    sample = text[:_SAMPLE_CHARACTERS]
    found = {}
    for separator in _SEPARATORS:
        rows = _sample_rows(sample, Form(separator), cut=len(sample) < len(text))
        # Most programs that write tabs do not quote, so that a lone quote is a character like any other.
        if separator == "\t":
            bare = _sample_rows(sample, Form(separator, quoted=False), cut=len(sample) < len(text))
            if not _quotes_in_pairs(bare):
                found[Form(separator, quoted=False)] = Counter(map(len, bare))
        found[Form(separator)] = Counter(map(len, rows))
    for form, widths in found.items():
        if len(widths) == 1 and min(widths) > 1:
            return form
    # A file with a bad line: reading it will tell which, by the separator on which most lines agree.
    for form, widths in found.items():
        width, lines = widths.most_common(1)[0] if widths else (0, 0)
        if width > 1 and 2 * lines > widths.total():
            return form
    spaced = Counter(map(len, _sample_rows(sample, Form(" "), cut=len(sample) < len(text))))
    if len(spaced) == 1 and min(spaced) > 2:
        return Form(" ")
    single = set(found[Form(",")]) == {1}
    return Form(",") if single else Form(_NOTHING, quoted=False)


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first of some rows holds names.

    A field speaks for names if it is no number above numbers, and against them if it is a number above numbers, or is
    found again below. Numbers that count up by one are names: years, or the positions that pandas writes.

    Example:

        >>> has_header([["age", "sex"], ["31", "f"]]), has_header([["31", "f"], ["47", "m"], ["25", "f"]])
        (True, False)
        >>> has_header([["country", "2019", "2020", "2021"], ["Chad", "4.5", "3.2", "2.8"]])
        True
    """
    first, below = rows[0], rows[1:]
    if not below:
        return all(number_of(field.strip()) is None for field in first)
    numbers = [number for number in (number_of(field.strip()) for field in first) if number is not None]
    if len(numbers) >= 3 and all(later == earlier + 1 for earlier, later in pairwise(numbers)):
        return True
    votes = 0
    for field, *column in zip(*rows, strict=True):
        values = [value.strip() for value in column if value.strip()]
        numeric = bool(values) and sum(number_of(value) is not None for value in values) >= 0.8 * len(values)
        if number_of(field.strip()) is not None:
            votes -= 1
        elif numeric and field.strip():
            votes += 1
        elif field.strip() in values:
            votes -= 1
    return votes > 0 or (votes == 0 and len({field.strip() for field in first}) == len(first))


def _sample_rows(sample: str, form: Form, *, cut: bool) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for _, row in islice(form.rows(sample, strict=False), _SAMPLE_ROWS):
            rows.append(row)
    except csv.Error:
        return rows
    return rows[:-1] if cut and len(rows) < _SAMPLE_ROWS else rows


def _quotes_in_pairs(rows: Sequence[Sequence[str]]) -> bool:
    quoted = [field.strip() for row in rows for field in row if field.strip().startswith('"')]
    return bool(quoted) and all(
        len(field) > 1 and field.endswith('"') and '"' not in field[1:-1].replace('""', "") for field in quoted
    )


def _reason(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end" in text:
        return "a quote is opened and not closed"
    if "expected after" in text:
        return "a quoted field goes on after its quote"
    return text

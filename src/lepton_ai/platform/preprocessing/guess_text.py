"""What a column of text is: numbers or dates written as text, sentences, names of rows, or a category."""

import re
from collections import Counter
from dataclasses import replace

from lepton_ai.platform.preprocessing.column import Kind
from lepton_ai.platform.preprocessing.dates import date_format_of
from lepton_ai.platform.preprocessing.guess_category import (
    MOST_CATEGORIES,
    ROWS_TO_JUDGE,
    Guess,
    guess_category,
    noted,
    some,
)
from lepton_ai.platform.preprocessing.guess_number import DISTINCT_OF_AN_ID, guess_number
from lepton_ai.platform.preprocessing.text import TextRows
from lepton_ai.platform.preprocessing.text_numbers import UNSPACED
from lepton_ai.platform.preprocessing.values import date_of, is_missing_word, number_of, text_of

_WORDS_OF_A_TEXT = 3
_DISTINCT_OF_A_TEXT = 0.3
_TEXTS_TO_MEASURE = 5000

_MOST_STRAY_WORDS = 5
_NUMBERS_AMONG_STRAY_WORDS = 0.9
_DISTINCT_NUMBERS = 10

_CODE = re.compile(r"[+-]?(0\d+|\d{16,})")
_ALMOST_A_NUMBER = re.compile(r"(?=.*\d)(?!0\d)[-+$€£\d.,' %]+")
# A character of a script without spaces is worth about half a word.
_UNSPACED = re.compile(f"[{UNSPACED}]")


def guess_text(
    counts: Counter[str], rows: int, codes: tuple[str, ...], name: str, *, target: bool, kind: Kind | None
) -> Guess:
    """Judge a column of text.

    Args:
        counts: How often each text is there, in the order in which they first came.
        rows: How many rows there are.
        codes: What is known to stand for a missing value.
        name: Its name.
        target: Whether the column is to be predicted.
        kind: The kind that the user said.
    """
    kept = Counter({text: times for text, times in counts.items() if text not in codes})
    if kind in (None, Kind.NUMBER):
        found = _spelled_numbers(kept, rows, codes, name, target=target, kind=kind)
        if found is not None:
            return found
    if kind in (None, Kind.DATE):
        found = _spelled_dates(kept, rows, codes)
        if found is not None:
            return found
    if not kept:
        known = kind or Kind.NUMBER
        return Guess(known, rows, codes, () if known is Kind.CATEGORY else None)
    words = tuple(sorted(text for text in kept if is_missing_word(text, Kind.CATEGORY)))
    kept = Counter({text: times for text, times in kept.items() if text not in words})
    codes = (*codes, *words)
    if kind is Kind.TEXT or (kind is None and not target and _is_prose(kept)):
        words_that_count = TextRows.fit(list(kept)[:_TEXTS_TO_MEASURE]).words
        return Guess(Kind.TEXT, rows - kept.total(), codes, words=words_that_count)
    ambiguous = date_format_of(list(kept)) == "ambiguous" if kept else False
    found = guess_category(Counter(_as_categories(kept)), rows, codes, target=target)
    if words:
        found = noted(found, f"is missing where {some(words)} stands")
    if kept and kind is None and all(map(_ALMOST_A_NUMBER.fullmatch, kept)):
        found = noted(found, "looks like numbers, but only plain ones such as 1234.5 are read: it is a category now")
    if ambiguous:
        found = noted(
            found,
            "may be dates with the day or the month first; say which: "
            f'with_column({name!r}, kind="date", categories=None, date_format="%d/%m/%Y")',
        )
    if kind is None and not target and rows >= ROWS_TO_JUDGE and len(kept) >= DISTINCT_OF_AN_ID * kept.total() > 0:
        nearly = "" if len(kept) == kept.total() else "nearly "
        found = replace(found, names_rows=f"differs in {nearly}all rows")
    return found


def _spelled_numbers(
    counts: Counter[str], rows: int, codes: tuple[str, ...], name: str, *, target: bool, kind: Kind | None
) -> Guess | None:
    """Numbers written as text, among them perhaps a few words for "unknown"."""
    import polars as pl

    words = {text for text in counts if is_missing_word(text, Kind.NUMBER)}
    texts = Counter({text: times for text, times in counts.items() if text not in words})
    numbers = {text: number for text in texts if (number := number_of(text)) is not None}
    strays = set(texts) - set(numbers)
    if not numbers or (kind is None and any(_CODE.fullmatch(text) for text in numbers)):
        return None
    if strays and kind is None:
        share = sum(texts[text] for text in numbers) / texts.total()
        if (
            target
            or len(strays) > _MOST_STRAY_WORDS
            or len(numbers) < _DISTINCT_NUMBERS
            or share < _NUMBERS_AMONG_STRAY_WORDS
        ):
            return None
    if strays and len(strays) > _MOST_STRAY_WORDS:
        return None
    all_codes = (*codes, *sorted(strays))
    values = pl.Series(name, [numbers[text] for text, times in texts.items() if text in numbers for _ in range(times)])
    found = guess_number(values, rows, all_codes, name, target=target, kind=kind)
    if words or strays:
        found = noted(found, f"is a number, and missing where {some(sorted(words | strays))} stands")
    return found


def _spelled_dates(counts: Counter[str], rows: int, codes: tuple[str, ...]) -> Guess | None:
    texts = [text for text in counts if not is_missing_word(text, Kind.DATE)]
    date_format = date_format_of(texts)
    if date_format is None or date_format == "ambiguous":
        return None
    written = None if date_format == "iso" else date_format
    moments = [moment for text in texts if (moment := date_of(text, written)) is not None]
    has_time = any(moment.hour or moment.minute or moment.second for moment in moments)
    missing = rows - sum(counts[text] for text in texts)
    found = Guess(Kind.DATE, missing, codes, date_format=written, has_time=has_time)
    return noted(found, f"is a date written as {written}") if written else found


def _is_prose(counts: Counter[str]) -> bool:
    """Whether texts are sentences rather than names: several words each, and mostly different."""
    if not counts:
        return False
    texts = sorted(counts)[:: max(1, len(counts) // 1000)]
    words = sum(len(text.split()) + len(_UNSPACED.findall(text)) / 2 for text in texts) / len(texts)
    share = len(counts) / counts.total()
    return words >= _WORDS_OF_A_TEXT and (share >= _DISTINCT_OF_A_TEXT or len(counts) > MOST_CATEGORIES)


def _as_categories(counts: Counter[str]) -> dict[str, int]:
    """The counts by the text under which a category is known."""
    merged: dict[str, int] = {}
    for text, times in counts.items():
        known = str(text_of(text))
        merged[known] = merged.get(known, 0) + times
    return merged

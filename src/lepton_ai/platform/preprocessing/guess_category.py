"""What was found out about a column, and how the values of a category are settled."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.column import Kind
from lepton_ai.platform.preprocessing.values import number_of

MOST_CATEGORIES = 254
"""More values than this, and the rarest of a category count as unknown."""

MOST_CLASSES = 1000

ROWS_TO_JUDGE = 20
"""With fewer rows, values that all differ, or do not, say little."""


@dataclass(frozen=True)
class Guess:
    """What was found out about a column.

    Args:
        kind: What its values are.
        missing: How many rows have no value.
        missing_codes: What stands for a missing value.
        categories: The values of a category.
        whole: Whether these are whole numbers.
        date_format: How dates are written, None for ISO 8601.
        has_time: Whether they say the time of the day.
        words: How many words of its texts count.
        names_rows: Why it seems to name rows, if it does.
        says_nothing: Why it cannot help a prediction, if so.
        notes: What was decided, for people.
    """

    kind: Kind
    missing: int
    missing_codes: tuple[str, ...] = ()
    categories: tuple[str, ...] | None = None
    whole: bool = False
    date_format: str | None = None
    has_time: bool = False
    words: int | None = None
    names_rows: str | None = None
    says_nothing: str | None = None
    notes: tuple[str, ...] = ()


def guess_category(counts: Counter[str], rows: int, codes: tuple[str, ...], *, target: bool) -> Guess:
    """A column as a category: which values are kept, in which order, and whether they are whole numbers.

    Args:
        counts: How often each value is there, by the text under which it is known.
        rows: How many rows there are.
        codes: What stands for a missing value.
        target: Whether the column is to be predicted; the values are its classes then.

    Raises:
        InvalidInput: A target has too many classes to be learned.
    """
    missing = rows - counts.total()
    numbers = all(number_of(text) is not None for text in counts)
    # 007 is not the number 7, and has to be given back as it came.
    whole = numbers and all(text.lstrip("-").isdecimal() and str(int(text)) == text for text in counts)
    order: Callable[[str], Any] = float if numbers else str
    notes: list[str] = []
    kept = list(counts)
    if target and (len(kept) > MOST_CLASSES or (counts.total() >= ROWS_TO_JUDGE and len(kept) > counts.total() / 2)):
        raise InvalidInput(
            f"the target must have at most {MOST_CLASSES} classes, and several rows of each, "
            f"got {len(kept)} classes in {counts.total()} rows",
            hint="Choose another target, or group its values.",
        )
    if not target and len(kept) > MOST_CATEGORIES:
        # The more frequent first, and among equals the first in the alphabet: the same table gives the same schema.
        kept = sorted(kept, key=lambda text: (-counts[text], text))[:MOST_CATEGORIES]
        share = sum(counts[text] for text in kept) / counts.total()
        notes.append(
            f"has {len(counts)} values; the {MOST_CATEGORIES} most frequent are kept ({share:.0%} of the rows)"
        )
    categories = tuple(sorted(kept, key=order))
    return Guess(Kind.CATEGORY, missing, codes, categories, whole, notes=tuple(notes))


def noted(found: Guess, note: str) -> Guess:
    """A guess with one more note."""
    return replace(found, notes=(*found.notes, note))


def some(values: Any) -> str:
    """The first few of some values, as a note shows them."""
    return ", ".join(repr(value) for value in list(values)[:5])

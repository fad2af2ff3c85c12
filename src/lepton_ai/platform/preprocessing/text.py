"""Texts as rows of whole numbers for a net: hashed words, pairs of words, and runs of characters. NumPy only.

Hashing needs no vocabulary, so any language will do and nothing has to be learned or kept but the width of a row
(Weinberger and others, "Feature Hashing for Large Scale Multitask Learning", 2009).
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.text_numbers import UNSPACED

# Exact in float32, which has 24 bits.
BUCKETS = 2**20

_PARTS = 16  # of a row: one for words, one for pairs, the rest for runs of characters
_WORDS = (16, 32, 64, 128, 256)
_LENGTHS = (1, 2, 3, 4)
_CHARACTERS_READ_PER_WORD = 16
_TEXTS_AT_ONCE = 1024

_LINK = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_SPACE = re.compile(r"\s+")
# In scripts without spaces each character is a word.
_WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+(?:['\u2019][^\W{UNSPACED}]+)*|[^\w\s]")

_PRIME = np.uint64(0x100000001B3)
_MIXERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


@dataclass(frozen=True)
class Sections:
    """Where the parts of a row are.

    Args:
        words: Words in their order.
        pairs: Pairs of neighbouring words.
        characters: Runs of 1 to 4 characters, each once.
    """

    words: slice
    pairs: slice
    characters: slice


def sections(width: int) -> Sections | None:
    """The parts of a row of this width, None where no row of text is that wide.

    Example:

        >>> sections(256).words, sections(256).characters, sections(100)
        (slice(0, 16, None), slice(32, 256, None), None)
    """
    words, rest = divmod(width, _PARTS)
    if rest or not words:
        return None
    return Sections(slice(0, words), slice(words, 2 * words), slice(2 * words, width))


@dataclass(frozen=True)
class TextRows:
    """Turns texts into rows of whole numbers, 0 where a row goes on after its text.

    Texts are brought to one form first (Unicode NFKC, lower case). Among the words a digit is any digit and a link is
    any link, so that numbers are told apart by their length; runs of characters keep both as they are. What is longer
    than a row is cut off.

    Args:
        words: The most words of a text that count; a row is 16 times as wide.

    Raises:
        InvalidInput: `words` is below 1.

    Example:

        >>> rows = TextRows(words=16)
        >>> rows.apply(["Call now", "call  NOW", None]).shape
        (3, 256)
        >>> first, second, missing = rows.apply(["Call now", "call  NOW", None])
        >>> bool((first == second).all()), int(missing.max())
        (True, 0)
    """

    words: int

    def __post_init__(self) -> None:
        if self.words < 1:
            raise InvalidInput(f"`words` must be 1 or more, got words={self.words}")

    @classmethod
    def fit(cls, texts: Sequence[str | None]) -> Self:
        """Take the smallest row that holds 98 of 100 training texts whole; at most 256 words.

        Example:

            >>> TextRows.fit(["a short one", "and another"]).words
            16
        """
        needed = sorted(_words_needed(_normal(text)) for text in texts)
        most = needed[int(0.98 * (len(needed) - 1))] if needed else 0
        return cls(next((words for words in _WORDS if words >= most), _WORDS[-1]))

    @property
    def width(self) -> int:
        """How many numbers a row has."""
        return self.words * _PARTS

    def apply(self, texts: Iterable[str | None]) -> NDArray[np.float32]:
        """The rows of some texts, `(batch, width)`, each number from 1 to 2**20 - 1; a missing text is an empty one."""
        normal = [_normal(text, self.words * _CHARACTERS_READ_PER_WORD) for text in texts]
        rows = np.zeros((len(normal), self.width), dtype=np.float32)
        for first in range(0, len(normal), _TEXTS_AT_ONCE):
            self._fill(rows[first : first + _TEXTS_AT_ONCE], normal[first : first + _TEXTS_AT_ONCE])
        return rows

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"words": self.words}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(int(value["words"]))

    def _fill(self, rows: NDArray[np.float32], texts: Sequence[str]) -> None:
        parts = sections(self.width)
        assert parts is not None
        hashes = [np.array([crc32(_bytes(word)) for word in _words(text)], dtype=np.uint64) for text in texts]
        _place(rows[:, parts.words], [_buckets(each, 1) for each in hashes])
        _place(rows[:, parts.pairs], [_buckets(each[:-1] * _PRIME + each[1:], 2) for each in hashes])
        _place(rows[:, parts.characters], _runs(texts))


def _normal(text: str | None, most: int | None = None) -> str:
    """One form for what reads the same; cut before and after, because a character may become eighteen."""
    kept = text or "" if most is None else (text or "")[:most]
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", kept).lower()).strip()[:most]


def _words(text: str) -> list[str]:
    return _WORD.findall(_DIGIT.sub("0", _LINK.sub(" http ", text)))


def _words_needed(text: str) -> int:
    """How many words a row must have room for, so that runs of characters fit too."""
    runs = len(_LENGTHS) * len(text)
    return max(len(_words(text)), -(-runs // (_PARTS - 2)))


def _runs(texts: Sequence[str]) -> list[NDArray[np.float32]]:
    """The buckets of the runs of characters of each text, each once, in the order in which they first come.

    A run may begin or end in the space around a word, and does not reach over it. Once, because how often a run comes
    says less than that it does. The texts are hashed as one long row of characters with two spaces between them.
    """
    spaced = [f" {text} " for text in texts]
    characters = np.frombuffer("".join(spaced).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    spaces = np.concatenate([[0], np.cumsum(characters == ord(" "))])  # before each character
    buckets = np.zeros((len(characters), len(_LENGTHS)), dtype=np.float32)
    for column, length in enumerate(_LENGTHS):
        count = max(len(characters) - length + 1, 0)
        hashes = np.zeros(count, dtype=np.uint64)
        for place in range(length):
            hashes = hashes * _PRIME + characters[place : place + count]
        firsts = np.arange(count)
        inner = spaces[firsts + max(length - 1, 1)] - spaces[firsts + 1]
        within = (inner == 0) & (spaces[firsts + length] - spaces[firsts] < length)  # more than spaces
        buckets[:count, column] = np.where(within, _buckets(hashes, 3 + column), 0)
    parts = np.split(buckets, np.cumsum([len(text) for text in spaced])[:-1]) if texts else []
    return [_once(part[part > 0]) for part in parts]


def _once(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values[np.sort(np.unique(values, return_index=True)[1])]


def _buckets(hashes: NDArray[np.uint64], kind: int) -> NDArray[np.float32]:
    """Spread hashes over the buckets, other ones for each kind (by the end of SplitMix64, Steele and others 2014)."""
    mixed = hashes + np.uint64(kind) * np.uint64(0x9E3779B97F4A7C15 % 2**60)
    for shift, mixer in zip((30, 27), _MIXERS, strict=True):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * mixer
    mixed ^= mixed >> np.uint64(31)
    return (1 + mixed % np.uint64(BUCKETS - 1)).astype(np.float32)


def _place(part: NDArray[np.float32], found: Sequence[NDArray[np.float32]]) -> None:
    for row, buckets in zip(part, found, strict=True):
        kept = buckets[: len(row)]
        row[: len(kept)] = kept


def _bytes(word: str) -> bytes:
    return word.encode("utf-8", "surrogatepass")

"""A text within a table as a few numbers: hashed words and word pairs, weighted by rarity, on their main directions."""

import base64
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.preprocessing.layout import TEXT_WIDTH

_BUCKETS = 2**15
_MOST_TERMS = 1024
_ROWS_TO_LEARN_FROM = 10_000
_CHARACTERS_READ = 10_000
_ROWS_AT_ONCE = 2_000
# A direction with less variance than this is rounding.
_NOISE = 1e-9

UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\U00020000-\U0003ffff"
)
"""The scripts that write no space between words (Thai, Lao, Burmese, Khmer, Japanese, Chinese), as a range."""

# There, each character is taken for a word, and so each pair of characters for a pair of words.
_WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")


@dataclass(frozen=True, eq=False)
class TextNumbers:
    """Texts as points in the space that their words span: TF-IDF, then a truncated singular value decomposition.

    That is latent semantic analysis (Deerwester et al. 1990). Words and pairs of neighbouring words are told apart by
    a hash, so that any language will do, and the 1,024 most frequent ones of the training rows count.

    Args:
        terms: The hashes that count, ascending, `(terms,)`.
        weights: How rare each is, `(terms,)`.
        directions: The main directions, `(terms, 16)`, scaled so that the numbers of the training rows vary by one.
    """

    terms: NDArray[np.int32]
    weights: NDArray[np.float32]
    directions: NDArray[np.float32]

    @classmethod
    def fit(cls, values: NDArray[Any]) -> Self:
        """Learn from training rows, `(batch,)`; of many rows, from 10,000 at equal distances."""
        texts = values[:: -(-len(values) // _ROWS_TO_LEARN_FROM)]
        rows_with = np.zeros(_BUCKETS, dtype=np.int64)
        for text in texts:
            rows_with[list(set(_hashes(text)))] += 1
        # A term of a single row says nothing about others.
        order = np.argsort(-rows_with, kind="stable")[:_MOST_TERMS]
        terms = np.sort(order[rows_with[order] > 1]).astype(np.int32)
        weights = (np.log((1 + len(texts)) / (1 + rows_with[terms])) + 1).astype(np.float32)
        bare = cls(terms, weights, np.zeros((len(terms), TEXT_WIDTH), dtype=np.float32))
        return cls(terms, weights, bare._main_directions(texts))

    def apply(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """The numbers of some rows, `(batch, 16)`; all 0 for a missing text."""
        parts = [weighted @ self.directions for weighted in self._weighted(values)]
        return np.concatenate(parts) if parts else np.zeros((0, TEXT_WIDTH))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; the arrays as base64 of their little-endian bytes."""
        arrays = {"terms": self.terms, "weights": self.weights, "directions": self.directions}
        return {
            name: base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()
            for name, array in arrays.items()
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        terms, weights, directions = (
            np.frombuffer(base64.b64decode(value[name]), dtype=kind).astype(kind[1:])
            for name, kind in (("terms", "<i4"), ("weights", "<f4"), ("directions", "<f4"))
        )
        return cls(terms, weights, directions.reshape(-1, TEXT_WIDTH))

    def _weighted(self, texts: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
        """The weights of the terms in each text, `(batch, terms)`, of length one together; some rows at a time."""
        places = np.full(_BUCKETS, len(self.terms))
        places[self.terms] = np.arange(len(self.terms))
        for first in range(0, len(texts), _ROWS_AT_ONCE):
            hashes = [_hashes(text) for text in texts[first : first + _ROWS_AT_ONCE]]
            rows = np.repeat(np.arange(len(hashes)), [len(found) for found in hashes])
            # One more place takes the terms that do not count.
            width = len(self.terms) + 1
            spots = rows * width + places[np.fromiter(chain.from_iterable(hashes), dtype=np.int64, count=len(rows))]
            times = np.bincount(spots, minlength=len(hashes) * width).reshape(-1, width)[:, :-1]
            weighted = np.where(times > 0, 1 + np.log(np.maximum(times, 1)), 0.0) * self.weights
            lengths = np.sqrt(np.sum(weighted**2, axis=1, keepdims=True))
            yield weighted / np.where(lengths > 0, lengths, 1.0)

    def _main_directions(self, texts: NDArray[Any]) -> NDArray[np.float32]:
        """By the eigenvectors of the terms' second moments, which are small whatever the number of rows."""
        size = len(self.terms)
        moments = sum((part.T @ part for part in self._weighted(texts)), start=np.zeros((size, size)))
        values, vectors = np.linalg.eigh(moments / max(len(texts), 1))
        values, vectors = values[::-1][:TEXT_WIDTH], vectors[:, ::-1][:, :TEXT_WIDTH]
        # An eigenvector has no sign of its own; without one, the same texts could give other numbers elsewhere.
        largest = np.argmax(np.abs(vectors), axis=0) if size else np.zeros(0, dtype=int)
        signs = np.sign(vectors[largest, np.arange(vectors.shape[1])])
        scale = np.where(values > _NOISE, 1 / np.sqrt(np.maximum(values, _NOISE)), 0.0)
        directions = np.zeros((size, TEXT_WIDTH), dtype=np.float32)
        directions[:, : vectors.shape[1]] = vectors * signs * scale
        return directions


def _hashes(text: str | None) -> list[int]:
    """The buckets of the words and word pairs of a text."""
    words = _WORD.findall(unicodedata.normalize("NFKC", (text or "")[:_CHARACTERS_READ]).lower())
    terms = [*words, *map(" ".join, pairwise(words))]
    return [crc32(term.encode("utf-8", "surrogatepass")) % _BUCKETS for term in terms]

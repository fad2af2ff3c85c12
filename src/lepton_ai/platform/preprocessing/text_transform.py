"""The transform of a schema whose only feature is text: rows of hashed words and characters, for a net that reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.column import Column, Kind, unknown_column
from lepton_ai.platform.preprocessing.columns import Columns
from lepton_ai.platform.preprocessing.schema import Schema
from lepton_ai.platform.preprocessing.signature import Task
from lepton_ai.platform.preprocessing.text import TextRows
from lepton_ai.platform.preprocessing.transform import encode_target

VERSION = 1

_WORDS = 64  # where a schema was written by hand and does not say


def is_text(schema: Schema) -> bool:
    """Whether texts are all that the model is to see, one of them in each row.

    Example:

        >>> is_text(Schema.infer({"message": ["win a prize now, call us", "see you at eight"], "spam": [1, 0]}, "spam"))
        True
    """
    return len(schema.features) == 1 and schema.features[0].kind is Kind.TEXT


@dataclass(frozen=True, eq=False)
class TextTransform:
    """Turns one text of each row into numbers; what `Transform` is for tables, but with nothing to learn.

    Args:
        schema: What the table must fit; `is_text` holds for it.
    """

    schema: Schema

    def apply(self, columns: Columns) -> NDArray[np.float32]:
        """The numbers of some texts, `(batch, width)`; a missing text is an empty one."""
        return self._rows.apply(_texts(self.schema, columns))

    @property
    def width(self) -> int:
        """How many numbers a text becomes."""
        return self._rows.width

    @property
    def _rows(self) -> TextRows:
        return TextRows(self.schema.features[0].words or _WORDS)

    @property
    def labels(self) -> tuple[int | str, ...] | None:
        """The label of each class in the order of the class numbers; None for a regression."""
        target = self.schema.target
        return target.labels if target is not None and self.schema.task is Task.CLASSIFICATION else None

    def encode_target(self, columns: Columns) -> NDArray[Any]:
        """What is to be predicted, `(batch,)`: class numbers, or numbers."""
        return encode_target(self.schema, columns)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"version": VERSION, "schema": self.schema.to_json(), "encodes": "text"}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote.

        Raises:
            InvalidInput: It is something else.
        """
        try:
            if value["version"] != VERSION:
                raise InvalidInput(f"a preprocessing must be of version {VERSION}, got version={value['version']!r}")
            return cls(Schema.from_json(value["schema"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(
                f"not a preprocessing of texts: {type(error).__name__} {error}",
                hint="It has `version` and `schema`; `TextTransform.to_json` writes it.",
            ) from error


def _texts(schema: Schema, columns: Columns) -> NDArray[Any]:
    feature: Column = schema.features[0]
    if feature.name not in columns:
        raise unknown_column(feature.name, columns)
    return columns[feature.name]

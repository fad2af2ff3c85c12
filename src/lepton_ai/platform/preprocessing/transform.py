"""From checked columns to the numbers that a model sees; learned from training rows, the same in training and serving.

NumPy and the standard library only: a model server loads this module, and nothing that is larger.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.column import Column, Kind, unknown_column
from lepton_ai.platform.preprocessing.columns import MOST_MISFITS, Columns, Misfit, is_missing, misfits_error, shown
from lepton_ai.platform.preprocessing.encoders import Encoder, NumberEncoder, bent, encoder_from_json, fit_encoder
from lepton_ai.platform.preprocessing.layout import Block, layout
from lepton_ai.platform.preprocessing.schema import Schema
from lepton_ai.platform.preprocessing.signature import Task

VERSION = 1


@dataclass(frozen=True, eq=False)
class Transform:
    """Turns the rows of a table into numbers; stored as `preprocessing.json` with a model version.

    Where the numbers of a feature stand is said by `layout`, which depends on the schema alone.

    Args:
        schema: What the table must fit.
        encoders: What was learned, one for each feature, in their order.

    Example:

        >>> from lepton_ai.platform.preprocessing.readers import to_columns
        >>> frame = {"age": [31, 47, 25, 62], "sex": ["f", "m", "f", "m"], "ill": ["no", "yes", "no", "yes"]}
        >>> schema = Schema.infer(frame, target="ill")
        >>> transform = Transform.fit(schema, to_columns(schema, frame))
        >>> transform.apply({"age": np.array([39.0]), "sex": np.array(["m"], dtype=object)})
        array([[0., 2.]], dtype=float32)
        >>> Transform.from_json(transform.to_json()).to_json() == transform.to_json()
        True
    """

    schema: Schema
    encoders: tuple[Encoder, ...]

    @classmethod
    def fit(cls, schema: Schema, columns: Columns, target_values: NDArray[Any] | None = None) -> "Transform":
        """Learn from training rows, and from no others.

        Args:
            schema: What the table fits.
            columns: The training rows, with all features.
            target_values: What is to be predicted, by which the codes of categories are ordered: class numbers or
                numbers `(batch,)`. Without them the target's column is used if it is there; if it is not, the order is
                that of the schema.

        Raises:
            InvalidInput: A feature is not there, or there are no features.
        """
        if not schema.features:
            raise InvalidInput(
                "a schema must have features to learn from, got none",
                hint='Give columns the role: schema.with_roles("age", "feature"); `schema.notes` says why.',
            )
        if target_values is None and schema.target is not None and schema.target.name in columns:
            target_values = encode_target(schema, columns)
        outcome = None if target_values is None else _outcome(schema, np.asarray(target_values))
        return cls(schema, tuple(fit_encoder(column, _values(column, columns), outcome) for column in schema.features))

    def apply(self, columns: Columns) -> NDArray[np.float32]:
        """The numbers of some rows, `(batch, width)`, always finite.

        An unknown category has the code 0 as a missing one has, a missing number is the median, and an infinite one
        counts as missing.

        Raises:
            InvalidInput: A feature is not there.
        """
        rows = len(_values(self.schema.features[0], columns))
        numbers = np.zeros((rows, self.width))
        amounts = self._amounts
        if amounts.names:
            values = np.stack([_values(self.schema[name], columns) for name in amounts.names], axis=1)
            numbers[:, amounts.places] = bent(values, amounts.centres, amounts.scales)
        for column, encoder, block in zip(self.schema.features, self.encoders, self.layout, strict=True):
            values = _values(column, columns)
            if not isinstance(encoder, NumberEncoder):
                encoded = encoder.apply(values)
                numbers[:, block.first : block.first + encoded.shape[1]] = encoded
            if column.may_be_missing and column.kind in (Kind.NUMBER, Kind.DATE):
                numbers[:, block.first + block.width - 1] = is_missing(values)
        return numbers.astype(np.float32)

    @cached_property
    def layout(self) -> tuple[Block, ...]:
        """Where the numbers of each feature stand."""
        return layout(self.schema)

    @property
    def width(self) -> int:
        """How many numbers a row becomes."""
        last = self.layout[-1]
        return last.first + last.width

    @property
    def labels(self) -> tuple[int | str, ...] | None:
        """The label of each class in the order of the class numbers; None for a regression."""
        target = self.schema.target
        return target.labels if target is not None and self.schema.task is Task.CLASSIFICATION else None

    @cached_property
    def _amounts(self) -> "_Amounts":
        """All numbers, to be scaled at once: for a single row that is several times as quick as one by one."""
        found = [
            (block.column, block.first, encoder.centre, encoder.scale)
            for block, encoder in zip(self.layout, self.encoders, strict=True)
            if isinstance(encoder, NumberEncoder)
        ]
        names, places, centres, scales = zip(*found, strict=True) if found else ((), (), (), ())
        return _Amounts(names, list(places), np.array(centres), np.array(scales))

    def encode_target(self, columns: Columns) -> NDArray[Any]:
        """What is to be predicted, `(batch,)`; see the function of the same name."""
        return encode_target(self.schema, columns)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, which give the same numbers to the last bit when read again."""
        return {
            "version": VERSION,
            "schema": self.schema.to_json(),
            "encoders": [encoder.to_json() for encoder in self.encoders],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Transform":
        """Read what `to_json` wrote.

        Raises:
            InvalidInput: It is no preprocessing; the message says what is missing or wrong.
        """
        try:
            if value["version"] != VERSION:
                raise InvalidInput(f"a preprocessing must be of version {VERSION}, got version={value['version']!r}")
            schema = Schema.from_json(value["schema"])
            pairs = zip(schema.features, value["encoders"], strict=True)
            return cls(schema, tuple(encoder_from_json(column, encoder) for column, encoder in pairs))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(
                f"not a preprocessing: {type(error).__name__} {error}",
                hint="It has `version`, `schema` and `encoders`; `Transform.to_json` writes it.",
            ) from error


def encode_target(schema: Schema, columns: Columns) -> NDArray[Any]:
    """What is to be predicted: class numbers from 0 as int32, or numbers as float32, `(batch,)`.

    Raises:
        InvalidInput: There is no target, a row has no value for it, or one that is no known class.
    """
    target = schema.target
    if target is None:
        raise InvalidInput(
            "the schema must have a target, got none", hint='Write schema.with_roles("income", "target").'
        )
    values = _values(target, columns)
    if target.kind is Kind.CATEGORY:
        numbers = {category: number for number, category in enumerate(target.categories or ())}
        encoded = np.fromiter((numbers.get(value, -1) for value in values), dtype=np.int32, count=len(values))
        unfit = np.flatnonzero(encoded < 0)
        expected = f"one of the {len(numbers)} classes of the schema"
    else:
        with np.errstate(over="ignore"):
            encoded = values.astype(np.float32)
        unfit = np.flatnonzero(~np.isfinite(encoded))
        expected = "a number from -3.4e38 to 3.4e38"
    if unfit.size:
        nothing = values != values if values.dtype.kind == "f" else is_missing(values)
        misfits = [
            Misfit(int(row), target.name, expected, "nothing" if nothing[row] else shown(values[row]))
            for row in unfit[:MOST_MISFITS]
        ]
        raise misfits_error(misfits, int(unfit.size), "rows")
    return encoded


@dataclass(frozen=True, eq=False)
class _Amounts:
    names: tuple[str, ...]
    places: list[int]
    centres: NDArray[np.float64]
    scales: NDArray[np.float64]


def _values(column: Column, columns: Columns) -> NDArray[Any]:
    if column.name not in columns:
        raise unknown_column(column.name, columns)
    return columns[column.name]


def _outcome(schema: Schema, values: NDArray[Any]) -> NDArray[np.float64]:
    """What is to be predicted as `(batch, outcomes)`: a number, or for more than two classes the share of each."""
    classes = len(schema.target.categories or ()) if schema.target is not None else 0
    if classes > 2:
        return np.asarray(values[:, np.newaxis] == np.arange(classes), dtype=np.float64)
    return np.asarray(values.astype(np.float64)[:, np.newaxis])

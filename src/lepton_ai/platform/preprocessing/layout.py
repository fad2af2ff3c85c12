"""Which numbers a table becomes: the columns of the matrix that a model sees, known from the schema alone. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from lepton_ai.platform.preprocessing.column import Column, Kind
from lepton_ai.platform.preprocessing.schema import Schema

TEXT_WIDTH = 16
"""How many numbers a text becomes."""

_TIMES_OF_DAY = ("%H:%M", "%H:%M:%S")


class BlockKind(StrEnum):
    """What the numbers of a block mean."""

    NUMBER = "number"
    """Each is a quantity: more is more."""
    CODE = "code"
    """One number that stands for a category: 0 for unknown or missing, then 1, 2 … for the known ones."""


class DatePart(StrEnum):
    """What is taken from a date."""

    DAYS = "days"
    YEAR = "year"
    WEEKDAY = "weekday"
    HOUR = "hour"


@dataclass(frozen=True)
class Block:
    """The numbers that one feature becomes.

    Args:
        column: The feature.
        kind: What the numbers mean.
        first: Where they begin in the row.
        width: How many they are. Where a number or date may be missing, the last says so: 1 for missing, else 0.
        levels: For a code how many values it can have, 0 for unknown included; else 0.
    """

    column: str
    kind: BlockKind
    first: int
    width: int
    levels: int = 0

    @property
    def slice(self) -> slice:
        """The place of the block in a row."""
        return slice(self.first, self.first + self.width)


def layout(schema: Schema) -> tuple[Block, ...]:
    """The blocks of a row in the order of the features.

    Example:

        >>> schema = Schema.infer({"age": [31, None, 25], "sex": ["f", "m", "f"]})
        >>> for block in layout(schema):
        ...     print(block.column, block.kind, block.first, block.width, block.levels)
        age number 0 2 0
        sex code 2 1 3
    """
    blocks = []
    first = 0
    for column in schema.features:
        kind = BlockKind.CODE if column.kind is Kind.CATEGORY else BlockKind.NUMBER
        levels = len(column.categories or ()) + 1 if kind is BlockKind.CODE else 0
        blocks.append(Block(column.name, kind, first, width_of(column), levels))
        first += blocks[-1].width
    return tuple(blocks)


def width_of(column: Column) -> int:
    """How many numbers a feature becomes."""
    if column.kind is Kind.CATEGORY:
        return 1
    if column.kind is Kind.TEXT:
        return TEXT_WIDTH
    values = 1 if column.kind is Kind.NUMBER else sum(1 if part is DatePart.DAYS else 2 for part in date_parts(column))
    return values + column.may_be_missing


def date_parts(column: Column) -> tuple[DatePart, ...]:
    """What is taken from the dates of a column: the days as one number, what comes round as sine and cosine."""
    if column.date_format in _TIMES_OF_DAY:
        return (DatePart.HOUR,)
    parts = (DatePart.DAYS, DatePart.YEAR, DatePart.WEEKDAY)
    return (*parts, DatePart.HOUR) if column.has_time else parts

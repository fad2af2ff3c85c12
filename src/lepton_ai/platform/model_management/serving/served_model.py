"""What one replica serves, as a value: a model version, its signature, and the limits of a request."""

from dataclasses import dataclass
from math import prod

from lepton_ai.platform.evaluation.answer_rule import AnswerRule
from lepton_ai.platform.preprocessing.preprocessing import Preprocessing
from lepton_ai.platform.preprocessing.signature import Signature, Task


@dataclass(frozen=True)
class ServedModel:
    """One model version behind one address.

    Args:
        name: The model's name in the registry.
        version: The version's number, as text: so it stands on the wire.
        signature: What the model takes and gives: one input, one output.
        preprocessing: How rows of named values become what it takes; None where it takes numbers as they are.
        rule: How outputs become answers; None answers the likeliest, and promises nothing.
        replica: The replica's id, for logs and metrics; empty when it has none.
        max_rows: The most rows in one request.
        max_body_bytes: The largest request body, in bytes.
    """

    name: str
    version: str
    signature: Signature
    preprocessing: Preprocessing | None = None
    rule: AnswerRule | None = None
    replica: str = ""
    max_rows: int = 4096
    max_body_bytes: int = 64 << 20

    @property
    def labels(self) -> tuple[int | str, ...]:
        """The label of each class, or the classes' numbers when the signature names none; empty for a regressor."""
        return self.signature.labels or tuple(range(self.class_count))

    @property
    def class_count(self) -> int:
        """How many classes there are; 0 for a regressor."""
        return int(self.signature.outputs[0].shape[-1] or 0) if self.is_classifier else 0

    @property
    def is_classifier(self) -> bool:
        """Whether the answers are labels with probabilities, rather than numbers."""
        return self.signature.task is Task.CLASSIFICATION

    @property
    def promised_coverage(self) -> float | None:
        """How often sets of labels, or intervals, hold the truth; None where there are none."""
        return None if self.rule is None or self.rule.quantile is None else self.rule.coverage

    @property
    def promises_intervals(self) -> bool:
        """Whether an interval stands beside each number."""
        answers = prod(int(size or 0) for size in self.signature.outputs[0].shape[1:])
        return not self.is_classifier and self.promised_coverage is not None and answers == 1

    @property
    def columns(self) -> list[str] | None:
        """The columns of a row of named values; None where rows are plain numbers."""
        if self.preprocessing is None:
            return None
        return [column.name for column in self.preprocessing.schema.features]

    @property
    def row_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes a row may have: the model's own first, then without a channel axis of one."""
        shape = self.signature.row_shape
        return (shape, shape[:-1]) if shape[-1:] == (1,) else (shape,)

"""What the leakage lint says: findings with a stable code, the numbers behind them, and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How sure it is that a finding spoils the result."""

    ERROR = "error"
    """The score will be too good; do not believe it before this is settled."""
    WARNING = "warning"
    """Often a leak; look at it."""
    NOTE = "note"
    """Good to know."""


class FindingCode(StrEnum):
    """What was found; stable, for programs."""

    TARGET_GIVEN_AWAY = "target_given_away"
    OUTCOME_REPEATED = "outcome_repeated"
    COPIES_ACROSS = "copies_across"
    GROUPS_ACROSS = "groups_across"
    TIME_GOES_BACK = "time_goes_back"
    ID_LIKE = "id_like"
    GROUP_LIKE = "group_like"
    TIME_IGNORED = "time_ignored"
    MISSING_TELLS = "missing_tells"
    COPIES = "copies"
    CONSTANT = "constant"


@dataclass(frozen=True)
class Finding:
    """One thing that the lint found.

    Args:
        code: What kind of thing.
        severity: How sure it is that it spoils the result.
        columns: The columns that it is about; none if it is about rows.
        message: What is so, in a sentence.
        hint: What to do about it.
        measured: The numbers behind it.
    """

    code: FindingCode
    severity: Severity
    columns: tuple[str, ...]
    message: str
    hint: str
    measured: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "code": self.code.value,
            "severity": self.severity.value,
            "columns": list(self.columns),
            "message": self.message,
            "hint": self.hint,
            "measured": dict(self.measured),
        }

    def __str__(self) -> str:
        return f"{self.severity}: {self.message}. {self.hint}"

"""How a thing may change: statuses, reasons and legal transitions as data that loop, documentation and tests read."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from lepton_ai.core.errors import Conflict

Status = TypeVar("Status", bound=StrEnum)
Reason = TypeVar("Reason", bound=StrEnum)


@dataclass(frozen=True)
class ReasonMeaning(Generic[Status]):
    """What a reason says: the status it goes with, and a sentence that a user understands."""

    status: Status
    sentence: str


@dataclass(frozen=True)
class Lifecycle(Generic[Status, Reason]):
    """The life of one kind of thing.

    Args:
        noun: What it is about, for messages: `endpoint`.
        statuses: Each status with what is true while it holds.
        reasons: Each reason with its status and its sentence. A status never goes without a reason.
        transitions: From each status, the ones that may follow. Staying is always allowed.

    Example:

        >>> class Light(StrEnum):
        ...     RED = "red"
        ...     GREEN = "green"
        >>> class Why(StrEnum):
        ...     CARS_WAIT = "cars_wait"
        ...     PEOPLE_CROSS = "people_cross"
        >>> lifecycle = Lifecycle(
        ...     "light",
        ...     {Light.RED: "cars stop", Light.GREEN: "cars go"},
        ...     {
        ...         Why.CARS_WAIT: ReasonMeaning(Light.GREEN, "Cars wait."),
        ...         Why.PEOPLE_CROSS: ReasonMeaning(Light.RED, "People cross."),
        ...     },
        ...     {Light.RED: {Light.GREEN}, Light.GREEN: {Light.RED}},
        ... )
        >>> lifecycle.status_of(Why.CARS_WAIT).value
        'green'
        >>> print(lifecycle.diagram())
        stateDiagram-v2
            red --> green
            green --> red
    """

    noun: str
    statuses: Mapping[Status, str]
    reasons: Mapping[Reason, ReasonMeaning[Status]]
    transitions: Mapping[Status, set[Status]]

    def allows(self, before: Status, after: Status) -> bool:
        """Whether a thing may go from one status to the other."""
        return before == after or after in self.transitions[before]

    def check(self, before: Status, after: Status) -> None:
        """Raise Conflict when the transition is not in the table."""
        if not self.allows(before, after):
            raise Conflict(f"a {self.noun} cannot go from {before.value} to {after.value}")

    def status_of(self, reason: Reason) -> Status:
        """The status that a reason goes with."""
        return self.reasons[reason].status

    def sentence(self, reason: Reason) -> str:
        """The reason as a sentence for a user."""
        return self.reasons[reason].sentence

    def diagram(self) -> str:
        """The table as a Mermaid state diagram, for the documentation."""
        lines = ["stateDiagram-v2"]
        for before, following in self.transitions.items():
            lines += [
                f"    {_word(before)} --> {_word(after)}"
                for after in sorted(following, key=list(self.statuses).index)
                if after != before
            ]
        return "\n".join(lines)


def _word(status: StrEnum) -> str:
    return str(status.value).replace(" ", "_")

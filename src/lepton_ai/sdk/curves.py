"""The curves of a training run: the points that its process told, each once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lepton_ai.core.charts import Line, lines


@dataclass(frozen=True)
class Point:
    """One point of a run's curves.

    Args:
        step: Steps done.
        steps: All steps of the run, as far as they are known.
        epoch: The pass over the rows, from 1.
        loss: The loss on training rows, since the epoch began.
        values: The metrics on training rows by name.
        validation: Loss and metrics on rows that were not trained on; at the end of an epoch only.
        rate: The learning rate.
        left_s: How long it will go on at this pace.
        at: When, in milliseconds since 1970.
    """

    step: int
    steps: int | None
    epoch: int
    loss: float | None
    values: Mapping[str, float | None]
    validation: Mapping[str, float | None] | None
    rate: float
    left_s: float | None
    at: int


@dataclass(frozen=True)
class Curves:
    """The curves of a run so far, and the phase it is in.

    Args:
        points: The points by step; what a restart repeated is in here once.
        phase: What it does now.
        next: Where in the run's progress the next reading goes on.
    """

    points: tuple[Point, ...] = ()
    phase: str = ""
    next: int = field(default=0, repr=False)

    @property
    def losses(self) -> tuple[tuple[int, float], ...]:
        """Step and training loss of each point."""
        return tuple((point.step, point.loss) for point in self.points if point.loss is not None)

    @property
    def validation_losses(self) -> tuple[tuple[int, float], ...]:
        """Step and validation loss of each point that has one."""
        pairs = ((point.step, (point.validation or {}).get("loss")) for point in self.points)
        return tuple((step, loss) for step, loss in pairs if loss is not None)

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and value of the lowest validation loss."""
        return min(self.validation_losses, key=lambda pair: pair[1], default=None)

    def extended(self, lines: Sequence[Mapping[str, Any]], after: int) -> "Curves":
        """These curves with further lines of progress."""
        points, phase = list(self.points), self.phase
        for line in lines:
            if line["what"] == "phase":
                phase = line["phase"]
                continue
            # A process may have ended beyond its last checkpoint: what is told of those steps from now on counts.
            while points and points[-1].step >= line["step"]:
                points.pop()
            if line["what"] == "point":
                points.append(Point(**{name: line[name] for name in Point.__dataclass_fields__}))
        return Curves(tuple(points), phase, after)

    def _repr_html_(self) -> str:
        named = {"validation": self.validation_losses, "training": self.losses}
        drawn = [Line(name, *zip(*pairs, strict=True)) for name, pairs in named.items() if len(pairs) > 1]
        return lines(drawn, title="Loss", x_label="step") if drawn else ""

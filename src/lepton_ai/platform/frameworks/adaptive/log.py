"""The decision log of a fit: what was tried, what was measured, what was chosen, and why. Pure."""

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

_VERSION = 1
_DIGITS = 6

# Of the charts that a notebook draws.
_WIDTH, _HEIGHT, _MARGIN = 360, 90, 6


@dataclass(frozen=True)
class Decision:
    """One thing that was decided.

    Args:
        step: The part of the fit, such as "race" or "steer".
        what: What was to decide, in words.
        measured: The numbers it was decided by, by name.
        chosen: What was chosen.
        why: The reason, in one sentence.
    """

    step: str
    what: str
    measured: Mapping[str, Any]
    chosen: str
    why: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "measured", MappingProxyType({name: _plain(v) for name, v in self.measured.items()}))

    def __str__(self) -> str:
        measured = ", ".join(f"{name} {_shown(value)}" for name, value in self.measured.items())
        return f"{self.step}: {self.what}: {self.chosen} ({self.why}{'; ' + measured if measured else ''})"

    def __hash__(self) -> int:
        return hash((self.step, self.what, self.chosen))


@dataclass(frozen=True)
class DecisionLog:
    """All decisions of a fit, in the order they were made.

    The same seed, data and step budget give the same log; wall times are in it only where the budget was one.

    Example:

        >>> log = DecisionLog().with_decision(Decision("race", "learning rate", {"0.001": 0.2}, "0.001", "it was best"))
        >>> print(log)
        race: learning rate: 0.001 (it was best; 0.001 0.2)
        >>> DecisionLog.from_json(log.to_json()) == log
        True
    """

    decisions: tuple[Decision, ...] = field(default=())

    def __iter__(self) -> Iterator[Decision]:
        return iter(self.decisions)

    def __len__(self) -> int:
        return len(self.decisions)

    def __str__(self) -> str:
        return "\n".join(str(decision) for decision in self.decisions)

    def with_decision(self, decision: Decision) -> "DecisionLog":
        """This log and one decision more."""
        return DecisionLog((*self.decisions, decision))

    def of(self, step: str) -> tuple[Decision, ...]:
        """The decisions of one part of the fit."""
        return tuple(decision for decision in self.decisions if decision.step == step)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        decisions = [
            {"step": each.step, "what": each.what, "measured": dict(each.measured), "chosen": each.chosen}
            | {"why": each.why}
            for each in self.decisions
        ]
        return {"version": _VERSION, "decisions": decisions}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(tuple(Decision(**decision) for decision in value["decisions"]))

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{_text(each.step)}</td><td>{_text(each.what)}</td><td><b>{_text(each.chosen)}</b></td>"
            f"<td>{_text(each.why)}</td></tr>"
            for each in self.decisions
        )
        head = "<tr><th>part</th><th>what</th><th>chosen</th><th>why</th></tr>"
        return f"{_picture(self.of('check'))}<table>{head}{rows}</table>"


def _picture(checks: Sequence[Decision]) -> str:
    """The losses of the checks as two small curves, (steps, loss), or nothing where there are fewer than two."""
    points = [(each.measured.get("step"), each.measured) for each in checks]
    curves = []
    for name, colour in (("loss on rows trained on", "#7a7a7a"), ("loss on rows held back", "#1f6fb2")):
        curve = [(step, m[name]) for step, m in points if isinstance(m.get(name), int | float) and step is not None]
        if len(curve) >= 2:
            curves.append((name, colour, curve))
    if not curves:
        return ""
    steps = [step for _, _, curve in curves for step, _ in curve]
    losses = [loss for _, _, curve in curves for _, loss in curve]
    lines = "".join(
        f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="'
        + " ".join(f"{_at(step, steps, _WIDTH):.1f},{_HEIGHT - _at(loss, losses, _HEIGHT):.1f}" for step, loss in curve)
        + f'"><title>{_text(name)}</title></polyline>'
        for name, colour, curve in curves
    )
    named = ", ".join(f'<span style="color:{colour}">{_text(name)}</span>' for name, colour, _ in curves)
    return f'<div><svg width="{_WIDTH}" height="{_HEIGHT}" role="img">{lines}</svg><br>{named}</div>'


def _at(value: float, values: Sequence[float], size: int) -> float:
    low, high = min(values), max(values)
    share = (value - low) / (high - low) if high > low else 0.5
    return _MARGIN + share * (size - 2 * _MARGIN)


def _text(value: str) -> str:
    return html.escape(str(value))


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)


def _plain(value: Any) -> Any:
    """Rounded to six digits, so that a log is readable and does not tell apart what rounding errors do."""
    if hasattr(value, "tolist"):  # NumPy's own
        return _plain(value.tolist())
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, Sequence):
        return [_plain(each) for each in value]
    number = float(value)
    return float(f"{number:.{_DIGITS}g}") if number == number and abs(number) != float("inf") else None

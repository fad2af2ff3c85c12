"""Following a run: live curves on a terminal, plain lines elsewhere, JSON lines for programs."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import click

from lepton_ai.cli.output import say

if TYPE_CHECKING:
    from lepton_ai.sdk.curves import Curves, Point
    from lepton_ai.sdk.runs import Run

_POLL_S = 0.4
_PLAIN_PAUSE_S = 2.0
_BARS = "▁▂▃▄▅▆▇█"
_CURVE_WIDTH = 40


class _View(Protocol):
    def show(self, run: "Run", curves: "Curves") -> None:
        """Show where a run is."""
        ...


def follow_run(run: "Run", *, as_json: bool) -> None:
    """Show a run until it is over, and print the version that it registered.

    Raises:
        RunFailed: It ended without a model.
        Conflict: It was stopped.
        KeyboardInterrupt: Ctrl-C; the run goes on, and the user is told how to come back.
    """
    try:
        with _view(as_json) as view:
            while True:
                # The state first: what is told after it is over has all been told by then.
                run.refresh()
                view.show(run, run.curves())
                if run.is_over:
                    break
                time.sleep(_POLL_S)
    except KeyboardInterrupt:
        say(
            f"\nThe run goes on. Come back to it: lepton train follow {run.details.model}\n"
            f"Stop it: lepton train stop {run.details.model}"
        )
        raise
    version = run.result()
    if not as_json:
        for name, value in version.metrics.items():
            say(f"test {name}: {value:.4f}")
        say(f"Registered {version}. Put it behind an endpoint: lepton deploy {version}")
        click.echo(str(version))


def curve(values: Sequence[float], width: int = _CURVE_WIDTH) -> str:
    """Numbers as a line of bars, the lowest one empty and the highest full; the mean of some where there are many.

    Example:

        >>> curve([4.0, 3.0, 2.0, 1.0])
        '█▆▃▁'
        >>> curve([1.0] * 100, width=5)
        '▁▁▁▁▁'
    """
    count = len(values)
    cells = min(count, width)
    parts = [values[cell * count // cells : (cell + 1) * count // cells] for cell in range(cells)]
    means = [sum(part) / len(part) for part in parts]
    lowest, highest = min(means, default=0.0), max(means, default=0.0)
    scale = (len(_BARS) - 1) / (highest - lowest) if highest > lowest else 0.0
    return "".join(_BARS[round((mean - lowest) * scale)] for mean in means)


def point_text(point: "Point") -> str:
    """One point in one line."""
    parts = [f"step {point.step:,}" + (f" of {point.steps:,}" if point.steps else "")]
    if point.loss is not None:
        parts.append(f"loss {point.loss:.4f}")
    if point.validation is not None and point.validation.get("loss") is not None:
        parts.append(f"validation loss {point.validation['loss']:.4f}")
    if point.left_s is not None:
        parts.append(f"{_duration(point.left_s)} left")
    return ", ".join(parts)


@contextmanager
def _view(as_json: bool) -> Iterator[_View]:
    if as_json:
        yield _JsonLines()
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True, highlight=False)
        with Live(console=console, refresh_per_second=4, transient=False) as live:
            yield _Picture(live)
    else:
        yield _PlainLines()


class _JsonLines:
    """One JSON value a line on stdout: `state` when it changes, and every `point` once."""

    def __init__(self) -> None:
        self._told_state: tuple[str, str] | None = None
        self._told: Point | None = None

    def show(self, run: "Run", curves: "Curves") -> None:
        state = run.state, run.details.message
        for point in curves.points:
            if self._told is None or (point.step >= self._told.step and point != self._told):
                self._told = point
                self._print({"what": "point", **vars(point)})
        if state != self._told_state:
            self._told_state = state
            told = {"run": run.id, "state": run.state, "reason": run.details.reason, "message": run.details.message}
            self._print({"what": "state", **told, "version": run.details.version})

    def _print(self, value: dict[str, Any]) -> None:
        click.echo(json.dumps(value, ensure_ascii=False))


class _PlainLines:
    """Sentences on stderr: each new state and phase, and the numbers every few seconds and after each epoch."""

    def __init__(self) -> None:
        self._told = ""
        self._phase = ""
        self._step = 0
        self._told_s = 0.0

    def show(self, run: "Run", curves: "Curves") -> None:
        message = f"Run {run.id} is {run.state}: {run.details.message}"
        if message != self._told and not run.is_over:
            self._told = message
            say(message)
        if curves.phase and curves.phase != self._phase and run.state != "queued":
            self._phase = curves.phase
            say(f"{self._phase} …")
        if not curves.points or curves.points[-1].step <= self._step:
            return
        point = curves.points[-1]
        now_s = time.monotonic()
        if now_s - self._told_s >= _PLAIN_PAUSE_S or run.is_over:
            self._told_s, self._step = now_s, point.step
            say(point_text(point))


class _Picture:
    """A few lines on the terminal that are drawn anew: state, bar, curves, rate, time left, best so far."""

    def __init__(self, live: Any) -> None:
        self._live = live

    def show(self, run: "Run", curves: "Curves") -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        doing = curves.phase if run.state == "running" and curves.phase else run.details.message
        table.add_row(Text(run.details.model, style="bold"), Text(f"{run.state}: {doing}"))
        if curves.points:
            self._add_curves(table, curves)
        self._live.update(table, refresh=True)

    def _add_curves(self, table: Any, curves: "Curves") -> None:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        last = curves.points[-1]
        if last.steps:
            left = f"{_duration(last.left_s)} left" if last.left_s is not None and last.step < last.steps else ""
            bar = Table.grid(padding=(0, 2))
            shown = ProgressBar(total=last.steps, completed=last.step, width=_CURVE_WIDTH)
            bar.add_row(shown, Text(f"step {last.step:,} of {last.steps:,}  {left}"))
            table.add_row("progress", bar)
        losses = [loss for _, loss in curves.losses]
        if losses:
            table.add_row("loss", Text(f"{curve(losses)}  {losses[-1]:.4f}"))
        validation = [loss for _, loss in curves.validation_losses]
        best = curves.best
        if validation and best is not None:
            told = f"{curve(validation)}  {validation[-1]:.4f}, best {best[1]:.4f} after step {best[0]:,}"
            table.add_row("validation", Text(told))
        numbers = {**last.values, "rate": last.rate}
        told = "  ".join(f"{name} {value:.4g}" for name, value in numbers.items() if value is not None)
        table.add_row("", Text(told))


def _duration(seconds: float) -> str:
    """A time for people."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"

"""What all charts share: colours, axes with round ticks, the frame around the marks, and safe SVG text."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

# Okabe and Ito, "Color Universal Design" (2008): told apart with every kind of colour vision. Its yellow is left out,
# as it cannot be seen on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
INK = "#333333"
FAINT = "#dddddd"

_DASHES = ("", "6 3", "2 2", "8 3 2 3", "4 4")
_FONT = 11
_GREATEST = 1e300
# The mean width of a letter in the wider common fonts, as a share of the font's size.
_LETTER = 0.6
_LINE = 16
_SIDE = 12


@dataclass(frozen=True)
class Axis:
    """One direction of a chart: from where to where, and what is written along it.

    Args:
        low: The value at its beginning.
        high: The value at its end.
        ticks: Each value that is marked, with its text.
        label: What it shows, with the unit.
    """

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    label: str = ""

    def at(self, value: float) -> float:
        """Where a value lies, from 0 at the beginning to 1 at the end."""
        return (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)


def number_axis(values: Iterable[float], label: str = "", *, from_zero: bool = False, wanted: int = 5) -> Axis:
    """An axis that holds all values, with about so many ticks at round numbers.

    Example:

        >>> axis = number_axis([3.0, 47.0], "age in years")
        >>> axis.low, axis.high, [text for _, text in axis.ticks]
        (0.0, 50.0, ['0', '10', '20', '30', '40', '50'])
    """
    drawable = _drawable(values)
    low, high = (min(drawable), max(drawable)) if drawable else (0.0, 1.0)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low <= max(1e-12 * max(abs(low), abs(high)), 1 / _GREATEST):
        # One value alone lies in the middle, or at the end of an axis from zero.
        spread = max(abs(high), 1e-9) if high else 1.0
        low, high = low - (0 if from_zero and low == 0 else spread / 2), high + spread / 2
    step = _round_step((high - low) / wanted)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple((number * step, _tick_text(number * step, step)) for number in range(first, last + 1))
    return Axis(first * step, last * step, ticks, label)


def tight_axis(values: Iterable[float], label: str = "") -> Axis:
    """An axis that begins and ends with the values themselves, for what lies across."""
    drawable = _drawable(values)
    loose = number_axis(drawable, label)
    low, high = min(drawable, default=0.0), max(drawable, default=0.0)
    if high - low <= 1e-6 * (loose.high - loose.low):
        return loose
    slack = (high - low) * 1e-6
    return Axis(low, high, tuple(tick for tick in loose.ticks if low - slack <= tick[0] <= high + slack), label)


def named_axis(names: Sequence[str], label: str = "", *, most: int = 12) -> Axis:
    """An axis of places 0, 1, 2 … with their names, some left out where there are more than fit."""
    every = max(1, math.ceil(len(names) / most))
    ticks = tuple((float(place), str(name)) for place, name in enumerate(names) if place % every == 0)
    return Axis(-0.5, max(len(names), 1) - 0.5, ticks, label)


@dataclass(frozen=True)
class Frame:
    """The area in which marks are drawn, with its axes; in pixels, y downwards."""

    left: float
    top: float
    right: float
    bottom: float
    across: Axis
    up: Axis

    def x(self, value: float) -> float:
        """The pixel of a value across."""
        return self.left + self.across.at(value) * (self.right - self.left)

    def y(self, value: float) -> float:
        """The pixel of a value up."""
        return self.bottom - self.up.at(value) * (self.bottom - self.top)


def frame_for(across: Axis, up: Axis, *, width: int, height: int, legend: Sequence[str] = ()) -> Frame:
    """The area that axes, title and legend leave free in a chart of that size."""
    widest = max((text_width(text) for _, text in up.ticks), default=0)
    left = _SIDE + widest + 6 + (_LINE if up.label else 0)
    top = 30 + _LINE * len(_legend_lines(legend, width))
    bottom = height - _SIDE - _LINE - (_LINE if across.label else 0)
    return Frame(left, top, width - _SIDE - 6, bottom, across, up)


def drawn_axes(frame: Frame, *, grid_across: bool = False, grid_up: bool = True) -> str:
    """The axes of a frame, with grid lines; marks are drawn over them."""
    parts = []
    for value, text in frame.across.ticks:
        x = frame.x(value)
        if grid_across:
            parts.append(line(x, frame.top, x, frame.bottom, FAINT))
        parts.append(label(x, frame.bottom + _LINE - 2, text, anchor="middle"))
    for value, text in frame.up.ticks:
        y = frame.y(value)
        if grid_up:
            parts.append(line(frame.left, y, frame.right, y, FAINT))
        parts.append(label(frame.left - 6, y + 4, text, anchor="end"))
    parts.append(line(frame.left, frame.bottom, frame.right, frame.bottom, INK))
    if frame.across.label:
        parts.append(
            label((frame.left + frame.right) / 2, frame.bottom + 2 * _LINE, frame.across.label, anchor="middle")
        )
    if frame.up.label:
        x, y = _SIDE + 8, (frame.top + frame.bottom) / 2
        turned = f' transform="rotate(-90 {number(x)} {number(y)})"'
        parts.append(
            label(x, y, fitting(frame.up.label, 1.2 * (frame.bottom - frame.top)), anchor="middle", more=turned)
        )
    return "".join(parts)


def picture(body: str, *, title: str, description: str, width: int, height: int, legend: Sequence[str] = ()) -> str:
    """The whole SVG: marks under a title, with what a screen reader says."""
    parts = [label(_SIDE, 20, fitting(title, width - 2 * _SIDE, 13), more=' font-size="13" font-weight="bold"')]
    for row, entries in enumerate(_legend_lines(legend, width)):
        for place, entry, text in entries:
            y = 34 + row * _LINE
            parts.append(
                line(place, y, place + 18, y, COLOURS[entry % len(COLOURS)], more=f' stroke-width="2"{dash(entry)}')
            )
            parts.append(label(place + 22, y + 4, text))
    title, description = escape(_printable(title)), escape(_printable(description))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img" aria-label="{title}. {description}" font-family="system-ui, sans-serif"'
        f' font-size="{_FONT}" fill="{INK}" style="max-width:100%;height:auto">'
        f"<title>{title}</title><desc>{description}</desc>"
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>{"".join(parts)}{body}</svg>'
    )


def bare_picture(body: str, *, title: str, width: int, height: int) -> str:
    """An SVG without a frame, to stand in a line of text."""
    said = escape(_printable(title))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img" aria-label="{said}"><title>{said}</title>{body}</svg>'
    )


def dash(entry: int) -> str:
    """The dashes of a line by its place in the legend, so that lines differ in print as well."""
    return f' stroke-dasharray="{_DASHES[entry % len(_DASHES)]}"' if entry % len(_DASHES) else ""


def rectangle(x: float, y: float, width: float, height: float, colour: str, *, tip: str = "", more: str = "") -> str:
    """A filled rectangle; the tip shows when it is pointed at."""
    box = f'x="{number(x)}" y="{number(y)}" width="{number(max(width, 0))}" height="{number(max(height, 0))}"'
    return _closed(f'rect {box} fill="{colour}"{more}', "rect", tip)


def circle(x: float, y: float, radius: float, colour: str, *, tip: str = "", more: str = "") -> str:
    """A filled circle."""
    return _closed(
        f'circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" fill="{colour}"{more}', "circle", tip
    )


def line(x1: float, y1: float, x2: float, y2: float, colour: str, *, more: str = "") -> str:
    """A straight line."""
    ends = f'x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}"'
    return f'<line {ends} stroke="{colour}"{more}/>'


def path(points: str, colour: str, *, tip: str = "", more: str = "") -> str:
    """A line through many points, in the words of SVG."""
    return _closed(f'path d="{points}" stroke="{colour}" fill="none"{more}', "path", tip)


def label(x: float, y: float, text: str, *, anchor: str = "start", more: str = "") -> str:
    """Text at a place; whatever it holds is shown, and none of it is taken for markup."""
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{number(x)}" y="{number(y)}"{where}{more}>{escape(_printable(text))}</text>'


def fitting(text: str, width: float, font: int = _FONT) -> str:
    """Text cut to a width in pixels, with an ellipsis where some is missing."""
    most = max(1, int(width / (font * _LETTER)))
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def text_width(text: str) -> float:
    """About how wide a text is, in pixels."""
    return len(text) * _FONT * _LETTER


def number(value: float) -> str:
    """A place in the picture, to a tenth of a pixel."""
    return "0" if abs(value) < 0.05 else f"{value:.1f}".removesuffix(".0")


def readable(value: float) -> str:
    """A number as people write it, to three or four digits.

    Example:

        >>> [readable(value) for value in (0.12345, 48_842, 2_500_000, 3.0, float("nan"))]
        ['0.123', '48,842', '2.5 M', '3', '-']
    """
    if not math.isfinite(value):
        return "-" if math.isnan(value) else ("infinite" if value > 0 else "-infinite")
    size = abs(value)
    for limit, name in ((1e9, " G"), (1e6, " M")):
        if 1e15 > size >= limit:
            return f"{value / limit:.3g}" + name
    if size >= 1e15 or 0 < size < 1e-4:
        return f"{value:.2e}"
    if size >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _drawable(values: Iterable[float]) -> list[float]:
    """The values that an axis can reach: finite, and not so great that differences overflow."""
    return [float(value) for value in values if abs(value) < _GREATEST]


def _round_step(least: float) -> float:
    """The next step of 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= least * (1 - 1e-9))


def _tick_text(value: float, step: float) -> str:
    if max(abs(value), step) >= 1e5 or step < 1e-4:
        return readable(0.0 if abs(value) < step / 2 else value)
    digits = next(digits for digits in range(7) if abs(step * 10**digits - round(step * 10**digits)) < 1e-6)
    return f"{value:,.{digits}f}" if abs(value) >= step / 2 else "0"


def _legend_lines(legend: Sequence[str], width: int) -> list[list[tuple[float, int, str]]]:
    """The lines of a legend: where each entry begins, its number, its text."""
    rows: list[list[tuple[float, int, str]]] = []
    place = float(width)
    for entry, name in enumerate(legend):
        text = fitting(name, width / 2)
        needed = text_width(text) + 36
        if place + needed > width - _SIDE:
            rows.append([])
            place = float(_SIDE)
        rows[-1].append((place, entry, text))
        place += needed
    return rows


def _closed(opened: str, tag: str, tip: str) -> str:
    return f"<{opened}><title>{escape(_printable(tip))}</title></{tag}>" if tip else f"<{opened}/>"


def _printable(text: str) -> str:
    """Text without the control characters that XML forbids."""
    return "".join(letter if letter >= " " and letter not in "\ufffe\uffff" else " " for letter in text)

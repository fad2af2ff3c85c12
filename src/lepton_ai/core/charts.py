"""Charts as SVG text: the house's pictures for profiles, reports and decision logs. Standard library only.

The same input gives the same bytes. Every chart has a title, axes with units, a description for screen readers, and
colours that are told apart with every kind of colour vision. Values that are not finite are left out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lepton_ai.core.chart_frame import (
    COLOURS,
    FAINT,
    INK,
    Axis,
    Frame,
    bare_picture,
    circle,
    dash,
    drawn_axes,
    fitting,
    frame_for,
    label,
    line,
    named_axis,
    number,
    number_axis,
    path,
    picture,
    readable,
    rectangle,
    text_width,
    tight_axis,
)

_WIDTH = 480
_HEIGHT = 280
_MOST_DOTS = 1500
_MOST_NUMBERED_CELLS = 15
_SHADES = 40


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Args:
        name: What it is, for the legend.
        x: Where its points are, ascending.
        y: Its values; NaN leaves a gap.
        low: The lower edge of a band around it, such as an interval.
        high: The upper edge of that band.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


def histogram(
    edges: Sequence[float], counts: Sequence[float], *, title: str, x_label: str = "", y_label: str = "rows"
) -> str:
    """How many values lie in each of some ranges.

    Args:
        edges: Where the ranges begin and end, one more than there are counts.
        counts: How many values each range holds.
        title: What is shown.
        x_label: What the values are, with their unit.
        y_label: What is counted.

    Example:

        >>> histogram([0, 10, 20], [3, 5], title="Age", x_label="years").startswith("<svg")
        True
    """
    across, up = tight_axis(edges, x_label), number_axis(counts, y_label, from_zero=True)
    frame = frame_for(across, up, width=_WIDTH, height=_HEIGHT)
    marks = []
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        left, right, top = frame.x(low), frame.x(high), frame.y(count)
        tip = f"{readable(low)} to {readable(high)}: {readable(count)}"
        marks.append(rectangle(left + 0.5, top, right - left - 1, frame.bottom - top, COLOURS[0], tip=tip))
    said = f"{readable(sum(counts))} {y_label} from {readable(edges[0])} to {readable(edges[-1])}."
    return picture(drawn_axes(frame) + "".join(marks), title=title, description=said, width=_WIDTH, height=_HEIGHT)


def bars(
    names: Sequence[str],
    values: Sequence[float],
    *,
    title: str,
    x_label: str = "",
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
) -> str:
    """One bar for each name, from zero, with its value and an interval if there is one; in the order given.

    Args:
        names: What each bar stands for.
        values: How long it is.
        title: What is shown.
        x_label: What the values are, with their unit.
        low: The lower ends of intervals around the values.
        high: The upper ends.
    """
    space = 20
    ends = [values, *(each for each in (low, high) if each is not None)]
    across = number_axis([value for each in ends for value in each], x_label, from_zero=True)
    left = min(12 + max((text_width(name) for name in names), default=0) + 8, _WIDTH * 0.4)
    height = 30 + space * max(len(names), 1) + 40
    frame = Frame(left, 30, _WIDTH - 60, height - 40, across, named_axis(()))
    marks = []
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        top = frame.top + place * space + 3
        marks.append(label(left - 6, top + 11, fitting(name, left - 18), anchor="end"))
        end = frame.x(0)
        if math.isfinite(value):
            begin, end = sorted((frame.x(0), frame.x(value)))
            tip = f"{name}: {readable(value)}"
            marks.append(rectangle(begin, top, end - begin, space - 6, COLOURS[0], tip=tip))
        if low is not None and high is not None and math.isfinite(low[place]) and math.isfinite(high[place]):
            middle = top + space / 2 - 3
            marks.append(line(frame.x(low[place]), middle, frame.x(high[place]), middle, INK, more=' stroke-width="2"'))
            end = max(end, frame.x(high[place]))
        marks.append(label(end + 5, top + 11, readable(value)))
    said = "; ".join(f"{name}: {readable(value)}" for name, value in zip(names[:10], values, strict=False)) + "."
    axes = drawn_axes(frame, grid_across=True, grid_up=False)
    return picture(axes + "".join(marks), title=title, description=said, width=_WIDTH, height=height)


def lines(
    series: Sequence[Line],
    *,
    title: str,
    x_label: str = "",
    y_label: str = "",
    x_names: Sequence[str] = (),
    from_zero: bool = False,
) -> str:
    """Lines over numbers or over named places such as months, each with a band if it has one.

    Args:
        series: The lines, the most important first.
        title: What is shown.
        x_label: What lies across, with the unit.
        y_label: What the values are, with the unit.
        x_names: Names of the places 0, 1, 2 … across, instead of numbers.
        from_zero: Whether the axis of values begins at zero.
    """
    drawn = [values for each in series for values in (each.y, each.low, each.high) if values is not None]
    if x_names:
        across = named_axis([fitting(name, _WIDTH / 8) for name in x_names], x_label, most=6)
    else:
        across = tight_axis([value for each in series for value in each.x], x_label)
    up = number_axis([value for values in drawn for value in values], y_label, from_zero=from_zero)
    legend = [each.name for each in series] if len(series) > 1 else []
    frame = frame_for(across, up, width=_WIDTH, height=_HEIGHT, legend=legend)
    bands, strokes = [], []
    for place, each in enumerate(series):
        colour = COLOURS[place % len(COLOURS)]
        bands.append(_band(frame, each, colour))
        look = f' stroke-width="2"{dash(place)}'
        strokes.append(path(_points(frame, each.x, each.y), colour, tip=each.name, more=look))
    ends = [f"{each.name} ends at {readable(float(each.y[-1]))}" for each in series if len(each.y)]
    body = drawn_axes(frame) + "".join(bands) + "".join(strokes)
    return picture(body, title=title, description="; ".join(ends) + ".", width=_WIDTH, height=_HEIGHT, legend=legend)


def reliability(
    predicted: Sequence[float], observed: Sequence[float], counts: Sequence[float], *, title: str = "Reliability"
) -> str:
    """Whether things happen as often as predicted: on the diagonal they do. Larger dots hold more rows.

    Args:
        predicted: The mean predicted probability of each bin, from 0 to 1.
        observed: How often it came true there, from 0 to 1.
        counts: How many rows the bin holds.
        title: What is shown.
    """
    size = 340
    across = number_axis([0, 1], "predicted probability")
    frame = frame_for(across, number_axis([0, 1], "share that came true"), width=size, height=size)
    most = max(counts, default=1) or 1
    dots = [line(frame.x(0), frame.y(0), frame.x(1), frame.y(1), INK, more=' stroke-dasharray="4 4"')]
    shown = [each for each in zip(predicted, observed, counts, strict=True) if each[2] and math.isfinite(each[1])]
    dots.append(path(_points(frame, [each[0] for each in shown], [each[1] for each in shown]), COLOURS[0]))
    for foretold, came, count in shown:
        tip = f"predicted {readable(foretold)}, came true {readable(came)}, {readable(count)} rows"
        dots.append(circle(frame.x(foretold), frame.y(came), 2.5 + 5 * math.sqrt(count / most), COLOURS[0], tip=tip))
    rows = sum(each[2] for each in shown)
    gap = sum(abs(each[0] - each[1]) * each[2] for each in shown) / rows if rows else math.nan
    said = f"Predicted and observed differ by {readable(gap)} on average over {readable(rows)} rows."
    axes = drawn_axes(frame, grid_across=True)
    return picture(axes + "".join(dots), title=title, description=said, width=size, height=size)


def heat_map(
    values: Sequence[Sequence[float]],
    *,
    title: str,
    row_names: Sequence[str],
    column_names: Sequence[str],
    row_label: str = "",
    column_label: str = "",
) -> str:
    """A number for each pair of names as the strength of a colour: such as a confusion matrix.

    Args:
        values: One row of numbers for each name in `row_names`, the first on top.
        title: What is shown.
        row_names: The names down.
        column_names: The names across.
        row_label: What the rows are.
        column_label: What the columns are.

    Values below zero are drawn in a second colour.
    """
    down, wide = len(row_names), len(column_names)
    numbered = max(down, wide) <= _MOST_NUMBERED_CELLS
    cell = max(6.0, min(34.0, 420 / max(down, wide, 1)))
    named = named_axis([fitting(name, 120) for name in row_names], row_label, most=30)
    up = Axis(named.low, named.high, tuple((down - 1 - at, text) for at, text in named.ticks), row_label)
    short = [fitting(name, 60) for name in column_names]
    across = named_axis(
        short, column_label, most=max(1, int(wide * cell / (max(map(text_width, short), default=0) + 6)))
    )
    margin = frame_for(across, up, width=0, height=0)
    width, height = math.ceil(margin.left + wide * cell + 18), math.ceil(margin.top + down * cell - margin.bottom)
    width = max(width, math.ceil(text_width(title) * 1.2) + 24)
    frame = Frame(margin.left, margin.top, margin.left + wide * cell, margin.top + down * cell, across, up)
    most = max((abs(value) for row in values for value in row if math.isfinite(value)), default=0) or 1
    cells: dict[str, list[str]] = {}
    marks = []
    for at, (row_name, row) in enumerate(zip(row_names, values, strict=True)):
        for place, (column_name, value) in enumerate(zip(column_names, row, strict=True)):
            x, y = frame.left + place * cell, frame.top + at * cell
            strength = abs(value) / most if math.isfinite(value) else 0.0
            colour = _shade(strength, value < 0)
            if not numbered:
                cells.setdefault(colour, []).append(f"M{number(x)} {number(y)}h{number(cell - 1)}")
                continue
            tip = f"{row_name}, {column_name}: {readable(value)}"
            marks.append(rectangle(x, y, cell - 1, cell - 1, colour, tip=tip))
            look = f' style="fill:{"#ffffff" if strength > 0.55 else INK}" font-size="10" pointer-events="none"'
            marks.append(label(x + cell / 2, y + cell / 2 + 4, _short(value), anchor="middle", more=look))
    # Many cells are drawn as one path for each colour, its line as wide as a cell: a third of the bytes.
    wide_line = f' stroke-width="{number(cell - 1)}" transform="translate(0 {number((cell - 1) / 2)})"'
    marks += [path("".join(steps), colour, more=wide_line) for colour, steps in cells.items()]
    said = f"{down} rows by {wide} columns, up to {readable(most)}."
    axes = drawn_axes(frame, grid_up=False)
    return picture(axes + "".join(marks), title=title, description=said, width=width, height=height)


def scatter(
    x: Sequence[float],
    y: Sequence[float],
    *,
    title: str,
    x_label: str = "",
    y_label: str = "",
    diagonal: bool = False,
) -> str:
    """One dot for each pair of values; of very many, evenly chosen ones.

    Args:
        x: The values across.
        y: The values up.
        title: What is shown.
        x_label: What lies across, with the unit.
        y_label: What lies up, with the unit.
        diagonal: Whether to draw the line on which both are equal, as for predicted against observed.
    """
    pairs = [(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(a) and math.isfinite(b)]
    shown = pairs[:: math.ceil(len(pairs) / _MOST_DOTS)] if pairs else []
    across, up = (number_axis([pair[place] for pair in shown], name) for place, name in ((0, x_label), (1, y_label)))
    frame = frame_for(across, up, width=_WIDTH, height=_HEIGHT)
    marks = []
    if diagonal:
        low, high = max(across.low, up.low), min(across.high, up.high)
        if low < high:
            ends = frame.x(low), frame.y(low), frame.x(high), frame.y(high)
            marks.append(line(*ends, INK, more=' stroke-dasharray="4 4"'))
    # One path of points with round ends instead of many circles: a tenth of the bytes.
    dots = "".join(f"M{number(frame.x(a))} {number(frame.y(b))}h0" for a, b in shown)
    look = f' stroke-width="4" stroke-linecap="round" stroke-opacity="{0.9 if len(shown) < 200 else 0.5}"'
    marks.append(path(dots, COLOURS[0], more=look))
    said = f"{len(shown):,} of {len(pairs):,} points." if len(shown) < len(pairs) else f"{len(shown):,} points."
    axes = drawn_axes(frame, grid_across=True)
    return picture(axes + "".join(marks), title=title, description=said, width=_WIDTH, height=_HEIGHT)


def small_bars(values: Sequence[float], *, title: str, names: Sequence[str] = ()) -> str:
    """Bars without axes, to stand in a line of a table.

    Args:
        values: How high each bar is.
        title: What a screen reader says, and what shows when it is pointed at.
        names: What each bar stands for.
    """
    width, height = 120, 28
    most = max((value for value in values if math.isfinite(value)), default=0) or 1
    wide = width / max(len(values), 1)
    marks = []
    for place, value in enumerate(values):
        high = (height - 1) * max(value, 0) / most if math.isfinite(value) else 0
        tip = f"{names[place]}: {readable(value)}" if names else ""
        marks.append(rectangle(place * wide, height - high, min(0.85 * wide, 24), high, COLOURS[0], tip=tip))
    ground = line(0, height - 0.5, width, height - 0.5, FAINT)
    return bare_picture(ground + "".join(marks), title=title, width=width, height=height)


def _points(frame: Frame, x: Sequence[float], y: Sequence[float]) -> str:
    """The way through some points, broken where a value is not finite."""
    steps = []
    gap = True
    for across, up in zip(x, y, strict=True):
        if math.isfinite(across) and math.isfinite(up):
            steps.append(f"{'M' if gap else 'L'}{number(frame.x(across))} {number(frame.y(up))}")
        gap = not (math.isfinite(across) and math.isfinite(up))
    return "".join(steps)


def _band(frame: Frame, each: Line, colour: str) -> str:
    if each.low is None or each.high is None:
        return ""
    edges = [edge for edge in zip(each.x, each.low, each.high, strict=True) if all(map(math.isfinite, edge))]
    there = [(x, high) for x, _, high in edges] + [(x, low) for x, low, _ in reversed(edges)]
    corners = " ".join(f"{number(frame.x(x))},{number(frame.y(y))}" for x, y in there)
    return f'<polygon points="{corners}" fill="{colour}" fill-opacity="0.15"/>'


def _shade(strength: float, second: bool) -> str:
    """A colour between white and the first of the palette, or the second."""
    full = COLOURS[1 if second else 0]
    strength = round(strength * _SHADES) / _SHADES
    parts = (int(full[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(255 + (part - 255) * strength):02x}" for part in parts)


def _short(value: float) -> str:
    """A number that fits into a cell."""
    text = readable(value)
    return text if len(text) <= 5 else f"{value:.1e}".replace("e+0", "e").replace("e-0", "e-")

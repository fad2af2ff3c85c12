"""Profiles as HTML: a fragment for a notebook, and a page that needs no other file."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from lepton_ai.core.chart_frame import readable
from lepton_ai.core.charts import bars, histogram, small_bars
from lepton_ai.core.png import as_data_address
from lepton_ai.platform.preprocessing.column import Kind

if TYPE_CHECKING:
    from lepton_ai.platform.preprocessing.image_profile import ImageProfile
    from lepton_ai.platform.preprocessing.profile import Bin, ColumnProfile, TableProfile

_MOST_TOLD = 15
_STYLE = """<style>
.lepton-profile{font:14px/1.45 system-ui,sans-serif;color:#333;background:#fff;padding:8px;max-width:1100px}
.lepton-profile h2{font-size:20px;margin:8px 0}
.lepton-profile table{border-collapse:collapse;width:100%;margin:12px 0;font-variant-numeric:tabular-nums}
.lepton-profile th,.lepton-profile td{text-align:left;vertical-align:top;padding:5px 8px;border-bottom:1px solid #ddd}
.lepton-profile th{font-weight:600}
.lepton-profile td.number,.lepton-profile th.number{text-align:right}
.lepton-profile small{color:#666}
.lepton-profile .charts{display:flex;flex-wrap:wrap;gap:12px;align-items:flex-start}
.lepton-profile img{image-rendering:pixelated;vertical-align:middle}
.lepton-profile li.error b{color:#b00020}
.lepton-profile li.warning b{color:#8a5a00}
</style>"""
_MEASURES = {"auc": "AUC", "r2": "R2"}
_NOTHING = {"auc": 0.5, "r2": 0}


def page(title: str, body: str) -> str:
    """A whole HTML document around a fragment."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"></head><body>{body}</body></html>\n'
    )


def table_page(profile: "TableProfile") -> str:
    """The profile of a table: what the lint found, pictures of the target, and a line for each column."""
    facts = [f"{profile.rows:,} rows", f"{len(profile.columns)} columns"]
    if profile.copies:
        facts.append(f"{profile.copies:,} rows are copies")
    aim = next((column for column in profile.columns if column.name == profile.target), None)
    pictures = []
    if aim is not None and aim.bins:
        pictures.append(_distribution(aim))
    measure = _MEASURES.get(profile.measure or "", "")
    told = [column for column in profile.columns if column.relation is not None]
    told.sort(key=lambda column: -(column.relation or 0.0))
    if told:
        pictures.append(
            bars(
                [column.name for column in told[:_MOST_TOLD]],
                [round(column.relation or 0.0, 3) for column in told[:_MOST_TOLD]],
                title=f"What one column alone tells of {profile.target}",
                x_label=f"{measure}, cross-validated; {_NOTHING[profile.measure or 'r2']} says nothing",
            )
        )
    means = any(each.target is not None for column in profile.columns for each in column.bins)
    mean_head = [f"share of {profile.positive}" if profile.positive is not None else f"mean {profile.target}"] * means
    heads = ["column", "kind", "missing", "different", "values", "rows by value", *mean_head, *([measure] * bool(told))]
    lines = "".join(
        f"<tr>{''.join(_cells(column, profile.rows, mean_head, bool(told)))}</tr>" for column in profile.columns
    )
    return (
        f'{_STYLE}<div class="lepton-profile"><h2>{escape(", ".join(facts))}</h2>{_findings(profile)}'
        f'<div class="charts">{"".join(pictures)}</div><table><thead><tr>{"".join(map(_head, heads))}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )


def image_page(profile: "ImageProfile") -> str:
    """The profile of images: sizes, brightness, classes, and examples of each."""
    facts = [
        f"{profile.images:,} images",
        f"{profile.height} by {profile.width} pixels",
        f"{profile.channels} channels",
    ]
    notes = [
        f"{count:,} {what}"
        for count, what in (
            (profile.copies, "images are copies of others"),
            (profile.copies_of_other_class, "of these have another class than the image they copy"),
            (profile.blank, "images are of one brightness all over"),
        )
        if count
    ]
    pictures = [
        histogram(
            profile.edges,
            profile.counts,
            title="Brightness",
            x_label="value of a pixel, all channels",
            y_label="share of pixels",
        )
    ]
    if profile.classes:
        names = list(profile.classes)
        pictures.append(bars(names[:30], [profile.classes[name] for name in names[:30]], title="Images by class"))
    strips = "".join(
        f'<tr><td>{escape(name)}</td><td><img alt="examples of {escape(name, quote=True)}" height="56"'
        f' src="{as_data_address(picture)}"></td></tr>'
        for name, picture in profile.examples.items()
    )
    listed = f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>" if notes else ""
    heads = "<th>class</th><th>mean image, then examples</th>"
    return (
        f'{_STYLE}<div class="lepton-profile"><h2>{escape(", ".join(facts))}</h2>{listed}'
        f'<div class="charts">{"".join(pictures)}</div>'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{strips}</tbody></table></div>"
    )


def _findings(profile: "TableProfile") -> str:
    items = "".join(
        f'<li class="{finding.severity}"><b>{finding.severity}</b> {escape(finding.message)}. '
        f"<small>{escape(finding.hint)}</small></li>"
        for finding in profile.findings
    )
    return f"<ul>{items}</ul>" if items else ""


def _distribution(column: "ColumnProfile") -> str:
    title = f"{column.name}, the target"
    if column.kind is Kind.CATEGORY:
        return bars(
            [each.name for each in column.bins], [each.rows for each in column.bins], title=title, x_label="rows"
        )
    edges = _even_edges(column.bins)
    return histogram(edges, [each.rows for each in column.bins], title=title, x_label=column.unit or column.name)


def _even_edges(bins: Sequence["Bin"]) -> list[float]:
    """The edges of ranges with the first and last as wide as the others, which hold all that is beyond."""
    edges = [each.low or 0.0 for each in bins] + [bins[-1].high or 0.0]
    if len(bins) > 2:
        width = edges[2] - edges[1]
        edges[0], edges[-1] = max(edges[0], edges[1] - width), min(edges[-1], edges[-2] + width)
    return edges


def _cells(column: "ColumnProfile", rows: int, mean_head: Sequence[str], told: bool) -> list[str]:
    role = ", ".join(role for role in column.roles if role != "feature") or ("" if column.roles else "left aside")
    names = [each.name for each in column.bins]
    counts = small_bars([each.rows for each in column.bins], title=f"{column.name}: rows by value", names=names)
    cells = [
        f"<td><b>{escape(column.name)}</b></td>",
        f"<td>{column.kind}{f'<br><small>{escape(role)}</small>' if role else ''}</td>",
        _number(_share(column.missing, rows)),
        _number(f"{column.distinct:,}"),
        f"<td>{_said(column)}</td>",
        f"<td>{counts}</td>",
    ]
    for head in mean_head:
        means = [float("nan") if each.target is None else each.target for each in column.bins]
        known = any(each.target is not None for each in column.bins)
        cells.append(f"<td>{small_bars(means, title=f'{column.name}: {head}', names=names) if known else ''}</td>")
    if told:
        cells.append(_number("" if column.relation is None else f"{column.relation:.3f}"))
    return cells


def _said(column: "ColumnProfile") -> str:
    if column.kind is Kind.CATEGORY:
        most = ", ".join(f"{each.name} ({readable(each.rows)})" for each in column.bins[:3])
        return escape(most + (" …" if len(column.bins) > 3 else ""))
    if not column.numbers:
        return ""
    low, middle, high = (_shown(column.numbers[name]) for name in ("min", "median", "max"))
    unit = " characters" if column.kind is Kind.TEXT else f" {column.unit}" if column.unit else ""
    return escape(f"{low} to {high}{unit}") + f"<br><small>median {escape(middle)}</small>"


def _share(count: int, rows: int) -> str:
    if not count:
        return ""
    return f"{count / rows:.1%}" if count / rows >= 0.0005 else "&lt;0.1%"


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else readable(value)


def _head(text: str) -> str:
    return f"<th{_RIGHT if text in ('missing', 'different', 'AUC', 'R2') else ''}>{escape(text)}</th>"


def _number(text: str) -> str:
    return f"<td{_RIGHT}>{text}</td>"


_RIGHT = ' class="number"'

"""Numbers as a reader needs them: no more digits than their interval is worth."""

import math

from lepton_ai.core.chart_frame import readable
from lepton_ai.platform.evaluation.report_parts import Estimate

_MOST_DIGITS = 6
_ROUNDING = 1e-9


def with_interval(estimate: Estimate, *, sign: bool = False) -> str:
    """A number and its interval.

    Args:
        estimate: The number.
        sign: Whether it is a difference, and a plus is written too.

    Example:

        >>> with_interval(Estimate(0.90382, 0.89871, 0.90877)), with_interval(Estimate(1234.5, 1180.0, 1290.0))
        ('0.904 (0.899 to 0.909)', '1,234 (1,180 to 1,290)')
        >>> with_interval(Estimate(0.00352, 0.000516, 0.00637), sign=True)
        '+0.0035 (+0.0005 to +0.0064)'
    """
    if estimate.value is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return _written(estimate.value, None, sign)
    width, size = estimate.high - estimate.low, max(abs(estimate.low), abs(estimate.high))
    digits = _digits(width) if width > _ROUNDING * size else None
    value, low, high = (_written(number, digits, sign) for number in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})"


def alone(estimate: Estimate | None) -> str:
    """The number without its interval, to the same digits."""
    return "" if estimate is None else with_interval(estimate).split(" ")[0]


def share(value: float | None) -> str:
    """A share in percent."""
    return "-" if value is None else f"{100 * value:.1f} %"


def _digits(width: float) -> int:
    """Digits after the point so that the interval's width has two."""
    return min(_MOST_DIGITS, max(0, 1 - math.floor(math.log10(width))))


def _written(number: float, digits: int | None, sign: bool) -> str:
    if digits is None or abs(number) >= 1e15:
        text = readable(number)
    else:
        text = f"{number:,.{digits}f}"
        text = text.removeprefix("-") if float(text.replace(",", "")) == 0 else text
    return f"+{text}" if sign and number > 0 and not text.startswith("+") else text

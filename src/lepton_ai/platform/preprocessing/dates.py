"""How the dates of a column are written: one form in which all of them can be read, or none."""

import re
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from lepton_ai.platform.preprocessing.values import date_of

_ENOUGH = 50
_LOOKS_LIKE_A_DATE = re.compile(r"^(?=.*\d)[\w ,./:+-]{5,40}$")
_DATES = (
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d.%m.%y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%b %d %Y",
    "%b %d, %Y",
    "%d %B %Y",
    "%B %d, %Y",
    "%Y-%m",
    "%b %Y",
    "%b-%Y",
    "%B %Y",
)
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_TIMES_OF_DAY = ("%H:%M", "%H:%M:%S")


def date_format_of(texts: Sequence[str]) -> str | None:
    """The form in which texts are dates.

    Args:
        texts: The different texts of a column, in the order in which they first came.

    Returns:
        `"iso"` for ISO 8601, a form in the words of `datetime.strptime`, None if they are no dates, and `"ambiguous"`
        if day and month may both come first. Where one order makes the dates go on from row to row and the other does
        not, it is that one.

    Example:

        >>> date_format_of(["2020-01-31", "2020-02-01"]), date_format_of(["31/01/2020", "01/02/2020"])
        ('iso', '%d/%m/%Y')
        >>> date_format_of(["01/02/2020", "01/01/2020"]), date_format_of(["red", "green"])
        ('ambiguous', None)
    """
    if not texts or not all(map(_LOOKS_LIKE_A_DATE.match, texts[:_ENOUGH])):
        return None
    if all(date_of(text, None) for text in texts):
        return "iso"
    forms = [day + time for day in _DATES for time in _TIMES] + list(_TIMES_OF_DAY)
    forms = [form for form in forms if all(date_of(text, form) for text in texts[:_ENOUGH])]
    forms = [form for form in forms if all(date_of(text, form) for text in texts)]
    if len(forms) > 1:
        forms = [form for form in forms if _goes_on(texts, form)] or forms
    if len(forms) == 1:
        return forms[0]
    return "ambiguous" if forms else None


def _goes_on(texts: Sequence[str], form: str) -> bool:
    moments = [moment for text in texts if (moment := date_of(text, form)) is not None]
    steps = [later - earlier for earlier, later in pairwise(moments)]
    return len(steps) > 2 and min(steps) >= timedelta(0)

"""What the numbers of a report mean, in sentences; the ones that ask for care are warnings. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from statistics import NormalDist

from lepton_ai.core.chart_frame import readable
from lepton_ai.platform.evaluation.checks import LINEAR, NAIVE
from lepton_ai.platform.evaluation.intervals import Unit
from lepton_ai.platform.evaluation.metrics import Better
from lepton_ai.platform.evaluation.report import Report
from lepton_ai.platform.evaluation.report_parts import Estimate, Group, Remark
from lepton_ai.platform.evaluation.wording import with_interval

_FEW_ROWS = 100
_FEW_CLUSTERS = 20
LIKELY = 0.05
"""What is likelier than this may be luck."""

GROUP_WORDS = {
    "accuracy": "accuracy",
    "answered": "share answered with the second class",
    "sensitivity": "sensitivity",
    "false_alarms": "share of false alarms",
    "offset": "prediction minus truth",
    "absolute_error": "absolute error",
}


def with_remarks(report: Report) -> Report:
    """The report, with sentences on what its numbers mean."""
    found = [
        *_against_baselines(report),
        *_how_far_to_trust(report),
        *_probabilities(report),
        *_coverage(report),
        *_groups(report),
        *_periods(report),
        *_slices(report),
    ]
    return replace(report, remarks=tuple(found))


def clear_differences(report: Report) -> Iterator[tuple[Group, str]]:
    """Which groups differ from all other rows, and in what, by more than so many comparisons would show by chance.

    Each has to be clearer by Bonferroni's rule. Small groups are left out.
    """
    compared = [
        (group, name)
        for group in report.groups
        if not group.is_small
        for name in GROUP_WORDS
        if name in group.differences
    ]
    factor = NormalDist().inv_cdf(1 - LIKELY / 2 / max(len(compared), 1)) / NormalDist().inv_cdf(1 - LIKELY / 2)
    for group, name in compared:
        if _is_clear(group.differences[name], factor):
            yield group, name


def _against_baselines(report: Report) -> Iterator[Remark]:
    main = report.metric(report.main)
    for name, words in ((LINEAR, "the linear model"), (NAIVE, "the naive answer")):
        difference = main.differences[name]
        if difference.value is None:
            yield Remark(True, f"{main.title} is not defined on these rows, so nothing says how it compares to {words}")
            continue
        said = f"{main.title}: {with_interval(difference, sign=True)} against {words}"
        if not _excludes_zero(difference):
            yield Remark(True, f"{said}; these rows do not show that it is better")
        elif (difference.value > 0) == (main.better is Better.HIGHER):
            yield Remark(False, f"{said}; it is better")
        else:
            yield Remark(True, f"{said}; it is worse")


def _excludes_zero(estimate: Estimate) -> bool:
    """Whether an interval says that a difference is there."""
    return estimate.low is not None and estimate.high is not None and (estimate.low > 0 or estimate.high < 0)


def _how_far_to_trust(report: Report) -> Iterator[Remark]:
    if report.test_openings is None:
        yield Remark(
            False, "Nobody counted how often these rows were looked at before; choices made by them would flatter"
        )
    elif report.test_openings > 1:
        yield Remark(
            True,
            f"The test part was opened {report.test_openings} times: what was changed after the first time may have "
            "been chosen by it, and these numbers flatter",
        )
    if report.rows < _FEW_ROWS:
        yield Remark(True, f"Only {report.rows} rows: the intervals are wide for that reason, and rough")
    if report.sampling.unit is Unit.CLUSTER and report.sampling.units < _FEW_CLUSTERS:
        yield Remark(True, f"Only {report.sampling.units} clusters: the intervals are rough")
    if report.sampling.unit is Unit.ROW_OF_CLASS:
        yield Remark(True, "A class has fewer than ten rows here: what is said of it rests on very little")


def _probabilities(report: Report) -> Iterator[Remark]:
    if report.reliability is None:
        return
    error, chance = report.reliability.error, report.reliability.error_by_chance
    said = f"Stated probabilities are off by {readable(error)} on average; {readable(chance)} would be chance"
    yield Remark(error > 2 * chance + 0.02, said)


def _coverage(report: Report) -> Iterator[Remark]:
    if report.promised_coverage is None:
        return
    held = report.metric("coverage").model
    said = f"Intervals hold the truth in {with_interval(held)} of the rows; {report.promised_coverage:g} was promised"
    kept = held.low is not None and held.high is not None and held.low <= report.promised_coverage <= held.high
    yield Remark(not kept, said)


def _groups(report: Report) -> Iterator[Remark]:
    small = [f"{group.column}: {group.text}" for group in report.groups if group.is_small]
    if small:
        yield Remark(True, f"Too few rows to conclude from in {len(small)} groups: {'; '.join(small[:5])}")
    clear: dict[str, dict[str, Group]] = {}
    for group, name in clear_differences(report):
        of_column = clear.setdefault(group.column, {})
        furthest = of_column.get(name, group)
        of_column[name] = max(furthest, group, key=lambda each: abs(each.differences[name].value or 0.0))
    for column, found in clear.items():
        said = [
            f"{GROUP_WORDS[name]} {with_interval(group.differences[name], sign=True)} for {group.text}"
            for name, group in found.items()
        ]
        yield Remark(True, f"{column}: clear differences to all other rows: {'; '.join(said)}")


def _is_clear(difference: Estimate, factor: float) -> bool:
    if difference.value is None or difference.low is None or difference.high is None:
        return False
    return abs(difference.value) > factor * (difference.high - difference.low) / 2


def _periods(report: Report) -> Iterator[Remark]:
    if len(report.periods) < 3:
        return
    last, before = report.periods[-1], report.periods[:-1]
    rows = sum(period.rows for period in before)
    usual = sum(period.rows * (period.loss.value or 0.0) for period in before) / rows
    if last.loss.low is not None and last.loss.low > usual:
        yield Remark(
            True,
            f"The last period ({last.start} to {last.end}) has a loss of {with_interval(last.loss)}, {readable(usual)} "
            "before: the world may have changed",
        )


def _slices(report: Report) -> Iterator[Remark]:
    if report.slices is None:
        return
    standing = [found for found in report.slices.worst if found.chance < LIKELY]
    looked = f"Of {report.slices.looked_at} slices of at least {report.slices.fewest_rows} rows"
    if not standing:
        yield Remark(False, f"{looked}, none is worse than the rest by more than so many looks would show by chance")
        return
    worst = standing[0]
    yield Remark(
        True,
        f"{looked}, {len(standing)} or more are clearly worse than the rest: most clearly "
        f"{' and '.join(worst.conditions)}, with a loss of {with_interval(worst.loss)} against "
        f"{readable(worst.loss_elsewhere)}",
    )

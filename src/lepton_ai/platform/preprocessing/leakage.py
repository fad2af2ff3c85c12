"""The leakage lint: what makes a model look better in validation than it will be in use, found before training."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.preprocessing.column import Column, Kind, Role
from lepton_ai.platform.preprocessing.columns import Columns, is_missing
from lepton_ai.platform.preprocessing.copies import codes_of
from lepton_ai.platform.preprocessing.finding import Finding, FindingCode, Severity
from lepton_ai.platform.preprocessing.id_like import names_groups, names_rows
from lepton_ai.platform.preprocessing.order import likeness_of_neighbours, tells_when
from lepton_ai.platform.preprocessing.relation import Target, relation, target_of
from lepton_ai.platform.preprocessing.schema import Schema
from lepton_ai.platform.preprocessing.signature import Task
from lepton_ai.platform.preprocessing.split_keys import in_order, rule_for

# Honest measurements stay below: the best of breast_cancer is at 0.976, of iris, for the class told least, at 0.983.
_GIVES_AWAY = 0.99
# That a value is missing is often honest news, and then worth some 0.6 to 0.7.
_MISSING_TELLS = {"auc": 0.8, "r2": 0.5}
_FEWEST_MISSING = 10
# One class among nearly all rows without a value says much, also where these rows are too few to move the AUC.
_FEWEST_PURE = 30
_PURE = 0.99
_USUAL = 0.9
_MANY_COPIES = 0.01
_ALIKE = 0.3
# More where no column says that the order means anything.
_ALIKE_IN_ROWS = 0.5
_MEASURE = {"auc": "AUC", "r2": "R2"}


def find_leaks(
    schema: Schema,
    columns: Columns,
    *,
    train: NDArray[np.int64] | None = None,
    held_back: NDArray[np.int64] | None = None,
) -> tuple[Finding, ...]:
    """Look for what gives the target away, and for rows that are not as separate as a split takes them for.

    Args:
        schema: What the columns are for.
        columns: The table in the form of `columns.py`, the target with it if there is one.
        train: The rows to learn from, if they are split already.
        held_back: The rows to judge by; all others where only `train` is given.

    Returns:
        The findings, the worst first.

    Example:

        >>> table = {"bmi": np.arange(100.0) % 7, "insulin": np.arange(100.0), "ill": np.arange(100) // 50}
        >>> schema = Schema.infer(table, target="ill").with_roles("insulin", "feature")
        >>> findings = find_leaks(schema, {name: values * 1.0 for name, values in table.items()})
        >>> findings[0].code.value, findings[0].columns, findings[0].measured
        ('target_given_away', ('insulin',), {'auc': 1.0})
    """
    target = None
    if schema.target is not None and schema.target.name in columns:
        target = target_of(columns[schema.target.name], classes=schema.task is Task.CLASSIFICATION)
    found = [
        *_of_features(schema, columns, target),
        *_of_outcomes(schema, columns),
        *_of_order(schema, columns),
        *_of_copies(schema, columns),
    ]
    if train is not None:
        rest = held_back if held_back is not None else np.setdiff1d(np.arange(_row_count(columns)), train)
        found += _across(schema, columns, train, rest)
    worst_first = list(Severity)
    return tuple(sorted(found, key=lambda finding: worst_first.index(finding.severity)))


def find_copies(
    copies: NDArray[np.int64], train: NDArray[np.int64], held_back: NDArray[np.int64]
) -> tuple[Finding, ...]:
    """Look for rows to judge by that are copies of rows to learn from; also for images, which have no schema.

    Args:
        copies: A number for each row, equal where rows are the same, `(rows,)`; see `copies.py`.
        train: The rows to learn from.
        held_back: The rows to judge by.

    Returns:
        One finding, or none.

    Example:

        >>> from lepton_ai.platform.preprocessing.copies import copies_in_array
        >>> images = np.array([[[1]], [[2]], [[1]], [[3]]])
        >>> find_copies(copies_in_array(images), np.array([0, 1]), np.array([2, 3]))[0].measured
        {'share': 0.5}
    """
    share = _share_in(copies, train, held_back)
    if not share:
        return ()
    finding = Finding(
        FindingCode.COPIES_ACROSS,
        Severity.ERROR if share > _MANY_COPIES else Severity.WARNING,
        (),
        f"{share:.1%} of the rows held back are copies of rows to learn from",
        "Split with `split`, which keeps copies on one side.",
        {"share": round(share, 6)},
    )
    return (finding,)


def _of_features(schema: Schema, columns: Columns, target: Target | None) -> Iterator[Finding]:
    grouped = rule_for(schema).group is not None
    for column in schema.features:
        values = columns[column.name]
        missing = is_missing(values)
        if len(values) and (missing.all() or (not missing.any() and _is_constant(values))):
            what = "has no value in any row" if missing.all() else "is the same in every row"
            yield _finding(FindingCode.CONSTANT, Severity.NOTE, column, what, "Leave it out: it says nothing.")
            continue
        if names_rows(column, values):
            yield _finding(
                FindingCode.ID_LIKE,
                Severity.WARNING,
                column,
                "has another value in almost every row, as an id has",
                "If it names the row, give it the role `id`: a model learns it by heart. If it counts time, `time`.",
                distinct=len(np.unique(codes_of(values))),
            )
        elif not grouped and names_groups(column, values):
            yield _finding(
                FindingCode.GROUP_LIKE,
                Severity.WARNING,
                column,
                "names what several rows have in common, and rows are split without regard to it",
                f'If new ones will come in use, write schema.with_roles("{column.name}", "group").',
                distinct=len(np.unique(codes_of(values))),
            )
        if target is None:
            continue
        yield from _of_target(column, values, missing, target)


def _of_target(column: Column, values: NDArray[Any], missing: NDArray[np.bool_], target: Target) -> Iterator[Finding]:
    # A date tells a target of numbers as well as its neighbours in time do; that is for `_of_order` to say.
    if column.kind is not Kind.TEXT and not (column.kind is Kind.DATE and target.classes is None):
        score = relation(values, target).weakest
        if score > _GIVES_AWAY:
            yield _finding(
                FindingCode.TARGET_GIVEN_AWAY,
                Severity.ERROR,
                column,
                f"alone tells the target ({_MEASURE[target.measure]} {score:.4f}, cross-validated)",
                f'If it is known only afterwards, write schema.with_roles("{column.name}", "outcome_later").',
                **{target.measure: round(score, 6)},
            )
            return
    if min(missing.sum(), (~missing).sum()) < _FEWEST_MISSING:
        return
    score = relation(missing.astype(np.float64), target).score
    pure = _purity(missing[target.rows], target)
    if score >= _MISSING_TELLS[target.measure] or pure:
        yield _finding(
            FindingCode.MISSING_TELLS,
            Severity.WARNING,
            column,
            f"tells the target by being there or not ({_MEASURE[target.measure]} {score:.3f}"
            + (f"; {pure:.1%} of its rows on one side are of one class)" if pure else ")"),
            "Find out whether it is filled in before the target is known, or because of it.",
            **{target.measure: round(score, 6), "missing": round(float(missing.mean()), 6)},
        )


def _of_outcomes(schema: Schema, columns: Columns) -> Iterator[Finding]:
    outcomes = [column for column in schema.columns if column.is_a(Role.OUTCOME_LATER) and column.name in columns]
    for outcome in outcomes:
        for column in schema.features:
            if _same_values(columns[outcome.name], columns[column.name]):
                yield Finding(
                    FindingCode.OUTCOME_REPEATED,
                    Severity.ERROR,
                    (column.name, outcome.name),
                    f"`{column.name}` repeats `{outcome.name}`, which is known only afterwards",
                    f'Write schema.with_roles("{column.name}", "outcome_later").',
                )


def _of_order(schema: Schema, columns: Columns) -> Iterator[Finding]:
    rule = rule_for(schema)
    if rule.time is not None or rule.target is None or rule.target not in columns:
        return
    target, classes = columns[rule.target], rule.classes
    when = tells_when(schema, columns)
    if when is not None:
        alike = likeness_of_neighbours(target, classes=classes, by=columns[when.name])
        yield _finding(
            FindingCode.TIME_IGNORED,
            Severity.WARNING if alike >= _ALIKE else Severity.NOTE,
            when,
            f"says when rows happened, and the split does not regard it (neighbours in time agree by {alike:.2f})",
            f'If the model will meet later rows, write schema.with_roles("{when.name}", "time", "feature").',
            neighbours=round(alike, 6),
        )
        return
    alike = likeness_of_neighbours(target, classes=classes, by=None)
    if alike >= _ALIKE_IN_ROWS and rule.group is None:
        yield Finding(
            FindingCode.TIME_IGNORED,
            Severity.WARNING,
            (),
            f"rows that stand side by side have like targets (by {alike:.2f}), and are split without regard to it",
            "If the rows are in order of time or of groups, give a column the role `time` or `group`.",
            {"neighbours": round(alike, 6)},
        )


def _of_copies(schema: Schema, columns: Columns) -> Iterator[Finding]:
    copies = rule_for(schema).copies(columns)
    count = 0 if copies is None else len(copies) - len(np.unique(copies))
    if count:
        yield Finding(
            FindingCode.COPIES,
            Severity.NOTE,
            (),
            f"{count} of {_row_count(columns)} rows are copies of others",
            "`split` keeps them on one side.",
            {"copies": count},
        )


def _across(schema: Schema, columns: Columns, train: NDArray[np.int64], rest: NDArray[np.int64]) -> Iterator[Finding]:
    if not len(train) or not len(rest):
        return
    rule = rule_for(schema)
    copies = rule.copies(columns)
    if copies is not None and rule.time is None:
        yield from find_copies(copies, train, rest)
    if rule.group is not None and rule.group in columns:
        share = _share_in(codes_of(columns[rule.group]), train, rest)
        if share:
            yield Finding(
                FindingCode.GROUPS_ACROSS,
                Severity.ERROR,
                (rule.group,),
                f"{share:.1%} of the rows held back are of a `{rule.group}` that is also learnt from",
                "Split with `split`, which keeps each group on one side.",
                {"share": round(share, 6)},
            )
    if rule.time is not None and rule.time in columns:
        times = in_order(columns[rule.time], rule.time)
        learnt = times[train][~is_missing(times[train])]
        share = float((times[rest] <= learnt.max()).mean()) if len(learnt) else 0.0
        if share:
            yield Finding(
                FindingCode.TIME_GOES_BACK,
                Severity.ERROR,
                (rule.time,),
                f"{share:.1%} of the rows held back are not later than all rows to learn from, by `{rule.time}`",
                "Split with `split`, which puts later rows last.",
                {"share": round(share, 6)},
            )


def _share_in(codes: NDArray[np.int64], train: NDArray[np.int64], rest: NDArray[np.int64]) -> float:
    """The share of the rest whose code is also in the training rows."""
    return float(np.isin(codes[rest], codes[train]).mean()) if len(rest) else 0.0


def _purity(missing: NDArray[np.bool_], target: Target) -> float | None:
    """The share of one class among the rows without a value, or with one, if it is nearly all as nowhere else."""
    if target.classes is None:
        return None
    usual = np.bincount(target.classes) / len(target.classes)
    for side in (missing, ~missing):
        if side.sum() >= _FEWEST_PURE:
            shares = np.bincount(target.classes[side], minlength=len(usual)) / side.sum()
            most = int(shares.argmax())
            if shares[most] >= _PURE and usual[most] <= _USUAL:
                return float(shares[most])
    return None


def _is_constant(values: NDArray[Any]) -> bool:
    return bool((values == values[0]).all())


def _same_values(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Whether each value of one column stands for one value of the other, and there are at least two."""
    codes, other = codes_of(first), codes_of(second)
    pairs = len(np.unique(codes * (other.max(initial=0) + 1) + other))
    distinct = len(np.unique(codes))
    # Where nearly every value is met once, any two columns would pass.
    return 1 < pairs == distinct == len(np.unique(other)) and 2 * pairs <= len(codes)


def _row_count(columns: Columns) -> int:
    return len(next(iter(columns.values())))


def _finding(code: FindingCode, severity: Severity, column: Column, what: str, hint: str, **measured: float) -> Finding:
    return Finding(code, severity, (column.name,), f"`{column.name}` {what}", hint, measured)

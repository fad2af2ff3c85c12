"""The parts of a report, as frozen records: estimates, metrics, groups, periods, slices, answers, errors, remarks."""

from collections.abc import Mapping
from dataclasses import dataclass

from lepton_ai.platform.evaluation.intervals import Unit
from lepton_ai.platform.evaluation.metrics import Better


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Args:
        value: On all rows; null where these rows do not define it.
        low: The lower end of the interval.
        high: The upper end.
    """

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Sampling:
    """How the intervals were made.

    Args:
        unit: What was drawn with replacement: what was taken for independent of the rest.
        units: How many of these there are.
        block: For blocks of time, how many times were drawn together; 1 otherwise.
        replicates: How many draws.
        level: How often such an interval holds the truth.
        seed: What the draws came from.
    """

    unit: Unit
    units: int
    block: int
    replicates: int
    level: float
    seed: int


@dataclass(frozen=True)
class Measured:
    """One metric, of the model and of the baselines.

    Args:
        name: How documents call it.
        title: How people call it.
        better: Which way it improves; null where neither way is.
        model: Of the model.
        baselines: Of each baseline, by its name.
        differences: Model minus baseline, paired: both on the same draws.
    """

    name: str
    title: str
    better: Better | None
    model: Estimate
    baselines: Mapping[str, Estimate]
    differences: Mapping[str, Estimate]


@dataclass(frozen=True)
class Group:
    """The rows of one group.

    Args:
        column: The column that tells.
        text: Which group.
        rows: How many rows.
        is_small: Whether they, or all others, are too few to conclude from; such groups are shown all the same.
        measures: Numbers of these rows, by name.
        differences: The same minus those of all other rows.
    """

    column: str
    text: str
    rows: int
    is_small: bool
    measures: Mapping[str, Estimate]
    differences: Mapping[str, Estimate]


@dataclass(frozen=True)
class Period:
    """The rows of one stretch of time.

    Args:
        start: Its first time.
        end: Its last time.
        rows: How many rows.
        loss: The mean loss of the model.
        baseline_losses: That of each baseline.
        truth: The mean of what happened: the share of class 1, or of the numbers. Null with more than two classes.
        predicted: The mean of what was predicted.
    """

    start: str
    end: str
    rows: int
    loss: Estimate
    baseline_losses: Mapping[str, float]
    truth: float | None
    predicted: float | None


@dataclass(frozen=True)
class Slice:
    """Rows with one or two conditions in common on which the model does worse than elsewhere.

    Args:
        conditions: What they have in common.
        rows: How many.
        loss: The mean loss there.
        loss_elsewhere: The mean loss of all other rows.
        against_linear: The loss minus that of the linear baseline there, paired: a slice may just be hard.
        offset: How far predictions are above what happened, on average there. Null with more than two classes.
        chance: At most how likely it is that any slice looked at stands out like this if none does, losses compared by
            rank: the p-value times the number of slices looked at.
    """

    conditions: tuple[str, ...]
    rows: int
    loss: Estimate
    loss_elsewhere: float
    against_linear: Estimate
    offset: float | None
    chance: float


@dataclass(frozen=True)
class Slices:
    """The worst slices that were found.

    Args:
        looked_at: How many slices had enough rows, and were compared.
        fewest_rows: How many rows are enough.
        worst: The clearest first.
    """

    looked_at: int
    fewest_rows: int
    worst: tuple[Slice, ...]


@dataclass(frozen=True)
class ThresholdRow:
    """What would happen at one threshold.

    Args:
        threshold: Rows with at least this probability of class 1 are answered with class 1.
        is_chosen: Whether it is the model's own.
        answered: The share of rows answered with class 1.
        sensitivity: The share of class 1 that is found.
        specificity: The share of class 0 that is left alone.
        precision: The share of answers of class 1 that are right; null where there are none.
        cost: The cost per row; null where no costs were given.
    """

    threshold: float
    is_chosen: bool
    answered: float
    sensitivity: float | None
    specificity: float | None
    precision: float | None
    cost: float | None


@dataclass(frozen=True)
class Answers:
    """What a classifier answers.

    Args:
        confusion: Rows by true class (outer) and answered class (inner).
        threshold: Two classes: from which probability on class 1 is answered. Null with more: the likeliest class is.
        thresholds: Two classes: other thresholds, rising.
    """

    confusion: tuple[tuple[int, ...], ...]
    threshold: float | None
    thresholds: tuple[ThresholdRow, ...]


@dataclass(frozen=True)
class ErrorBin:
    """Rows with nearly the same predicted number.

    Args:
        rows: How many.
        predicted: The mean prediction.
        truth: The mean truth.
        low: A tenth of the errors (truth minus prediction) are below this.
        middle: Half of the errors are.
        high: Nine tenths are.
    """

    rows: int
    predicted: float
    truth: float
    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class Errors:
    """How a regression errs. Bins, never single rows: a report does not give its data away.

    Args:
        by_prediction: Bins of equally many rows, from the lowest prediction to the highest.
        edges: The edges of a histogram of errors, one more than counts. The outermost bins hold all that lies beyond.
        counts: Its counts.
    """

    by_prediction: tuple[ErrorBin, ...]
    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Remark:
    """A sentence that says what the numbers mean.

    Args:
        is_warning: Whether it asks for care.
        text: The sentence.
    """

    is_warning: bool
    text: str

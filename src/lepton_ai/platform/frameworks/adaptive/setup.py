"""Sets an adaptive fit up: which rows are held back, who races, what is checked, and the stream of batches for it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.adaptive.budget import Pace
from lepton_ai.platform.frameworks.adaptive.checking import Checking
from lepton_ai.platform.frameworks.adaptive.director import Director
from lepton_ai.platform.frameworks.adaptive.doubting import Doubting
from lepton_ai.platform.frameworks.adaptive.held_back import held_back
from lepton_ai.platform.frameworks.adaptive.judge import Judge
from lepton_ai.platform.frameworks.adaptive.log import DecisionLog
from lepton_ai.platform.frameworks.adaptive.mirroring import Mirroring
from lepton_ai.platform.frameworks.adaptive.pacing import Pacing, ReplayedPacing
from lepton_ai.platform.frameworks.adaptive.race import race
from lepton_ai.platform.frameworks.adaptive.racing import Racing
from lepton_ai.platform.frameworks.adaptive.run import Run
from lepton_ai.platform.frameworks.adaptive.steering import Course
from lepton_ai.platform.frameworks.augmentation import Augmentation, Mirror, Strength, moved_images
from lepton_ai.platform.frameworks.backend import tf
from lepton_ai.platform.frameworks.companion import with_companion
from lepton_ai.platform.frameworks.data import Changes, HeldBack, Leaving, training_batches
from lepton_ai.platform.frameworks.intake import Rows
from lepton_ai.platform.frameworks.recipe import Plan
from lepton_ai.platform.preprocessing.signature import Task

# Below this there is nothing to choose in: just the schedule.
_FEWEST_STEPS = 200
_MOST_TRAINED = 1000


@dataclass(frozen=True)
class Order:
    """In which order rows come.

    Args:
        steps_per_pass: How many batches one pass over the rows makes.
        seed: Decides orders and changes.
        shuffle: Whether each pass has an order of its own.
    """

    steps_per_pass: int
    seed: int
    shuffle: bool


@dataclass(frozen=True)
class Prepared:
    """A fit ready to run.

    Args:
        batches: What to train on.
        director: The callback that directs it.
        run: What it decided, to be read when it is over.
        parts: The names of the parts of the recipe that are on.
        callbacks: What else takes part in Keras' loop, after the director.
    """

    batches: Any
    director: Director
    run: Run
    parts: tuple[str, ...]
    callbacks: tuple[Any, ...] = ()


def prepare(
    model: Any,
    rows: Rows,
    plan: Plan,
    order: Order,
    *,
    judged: Rows | None = None,
    augmentation: Augmentation | None = None,
    usual: float | None,
    pacing: Callable[[Run], Pacing] | None = None,
    replayed: DecisionLog | None = None,
) -> Prepared:
    """Prepare a fit on checked rows.

    Args:
        model: The model, compiled.
        rows: What to train on.
        plan: The budget.
        order: The order of the rows.
        judged: The rows to choose by; if left out, some of `rows` are held back for it.
        augmentation: What changes rows while training.
        usual: The learning rate that is usual for this optimizer and task, if anybody knows.
        pacing: Makes the clock, for a budget of wall time.
        replayed: The log of another fit, to take its decisions.
    """
    run = Run(model, plan, Pace.of_steps(plan.steps), replayed)
    measured = {"rows": len(rows), "shapes": _shapes(model), "seed": order.seed, **asdict(plan)}
    measured["batches in a pass"] = order.steps_per_pass
    why = "epochs were given" if pacing is None else "that many fit into the time"
    run.decide("budget", "steps", measured, str(plan.steps), why)
    positions = np.empty(0, np.int64)
    if judged is None and plan.steps >= _FEWEST_STEPS:
        positions = held_back(rows.y, order.seed, rows.groups)
    back = HeldBack(positions, plan.joins_from) if len(positions) else None
    leaving = Leaving(len(rows)) if back is not None and model.task is Task.CLASSIFICATION else None
    if back is not None:
        judged = rows.at(positions)
        run.decide(
            "hold back",
            "rows to choose by",
            {"rows": len(rows), "joins at step": back.joins_from},
            str(len(positions)),
            "choices need rows that were not trained on; from that step on they are",
        )
    changes = None
    if augmentation is not None:
        strength = Strength(Course().strength, plan.clean_from)
        changes = Changes(augmentation, strength, may_mirror=augmentation is moved_images)
    start_step = tf.Variable(0, dtype=tf.int64, trainable=False)
    batches = training_batches(
        rows,
        steps_per_pass=order.steps_per_pass,
        # A later fit with the same seed goes on to other orders.
        seed=order.seed * 1_000_003 + int(model.optimizer.iterations),
        shuffle=order.shuffle,
        start_step=start_step,
        changes=changes,
        held_back=back,
        leaving=leaving,
    )
    racing = checking = None
    if judged is not None and len(judged) and plan.steps >= _FEWEST_STEPS:
        racing, checking = _judged_parts(run, rows, judged, positions, changes, leaving, usual)
    director = Director(
        run,
        start_step=start_step,
        racing=racing,
        checking=checking,
        pacing=pacing(run) if pacing is not None else None,
        strength=changes.strength if changes is not None else None,
        leaving=leaving,
    )
    parts = {"rate race": racing, "augmented rows": changes, "held-back rows": back}
    on = tuple(name for name, part in parts.items() if part is not None)
    return Prepared(batches, director, run, on, with_companion(model, rows, positions, plan.joins_from, run))


def replay(
    log: DecisionLog, model: Any, rows: Rows, order: Order
) -> tuple[Plan, Callable[[Run], Pacing] | None, Order]:
    """Plan, clock and order of another fit of such a model on the same rows, by its log.

    Raises:
        InvalidInput: The log is of another kind of fit, or of one on other rows.
    """
    budget = next((each.measured for each in log.of("budget") if each.what == "steps"), None)
    if budget is None or budget["rows"] != len(rows):
        came = "the log of a stream or of plain training" if budget is None else f"that of a fit on {budget['rows']}"
        raise InvalidInput(
            f"`plan` must be the log of an adaptive fit on the same {len(rows)} rows, got {came}",
            hint="Write again = model.fit(x, y, plan=other.log).",
        )
    if budget.get("shapes", _shapes(model)) != _shapes(model):
        raise InvalidInput(
            f"`plan` must be the log of a model that turns {_shapes(model)}, got that of one that turns "
            f"{budget['shapes']}",
            hint="Take the log of a fit of the same kind of model.",
        )
    plan = Plan(budget["steps_per_epoch"], budget["epochs"], budget["steps"])
    replans = next((each.measured["replans"] for each in log.of("budget") if each.what == "pace"), None)
    pacing = None if replans is None else lambda run: ReplayedPacing(run, replans)
    return plan, pacing, Order(budget["batches in a pass"], budget["seed"], order.shuffle)


def _shapes(model: Any) -> str:
    """What a model takes and answers, in words."""
    return f"rows {tuple(model.input_shape[1:])} into answers {tuple(model.output_shape[1:])}"


def _judged_parts(
    run: Run,
    rows: Rows,
    judged: Rows,
    positions: NDArray[np.int64],
    changes: Changes | None,
    leaving: Leaving | None,
    usual: float | None,
) -> tuple[Callable[[], Racing] | None, Callable[[], Checking]]:
    """What needs rows to judge by; made when all variables exist."""
    judge = Judge(run.model, judged)
    others = np.setdiff1d(np.arange(len(rows)), positions)
    picks = others[np.linspace(0, len(others) - 1, min(len(others), len(judged), _MOST_TRAINED)).astype(int)]

    def judges(left_out: Sequence[int]) -> tuple[Judge, Judge]:
        sample = Judge(run.model, rows.at(np.setdiff1d(picks, left_out)))
        return (Judge(run.model, rows.at(np.setdiff1d(positions, left_out))) if left_out else judge), sample

    mirrored = {}
    if changes is not None and changes.may_mirror:
        mirrored = {
            Mirror.LEFT_RIGHT: Judge(run.model, Rows(judged.x[:, :, ::-1], judged.y, judged.weights)),
            Mirror.UPSIDE_DOWN: Judge(run.model, Rows(judged.x[:, ::-1], judged.y, judged.weights)),
        }
    setup = race(run.plan.steps, run.rate.users, usual)

    def checking() -> Checking:
        strength = None if changes is None else changes.strength
        answer = _naive_answer(run.model, rows)
        mirroring = Mirroring(run, judge, mirrored, right_naive=float(answer.max())) if mirrored else None
        doubting = None if leaving is None else Doubting(run, rows, positions, leaving)
        return Checking(run, judges, answer, mirroring=mirroring, doubting=doubting, strength=strength)

    return (None if setup is None else lambda: Racing(run, setup, judge)), checking


def _naive_answer(model: Any, rows: Rows) -> NDArray[np.float32]:
    """The one answer that fits all rows best: the shares of the classes, or the mean."""
    if model.task is Task.CLASSIFICATION and rows.y.ndim == 1:
        shares = np.bincount(rows.y, minlength=model.output_shape[-1]) / len(rows)
        return shares.astype(np.float32)
    return np.asarray(rows.y.reshape(len(rows), -1).mean(axis=0), np.float32)

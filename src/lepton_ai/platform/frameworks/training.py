"""One fit: Keras' own loop with an adaptive recipe around it, undone if it fails, written down when it ends."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.adaptive.budget import Pace, seconds
from lepton_ai.platform.frameworks.adaptive.director import Director
from lepton_ai.platform.frameworks.adaptive.log import Decision, DecisionLog
from lepton_ai.platform.frameworks.adaptive.pacing import Pacing, TimedPacing
from lepton_ai.platform.frameworks.adaptive.presets import free_settings, usual_rate
from lepton_ai.platform.frameworks.adaptive.run import Run
from lepton_ai.platform.frameworks.adaptive.setup import Order, prepare, replay
from lepton_ai.platform.frameworks.adaptive.timed import Timer
from lepton_ai.platform.frameworks.answering import classes_of
from lepton_ai.platform.frameworks.architectures.registry import ARCHITECTURES
from lepton_ai.platform.frameworks.augmentation import Augmentation, try_augmentation
from lepton_ai.platform.frameworks.backend import keras, tf
from lepton_ai.platform.frameworks.checkpoint import Checkpointing, Facts, expected_facts
from lepton_ai.platform.frameworks.data import evaluation_batches, training_batches
from lepton_ai.platform.frameworks.facts import TrainingFacts, fingerprint, naive_answer
from lepton_ai.platform.frameworks.fit_wishes import FitWishes
from lepton_ai.platform.frameworks.fitted_layers import learn_layers, unlearned_if_nothing_was_trained
from lepton_ai.platform.frameworks.intake import Intake, Rows
from lepton_ai.platform.frameworks.recipe import Plan
from lepton_ai.platform.frameworks.streams import batches_in, checked_stream, is_stream
from lepton_ai.platform.frameworks.table_intake import TableIntake
from lepton_ai.platform.frameworks.tables.fit import fit_table, is_table
from lepton_ai.platform.frameworks.tables.plan import table_plan
from lepton_ai.platform.preprocessing.cleaning import CleaningReport
from lepton_ai.platform.preprocessing.signature import Task

BATCH_SIZE = 32

_SAMPLE_ROWS = 100
_SHARE_OF_TREES = 0.25  # each doubling of their rounds may take as long as all before it


@dataclass(frozen=True)
class Fit(FitWishes):
    """One fit as the user wishes it."""

    def run(
        self, model: Any, keras_fit: Callable[..., Any], intake: Intake | TableIntake | None, data: dict[str, Any]
    ) -> Any:
        """Train.

        Args:
            model: The `Model` to train, compiled.
            keras_fit: Keras' own `fit` of that model.
            intake: What checks its data; None for a net whose data cannot be checked.
            data: `x`, `y`, `sample_weight` and `class_weight` as they came.

        Returns:
            Keras' `History`.
        """
        began = time.monotonic()
        if intake is None or is_stream(data["x"]):
            return self._run_stream(model, keras_fit, intake, data)
        held_out_is_given = self.validation_data is not None
        rows, held_out = intake.training(**data, validation_split=0.0 if held_out_is_given else self.validation_split)
        if held_out_is_given and not is_stream(self.validation_data):
            held_out = intake.held_out(self.validation_data)
        elif held_out_is_given:
            checked = checked_stream(self.validation_data, intake, field="validation_data")
            return replace(self, validation_data=checked)._run_rows(model, keras_fit, intake, rows, None, began)
        return self._run_rows(model, keras_fit, intake, rows, held_out, began)

    def _run_rows(
        self,
        model: Any,
        keras_fit: Callable[..., Any],
        intake: Intake | TableIntake,
        rows: Rows,
        held_out: Rows | None,
        began: float,
    ) -> Any:
        model.try_functions(rows.y, weighted=rows.weights is not None)
        model.forget()
        if not self.adaptive:
            return self._run_plain(model, keras_fit, rows, held_out)
        settled = self._settled(model, rows) if self.is_free else self
        run = settled._run_table if is_table(model) else settled._run_recipe
        with unlearned_if_nothing_was_trained(model):
            history = run(model, keras_fit, rows, held_out, began)
        if isinstance(intake, TableIntake) and intake.cleaning is not None:
            _tell_of_cleaning(model, intake.cleaning)
        return history

    def _settled(self, model: Any, rows: Rows) -> "Fit":
        """This fit with what the user left to us: batch size, epochs, and the rate of an optimizer that is ours."""
        settings = free_settings(model.architecture, len(rows))
        if int(model.optimizer.iterations) == 0:
            model.optimizer.learning_rate = settings.rate
        is_open = self.epochs is None and self.budget is None and self.plan is None
        epochs = settings.epochs if is_open else self.epochs
        batch_size = settings.batch_size if self.batch_size is None and not self.steps_per_epoch else self.batch_size
        return replace(self, epochs=epochs, batch_size=batch_size)

    def _run_table(
        self, model: Any, keras_fit: Callable[..., Any], rows: Rows, held_out: Rows | None, began: float
    ) -> Any:
        """Trees and a line beside the net, which alone has epochs; trees take about a quarter of a budget of time."""
        learn_layers(model, rows)
        before: list[Decision] = []
        after: list[Decision] = []
        taken = before

        def train_net(weighted: Rows, watching: Sequence[Any]) -> Any:
            nonlocal taken
            taken = after
            return self._run_recipe(model, keras_fit, weighted, held_out, began, watching)

        trees_end = math.inf if self.budget is None else began + _SHARE_OF_TREES * seconds(self.budget)
        history, rule = fit_table(
            model,
            rows,
            table_plan(len(rows), model.output_shape[-1]),
            seed=_seed(model),
            train_net=train_net,
            decided=lambda decision: taken.append(decision),
            may_go_on=lambda: time.monotonic() < trees_end,
        )
        facts = model.training_facts
        log = DecisionLog((*before, *facts.log, *after))
        model.remember(replace(facts, log=log, recipe=(*facts.recipe, "blend")), model.sample_rows, rule)
        return history

    def _run_recipe(
        self,
        model: Any,
        keras_fit: Callable[..., Any],
        rows: Rows,
        held_out: Rows | None,
        began: float,
        watching: Sequence[Any] = (),
    ) -> Any:
        scaled = learn_layers(model, rows)
        validation = self.validation_data
        if held_out is not None:
            validation = evaluation_batches(held_out, batch_size=self.validation_batch_size or self._size(rows))
        order = Order(
            self._steps_per_pass(rows), _seed(model), isinstance(self.shuffle, bool | np.bool_) and bool(self.shuffle)
        )
        if self.plan is None:
            plan, pacing = self._plan(model, keras_fit, rows, order, validation, held_out, began)
        else:
            plan, pacing, order = replay(self.plan, model, rows, order)
        augmentation = _augmentation(model) if self.augmentation == "auto" else self.augmentation
        if augmentation is not None and augmentation is self.augmentation:
            try_augmentation(augmentation, rows.x)
        prepared = prepare(
            model,
            rows,
            plan,
            order,
            # Our own rate suits a table, and its nets have rows that each has not seen: none need be held back.
            judged=rows.at(slice(0)) if self.is_free and is_table(model) else self._judged(held_out),
            augmentation=augmentation,
            usual=float(model.optimizer.learning_rate) if self.is_free else usual_rate(model.optimizer),
            pacing=pacing,
            replayed=self.plan,
        )
        history = _guarded(
            keras_fit,
            prepared.director,
            x=prepared.batches,
            shuffle=False,
            steps_per_epoch=plan.steps_per_epoch,
            validation_data=validation,
            **self._common([prepared.director, *prepared.callbacks, *watching], plan.epochs),
        )
        parts = (*(("standardized inputs",) if scaled else ()), *prepared.director.parts, *prepared.parts)
        self._remember(model, history, rows, parts, order.seed, prepared.run)
        return history

    def _plan(
        self,
        model: Any,
        keras_fit: Callable[..., Any],
        rows: Rows,
        order: Order,
        validation: Any,
        held_out: Rows | None,
        began: float,
    ) -> tuple[Plan, Callable[[Run], Pacing] | None]:
        kept = expected_facts(self.callbacks, Director.name)
        if kept is not None:  # an interrupted fit goes on by the plan that it began with
            return Plan(*kept["plan"]), _pacing_again(kept["pacing"])
        steps_per_epoch = self.steps_per_epoch or order.steps_per_pass
        if self.budget is None:
            return Plan(steps_per_epoch, 1 if self.epochs is None else self.epochs), None
        budget_s = seconds(self.budget)
        start_step = tf.Variable(0, dtype=tf.int64, trainable=False)
        return Timer(time.monotonic, began + budget_s, budget_s).plan(
            model,
            keras_fit,
            training_batches(rows, steps_per_pass=order.steps_per_pass, seed=0, shuffle=False, start_step=start_step),
            steps_per_epoch=steps_per_epoch,
            most_epochs=self.epochs,
            rows_per_step=len(rows) / order.steps_per_pass,
            validation=None if held_out is None else validation,
            validation_rows=0 if held_out is None else len(held_out),
        )

    def _judged(self, held_out: Rows | None) -> Rows | None:
        if not self.select_on_validation:
            return None
        if held_out is None:
            raise InvalidInput(
                "`select_on_validation` needs validation data as arrays, got none",
                hint="Pass validation_data=(x, y) or validation_split.",
            )
        return held_out

    def _run_plain(self, model: Any, keras_fit: Callable[..., Any], rows: Rows, held_out: Rows | None) -> Any:
        history = keras_fit(
            x=rows.x,
            y=rows.y,
            sample_weight=rows.weights,
            batch_size=self.batch_size,
            shuffle=self.shuffle,
            steps_per_epoch=self.steps_per_epoch,
            validation_data=self.validation_data if held_out is None else held_out.as_tuple(),
            **self._common([], self._epochs),
        )
        self._remember(model, history, rows, (), None, None)
        return history

    def _run_stream(
        self, model: Any, keras_fit: Callable[..., Any], intake: Intake | TableIntake | None, data: dict[str, Any]
    ) -> Any:
        """What cannot be checked goes to Keras as it is; rate, average and guard come along if steps can be counted."""
        name = next(
            (name for name in ("budget", "plan", "select_on_validation") if getattr(self, name) not in (None, False)),
            None,
        )
        if name is not None:
            raise InvalidInput(
                f"`{name}` needs rows as arrays, got {type(data['x']).__name__}", hint="Pass NumPy arrays and epochs."
            )
        data["x"] = checked_stream(data["x"], intake)
        validation = self.validation_data
        if intake is not None and validation is not None and not is_stream(validation):
            validation = intake.held_out(validation).as_tuple()
        elif is_stream(validation):
            validation = checked_stream(validation, intake, field="validation_data")
        steps = self.steps_per_epoch or batches_in(data["x"])
        directors = []
        if self.adaptive and steps and self._epochs:
            plan = Plan(steps, self._epochs)
            directors = [Director(Run(model, plan, Pace.of_steps(plan.steps)))]
        model.forget()
        history = _guarded(
            keras_fit,
            *directors,
            **data,
            batch_size=self.batch_size,
            shuffle=self.shuffle,
            steps_per_epoch=self.steps_per_epoch,
            validation_split=self.validation_split,
            validation_data=validation,
            **self._common(directors, self._epochs),
        )
        parts = directors[0].parts if directors else ()
        self._remember(model, history, None, parts, None, directors[0].run if directors else None)
        return history

    @property
    def _epochs(self) -> int:
        return 1 if self.epochs is None else self.epochs

    def _size(self, rows: Rows) -> int:
        if self.batch_size is not None:
            return self.batch_size
        return math.ceil(len(rows) / self.steps_per_epoch) if self.steps_per_epoch else BATCH_SIZE

    def _steps_per_pass(self, rows: Rows) -> int:
        return math.ceil(len(rows) / self._size(rows))

    def _common(self, ours: list[Any], epochs: int) -> dict[str, Any]:
        """What Keras gets in every case. Our callbacks come first, so that the user's see what we put in place."""
        users = self.callbacks
        if isinstance(users, keras.callbacks.CallbackList):
            users = users.callbacks
        theirs = keras.tree.flatten(users if users is not None else [])
        for callback in theirs:
            if isinstance(callback, Checkpointing):
                callback.attach(ours)
                for director in ours:
                    director.checkpointing = callback
        return {
            "callbacks": [*ours, *theirs],
            "epochs": epochs,
            "initial_epoch": self.initial_epoch,
            "verbose": self.verbose,
            "validation_steps": self.validation_steps,
            "validation_batch_size": self.validation_batch_size,
            "validation_freq": self.validation_freq,
        }

    def _remember(
        self,
        model: Any,
        history: Any,
        rows: Rows | None,
        recipe: tuple[str, ...],
        seed: int | None,
        run: Run | None,
    ) -> None:
        steps = self.steps_per_epoch or (self._steps_per_pass(rows) if rows is not None else None)
        steps = None if steps is None else steps * len(history.epoch)
        facts = TrainingFacts(
            rows=None if rows is None else len(rows),
            x_shape=None if rows is None else rows.x.shape[1:],
            y_shape=None if rows is None else rows.y.shape[1:],
            fingerprint=None if rows is None else fingerprint(rows.x, rows.y),
            epochs=len(history.epoch),
            steps=steps if run is None else run.steps_taken,
            batch_size=self.batch_size if rows is None else self._size(rows),
            recipe=recipe,
            seed=seed,
            logs={name: float(values[-1]) for name, values in history.history.items() if values},
            log=DecisionLog() if run is None else run.log,
            naive=None if rows is None else _naive(model, rows),
        )
        if rows is None:
            model.remember(facts, None)
            return
        # Spread over the rows, which may come sorted by class; a copy, so that the training set can be freed.
        picks = np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLE_ROWS)).astype(int)
        model.remember(facts, rows.x[picks])


def _naive(model: Any, rows: Rows) -> tuple[float, ...]:
    return naive_answer(rows.y, classes_of(model))


def _pacing_again(kept: Facts | None) -> Callable[[Run], Pacing] | None:
    """The clock of an interrupted fit: it has the time that was left."""
    if kept is None:
        return None
    ends_at = time.monotonic() + kept["seconds_left"]
    return lambda run: TimedPacing(run, time.monotonic, ends_at=ends_at, reserve_s=kept["reserve_s"])


def _tell_of_cleaning(model: Any, report: CleaningReport) -> None:
    """Write what became of the rows at the head of the log."""
    first, *more = str(report).splitlines()
    decision = Decision("clean", "rows to train on", report.to_json(), first, "; ".join(more) or "nothing was wrong")
    facts = model.training_facts
    model.remember(replace(facts, log=DecisionLog((decision, *facts.log))), model.sample_rows, model.answer_rule)


def _guarded(keras_fit: Callable[..., Any], *directors: Director, **arguments: Any) -> Any:
    """Run Keras' loop; whatever ends it, the rate is the user's again and no weights are left swapped."""
    try:
        return keras_fit(**arguments)
    finally:
        for director in directors:
            director.undo()


def _augmentation(model: Any) -> Augmentation | None:
    architecture = ARCHITECTURES.get(model.architecture or "")
    return architecture.augmentation if architecture is not None and model.task is Task.CLASSIFICATION else None


def _seed(model: Any) -> int:
    """What decides order and changes: the model's seed, or one from NumPy's generator, which Keras also seeds."""
    return model.seed if model.seed is not None else int(np.random.randint(2**31 - 1))

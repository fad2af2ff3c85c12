"""The model's door for data: whatever is passed to fit, evaluate or predict leaves it checked and in one form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.checks import (
    check_class_labels,
    check_class_weights,
    check_one_label_form,
    check_row_weights,
    check_rows,
    check_same_length,
    check_targets,
    check_validation_split,
)
from lepton_ai.platform.frameworks.compiling import metric_need
from lepton_ai.platform.frameworks.losses import LabelNeed, label_need, loss_name


@dataclass(frozen=True)
class Rows:
    """Checked data.

    Args:
        x: The rows, `(batch, *row_shape)`.
        y: Their labels or targets.
        weights: A weight per row, if there are any, `(batch,)`.
        groups: A number for each row, if rows of one group must not be torn apart, `(batch,)`.
    """

    x: NDArray[np.float32]
    y: NDArray[Any]
    weights: NDArray[np.float32] | None = None
    groups: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.x)

    def as_tuple(self) -> tuple[Any, Any, Any]:
        """`(x, y, sample_weight)`, as Keras takes them."""
        return self.x, self.y, self.weights

    def split(self, at: int) -> tuple["Rows", "Rows"]:
        """The rows before `at`, and those from there on."""
        return self.at(slice(None, at)), self.at(slice(at, None))

    def at(self, positions: Any) -> "Rows":
        """The rows at some positions."""
        weights = None if self.weights is None else self.weights[positions]
        groups = None if self.groups is None else self.groups[positions]
        return Rows(self.x[positions], self.y[positions], weights, groups)


class Intake:
    """Checks data for one compiled model.

    Args:
        row_shape: The shape of one row.
        width: How many numbers the model answers for a row; the number of classes for a classifier.
        classifies: True for a classifier, False for a regression, None where only the user's loss knows.
        loss: The compiled loss, None before compilation.
        metrics: The compiled metrics.
    """

    def __init__(
        self,
        row_shape: tuple[int, ...],
        width: int,
        classifies: bool | None,
        loss: Any,
        metrics: Sequence[Any] = (),
    ) -> None:
        self._row_shape = row_shape
        self._width = width
        self._classifies = classifies
        self._loss = loss
        self._metrics = metrics
        need = label_need(loss)
        # Where a loss takes either form, the first labels decide, and later ones are brought to that form: metrics are
        # built for it once, and Keras fails inside its graph if the number of axes changes between calls.
        self._one_hot = None if need is LabelNeed.EITHER else need is LabelNeed.ONE_HOT

    def rows(self, values: Any, *, field: str = "x") -> NDArray[np.float32]:
        """Rows without labels."""
        if values is None:
            raise InvalidInput(f"`{field}` is missing", hint=f"Pass the rows as `{field}`.")
        # Keras also takes the rows of a single input as [x] or {"inputs": x}.
        if isinstance(values, Mapping) and len(values) == 1:
            values = next(iter(values.values()))
        elif (
            isinstance(values, list)
            and len(values) == 1
            and getattr(values[0], "ndim", None) == len(self._row_shape) + 1
        ):
            values = values[0]
        return check_rows(values, self._row_shape, field=field)

    def labelled(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: Any = None,
        *,
        fields: tuple[str, str, str] = ("x", "y", "sample_weight"),
    ) -> Rows:
        """Rows with labels, and weights if there are any.

        Raises:
            InvalidInput: Whatever is wrong with them, by the name of the argument.
        """
        rows = self.rows(x, field=fields[0])
        labels = self._labels(y, fields[1])
        check_same_length(rows, labels, rows_field=fields[0], field=fields[1])
        if class_weight is not None and sample_weight is not None:
            raise InvalidInput(
                "`sample_weight` and `class_weight` cannot be combined, got both",
                hint="Multiply the class weights into sample_weight.",
            )
        weights = None
        if class_weight is not None:
            if self._classifies is False:
                raise InvalidInput(
                    "`class_weight` is for classes, got it for a regression",
                    hint="Give each row a weight: sample_weight.",
                )
            weights = check_class_weights(class_weight, labels, max(self._width, 2))
        elif sample_weight is not None:
            weights = check_row_weights(sample_weight, field=fields[2])
            check_same_length(rows, weights, rows_field=fields[0], field=fields[2])
        return Rows(rows, labels, weights)

    def held_out(self, validation_data: Any) -> Rows:
        """The rows of `validation_data`: `(x, y)` or `(x, y, sample_weight)`."""
        if not isinstance(validation_data, tuple | list) or len(validation_data) not in (2, 3):
            came = type(validation_data).__name__
            if isinstance(validation_data, tuple | list):
                came += f" of {len(validation_data)}"
            raise InvalidInput(
                f"`validation_data` must be (x, y) or (x, y, sample_weight), got {came}",
                hint="Write validation_data=(x_test, y_test).",
            )
        fields = ("validation_data[0]", "validation_data[1]", "validation_data[2]")
        return self.labelled(*validation_data, fields=fields)

    def training(
        self, x: Any, y: Any, sample_weight: Any, class_weight: Any, validation_split: float
    ) -> tuple[Rows, Rows | None]:
        """Rows to train on, and the last `validation_split` of them held out. Class weights count in training only."""
        rows = self.labelled(x, y, sample_weight, class_weight)
        if not validation_split:
            check_validation_split(validation_split, len(rows))
            return rows, None
        kept, held_out = rows.split(check_validation_split(validation_split, len(rows)))
        return kept, Rows(held_out.x, held_out.y) if class_weight is not None else held_out

    def _labels(self, values: Any, field: str) -> NDArray[Any]:
        if not self._classifies:
            return check_targets(values, self._width, strict=self._classifies is False, field=field)
        labels = check_class_labels(values, self._width, field=field)
        if self._one_hot is None:
            self._one_hot = labels.ndim == 2
        if self._one_hot and labels.ndim == 1 and label_need(self._loss) is LabelNeed.ONE_HOT:
            raise InvalidInput(
                f"`{field}` must be one-hot rows (batch, {self._width}) for loss {loss_name(self._loss)!r}, "
                f"got class numbers of shape {labels.shape}",
                hint="Use loss='sparse_categorical_crossentropy', or keras.utils.to_categorical(y).",
            )
        self._check_metrics(labels, field)
        return check_one_label_form(labels, one_hot=self._one_hot, num_classes=self._width, field=field)

    def _check_metrics(self, labels: NDArray[Any], field: str) -> None:
        """Refuse a metric that would compare class numbers with probabilities, or one-hot rows with class numbers."""
        wrong = LabelNeed.NUMBERS if self._one_hot else LabelNeed.ONE_HOT
        metric = next((each for each in self._metrics if metric_need(each) is wrong), None)
        if metric is None:
            return
        wanted, reach = ("class numbers", "one-hot rows") if self._one_hot else ("one-hot rows", "class numbers")
        raise InvalidInput(
            f"the metric {loss_name(metric)!r} compares {wanted}, got `{field}` {labels.shape}, "
            f"which reaches loss {loss_name(self._loss)!r} as {reach}",
            hint="Use metrics=['accuracy'], which takes both; or keras.utils.to_categorical(y) with "
            "loss='categorical_crossentropy' for metrics of one number per class.",
        )

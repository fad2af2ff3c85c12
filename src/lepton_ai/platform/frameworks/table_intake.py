"""The door for tables: frames leave it checked, cleaned and as numbers, by a transform learned from training rows."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import Conflict, InvalidInput
from lepton_ai.platform.frameworks.checks import check_row_weights, check_same_length, check_validation_split
from lepton_ai.platform.frameworks.intake import Intake, Rows
from lepton_ai.platform.preprocessing.cleaning import CleaningReport, clean, repair
from lepton_ai.platform.preprocessing.column import listed
from lepton_ai.platform.preprocessing.columns import Columns, is_missing
from lepton_ai.platform.preprocessing.copies import codes_of
from lepton_ai.platform.preprocessing.preprocessing import Preprocessing, learn_preprocessing
from lepton_ai.platform.preprocessing.readers import read_table, to_columns
from lepton_ai.platform.preprocessing.schema import Role, Schema


class TableIntake:
    """Checks tables for one compiled model of a schema.

    Rows come as whatever `read_table` takes, with the target among the columns or beside them as `y`.

    Args:
        schema: What the tables must fit.
        preprocessing: What an earlier fit learned; None before the first.
        learned: Called with what the first fit learned.
        numbers: Checks the numbers that tables become.
    """

    def __init__(
        self,
        schema: Schema,
        preprocessing: Preprocessing | None,
        learned: Callable[[Preprocessing], None],
        numbers: Intake,
    ) -> None:
        self._numbers = numbers
        self._schema = schema
        self._preprocessing = preprocessing
        self._learned = learned
        self.cleaning: CleaningReport | None = None
        """What was wrong with the rows of the last `training`."""

    def rows(self, values: Any, *, field: str = "x") -> NDArray[np.float32]:
        """Rows without labels."""
        if values is None:
            raise InvalidInput(f"`{field}` is missing", hint=f"Pass the table as `{field}`.")
        return self._fitted.apply(repair(self._schema, to_columns(self._schema, values)))

    def labelled(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: Any = None,
        *,
        fields: tuple[str, str, str] = ("x", "y", "sample_weight"),
    ) -> Rows:
        """Rows with labels; all are kept, so that what is answered can be laid beside them."""
        columns = repair(self._schema, self._columns(x, y, fields))
        return self._encoded(columns, _weights(sample_weight, columns, fields), class_weight, fields)

    def described(self, x: Any, y: Any) -> tuple[Rows, Columns]:
        """Rows with labels, and the columns that they were made from."""
        fields = ("x", "y", "sample_weight")
        columns = repair(self._schema, self._columns(x, y, fields))
        return self._encoded(columns, None, None, fields), columns

    def held_out(self, validation_data: Any) -> Rows:
        """The rows of `validation_data`: a table with its target, or `(x, y)`, or `(x, y, sample_weight)`."""
        if not isinstance(validation_data, tuple):
            return self.labelled(validation_data, None, fields=("validation_data", "validation_data", ""))
        if len(validation_data) not in (2, 3):
            raise InvalidInput(
                f"`validation_data` must be a table, (x, y) or (x, y, sample_weight), got {len(validation_data)} parts"
            )
        return self.labelled(
            *validation_data, fields=("validation_data[0]", "validation_data[1]", "validation_data[2]")
        )

    def training(
        self, x: Any, y: Any, sample_weight: Any, class_weight: Any, validation_split: float
    ) -> tuple[Rows, Rows | None]:
        """Cleaned rows to train on, and the last `validation_split` of them held out.

        At the first fit the transform is learned, from the rows to train on alone.
        """
        fields = ("x", "y", "sample_weight")
        columns = self._columns(x, y, fields)
        weights = _weights(sample_weight, columns, fields)
        columns, report = clean(self._schema, columns)
        self.cleaning = report
        weights = None if weights is None else weights[report.kept]
        kept = check_validation_split(validation_split, len(report.kept))
        before = self._preprocessing
        if before is None:
            first = {name: values[:kept] for name, values in columns.items()}
            self._preprocessing = learn_preprocessing(self._schema, first)
        try:
            rows = replace(self._encoded(columns, weights, class_weight, fields), groups=self._groups(columns))
        except InvalidInput:
            self._preprocessing = before  # what is refused leaves nothing behind
            raise
        if before is None:
            self._learned(self._fitted)
        if not validation_split:
            return rows, None
        training, held_out = rows.split(kept)
        return training, Rows(held_out.x, held_out.y) if class_weight is not None else held_out

    @property
    def _fitted(self) -> Preprocessing:
        if self._preprocessing is None:
            raise Conflict(
                "the model must be fitted before it can read a table, got one that was not", hint="Call fit first."
            )
        return self._preprocessing

    def _columns(self, x: Any, y: Any, fields: tuple[str, str, str]) -> Columns:
        if x is None:
            raise InvalidInput(f"`{fields[0]}` is missing", hint=f"Pass the table as `{fields[0]}`.")
        target = self._schema.target
        if target is None:
            raise InvalidInput(
                "the schema must have a target, got none", hint='Write schema.with_roles("income", "target").'
            )
        frame = read_table(x)
        columns = dict(to_columns(self._schema, frame))
        if y is not None:
            answers = to_columns(Schema((target,)), {target.name: y})[target.name]
            check_same_length(answers, np.empty(frame.height), rows_field=fields[1], field=fields[0])
            columns[target.name] = answers
        if target.name not in columns:
            raise InvalidInput(
                f"the table must have the target {target.name!r}, got columns {listed(frame.columns)}",
                hint="Pass it as a column, or its values as `y`.",
            )
        return columns

    def _encoded(
        self, columns: Columns, weights: NDArray[np.float32] | None, class_weight: Any, fields: tuple[str, str, str]
    ) -> Rows:
        numbers, answers = self._fitted.apply(columns), self._fitted.encode_target(columns)
        return self._numbers.labelled(numbers, answers, weights, self._by_number(class_weight), fields=fields)

    def _groups(self, columns: Columns) -> NDArray[np.int64] | None:
        """The group of each row; a row whose group is not known is one of its own."""
        name = next((column.name for column in self._schema.columns if Role.GROUP in column.roles), None)
        if name is None or name not in columns:
            return None
        groups = codes_of(columns[name])
        unknown = np.flatnonzero(is_missing(columns[name]))
        groups[unknown] = len(groups) + unknown
        return groups

    def _by_number(self, class_weight: Any) -> Any:
        """Class weights by label, as people write them, by class number."""
        labels = self._fitted.labels
        if not isinstance(class_weight, Mapping) or labels is None:
            return class_weight
        numbers = {label: number for number, label in enumerate(labels)}
        if unknown := [label for label in class_weight if label not in numbers]:
            raise InvalidInput(
                f"`class_weight` must have labels among {', '.join(map(repr, labels[:20]))}, got {unknown[0]!r}",
                hint=f"Write class_weight={{{labels[-1]!r}: 5.0}}.",
            )
        return {numbers[label]: weight for label, weight in class_weight.items()}


def _weights(values: Any, columns: Columns, fields: tuple[str, str, str]) -> NDArray[np.float32] | None:
    if values is None:
        return None
    weights = check_row_weights(values, field=fields[2])
    check_same_length(next(iter(columns.values())), weights, rows_field=fields[0], field=fields[2])
    return weights

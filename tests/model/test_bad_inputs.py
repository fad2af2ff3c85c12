"""Bad inputs, door by door: each ends in one clear error or in a handling that the docs state, none inside Keras.

Every line is one input: what it is in words, the call, and what is said. `d` holds the doors. Further cases of arrays,
in every form and order, are in `test_model_data.py`.
"""

import datetime
import decimal
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import tensorflow as tf

from conftest import blobs
from lepton_ai.core.errors import Conflict, InvalidInput, LeptonError, NotFound, NotSupported
from lepton_ai.platform.frameworks.architectures.registry import ARCHITECTURES, register_architecture
from lepton_ai.platform.frameworks.forecasting.forecaster import Forecaster
from lepton_ai.platform.frameworks.keras_errors import keras_errors
from lepton_ai.platform.frameworks.recommendation.recommender import Recommender
from lepton_ai.platform.preprocessing.cleaning import clean
from lepton_ai.platform.preprocessing.readers import to_columns
from lepton_ai.platform.preprocessing.schema import Schema
from lepton_ai.platform.preprocessing.transform import Transform

Case = tuple[str, Callable[[Any], Any], str] | tuple[str, Callable[[Any], Any], str, type[LeptonError]]

X, Y = blobs(40)
ROWS = 40
AMOUNTS = [round(0.5 + 1.37 * row % 9, 3) for row in range(ROWS)]
CLASSES = ["no", "yes"] * (ROWS // 2)
FRAME = {"a": AMOUNTS, "b": ["x", "y", "z", "x"] * 10, "y": CLASSES}
FEATURES = {"a": AMOUNTS, "b": FRAME["b"]}
DAYS = pd.date_range("2024", periods=60)
VALUES = np.arange(60.0) + np.sin(np.arange(60))
TAKEN = {"user": ["a", "a", "b", "b", "c"], "item": ["x", "y", "x", "y", "x"]}
RATED = {**TAKEN, "rating": [1.0, 2.0, 3.0, 4.0, 5.0]}
OPTIMIZER = keras.optimizers.Adam


class WantsGradient:
    """Like a tensor of torch that is part of a graph."""

    shape, ndim = (ROWS, 4), 2

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


class Doors(SimpleNamespace):
    """What the calls below come in by."""

    def fit(self, **arguments: Any) -> Any:
        """Fit the one compiled net that most cases share."""
        return self.net.fit(**{"x": X, "y": Y, "epochs": 1, "verbose": 0, **arguments}).history

    def compiled(self, *arguments: Any, **named: Any) -> Any:
        """Compile a new net, and fit it."""
        net = _net(self.Model)
        net.compile(*arguments, **named)
        return net.fit(X, Y, verbose=0).history

    def built(self, features: Any, **named: Any) -> Any:
        """Register an architecture, and build a model of it."""
        try:
            register_architecture("odd", features, **{"axes": ("columns",), **named})
            return self.Model((4,), 3, architecture="odd")
        finally:
            ARCHITECTURES.pop("odd", None)

    def schema_model(self) -> Any:
        """A new model of `FRAME`."""
        return self.Model(schema=Schema.infer(FRAME, "y"), seed=0)

    def schema_fit(self, x: Any = FRAME, *arguments: Any, **named: Any) -> Any:
        """Fit a new model of `FRAME`."""
        return self.schema_model().fit(x, *arguments, **{"epochs": 1, "verbose": 0, **named}).history

    def read(self, content: str | bytes, name: str = "table.csv") -> Schema:
        """The schema of a file."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Schema.infer(path, "y")


def _net(model_class: Any) -> Any:
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(3, activation="softmax")(inputs)
    return model_class(inputs=inputs, outputs=outputs, task="classification", seed=1)


@pytest.fixture(scope="module")
def d(model_class: Any, tmp_path_factory: pytest.TempPathFactory) -> Doors:
    doors = Doors(Model=model_class, folder=tmp_path_factory.mktemp("files"), net=_net(model_class))
    doors.net.compile("adam", metrics=["accuracy"])
    doors.table = doors.schema_model()
    doors.table.fit(FRAME, epochs=1, verbose=0)
    doors.forecaster = Forecaster(3, families=("linear",)).fit(VALUES)
    doors.by_day = Forecaster(3, time="t", target="v", families=("linear",)).fit({"t": DAYS, "v": VALUES})
    doors.recommender = Recommender().fit(TAKEN)
    doors.rater = Recommender().fit(RATED)
    return doors


def prepared(table: Any) -> tuple[Schema, Any, Any]:
    """The schema of a table with the target `y`, and the rows and labels that a model would see."""
    schema = Schema.infer(table, "y")
    columns, report = clean(schema, to_columns(schema, table))
    transform = Transform.fit(schema, columns)
    x, y = transform.apply(columns), transform.encode_target(columns)
    assert len(report.kept) == len(x) == len(y)
    return schema, x, y


def forecast(data: Any, horizon: Any = 3, **named: Any) -> Any:
    return Forecaster(horizon, **{"families": ("linear",), **named}).fit(data).predict().mean


def recommended(data: Any, **named: Any) -> Recommender:
    return Recommender(**named).fit(data)


def left_out(table: Any) -> tuple[int, int]:
    """How many rows have no target, and how many are kept."""
    schema = Schema.infer(table, "y")
    report = clean(schema, to_columns(schema, table))[1]
    return report.without_target, len(report.kept)


def asked_for(d: Any, column: list[Any]) -> Any:
    """What a model answers that must use a column which says nothing."""
    table = {"a": AMOUNTS, "c": column, "y": CLASSES}
    schema = Schema.infer(table, "y").with_column("c", kind="number", categories=None, roles=("feature",))
    model = d.Model(schema=schema, seed=0)
    model.fit(table, epochs=1, verbose=0)
    return model.predict({"a": AMOUNTS[:2], "c": column[:2]}, verbose=0)


def is_finite(answers: Any, shape: tuple[int, ...]) -> bool:
    return answers.shape == shape and bool(np.isfinite(answers).all())


def is_sure_of_two(answers: Any) -> bool:
    """Whether these are probabilities of two classes for two rows."""
    return is_finite(answers, (2, 2)) and np.allclose(answers.sum(axis=1), 1, atol=1e-5)


def is_schema_of_two(schema: Schema) -> bool:
    """Whether these are numbers `a`, and the classes no and yes of `y`."""
    return [(each.name, each.kind.value, each.categories) for each in schema.columns] == [
        ("a", "number", None),
        ("y", "category", ("no", "yes")),
    ]


def without_gradient(labels: Any, answers: Any) -> Any:
    return keras.ops.sum(keras.ops.cast(labels, "float32"), axis=-1)


def falls_over(*_: Any) -> Any:
    raise ValueError("my own words")


def never_finite(labels: Any, answers: Any) -> Any:
    return keras.ops.mean(answers, axis=-1) * float("nan")


def with_value(array: np.ndarray, position: Any, value: float) -> np.ndarray:
    copy = np.array(array, dtype="float64")
    copy[position] = value
    return copy


def stream(*batches: Any) -> Iterator[Any]:
    yield from batches


def pairs(x: Any, y: Any) -> Any:
    return tf.data.Dataset.from_tensor_slices((x, y))


def shifted_labels(schema: Schema) -> Schema:
    return schema.with_roles("y", "target", "feature")


MODELS: list[Case] = [
    ("an axis of size zero", lambda d: d.Model((28, 0, 1), 3), "each 1 or more, got input_shape=(28, 0, 1)"),
    ("images of 300 pixels", lambda d: d.Model((300, 300, 3), 3), "8 to 224 pixels high and wide, got input_shape"),
    ("images of 5 channels", lambda d: d.Model((28, 28, 5), 3), "must have 1 to 4 channels, the channel axis last"),
    ("the shape of all rows", lambda d: d.Model((9, 28, 28, 1), 3), "not fit architecture='auto', got input_shape"),
    ("an unknown batch axis", lambda d: d.Model((None, 4), 3), "must be the sizes of one row, each 1 or more"),
    ("a row of a million million numbers", lambda d: d.Model((10**12,), 3), "at most 1000000 numbers in a row, got"),
    ("the rows for their shape", lambda d: d.Model(X, 3), "must be the sizes of one row, each 1 or more, got"),
    ("one class", lambda d: d.Model((4,), 1), "from 2 to 100000, got num_classes=1"),
    ("a thousand million classes", lambda d: d.Model((4,), 10**9), "from 2 to 100000, got num_classes=1000000000"),
    ("names for the number of classes", lambda d: d.Model((4,), ["a", "b"]), "got num_classes=['a', 'b']"),
    ("a misspelt architecture", lambda d: d.Model((4,), 3, architecture="tabel"), "got architecture='tabel'"),
    ("a list of architectures", lambda d: d.Model((4,), 3, architecture=["table"]), "got architecture=['table']"),
    ("the architecture of other rows", lambda d: d.Model((4,), 3, architecture="image"), "does not fit architecture="),
    ("a negative seed", lambda d: d.Model((4,), 3, seed=-1), "`seed` must be a whole number from 0 to 2147483647, got"),
    ("a name with a slash", lambda d: d.Model((4,), 3, name="a/b"), "must be a text without '/', got name='a/b'"),
    ("an argument that is not known", lambda d: d.Model((4,), layers=3), "unexpected keyword argument 'layers'"),
    ("a frame for a schema", lambda d: d.Model(schema=pd.DataFrame(FRAME)), "must be a Schema, got DataFrame"),
    ("a schema without target", lambda d: d.Model(schema=Schema.infer(FRAME)), "`schema` must have a target, got none"),
    ("a schema and a shape", lambda d: d.Model((2,), schema=Schema.infer(FRAME, "y")), "beside it"),
    ("nothing but an id", lambda d: d.Model(schema=Schema.infer({"i": range(ROWS), "y": CLASSES}, "y")), "got none"),
    ("inputs without outputs", lambda d: d.Model(inputs=keras.Input((4,))), "a model of `inputs` and `outputs`, got"),
    ("arrays for inputs", lambda d: d.Model(inputs=X, outputs=X), "Keras must be able to build a model of `inputs`"),
    (
        "outputs of other inputs",
        lambda d: d.Model(inputs=keras.Input((4,)), outputs=keras.Input((4,))),
        "not connected",
    ),
]

ARCHITECTURE: list[Case] = [
    ("no function", lambda d: d.built(3), "`features` must be a function of the rows, got int"),
    ("a text for axes", lambda d: d.built(lambda x: x, axes="columns"), "must name the axes of a row"),
    ("a number for axes", lambda d: d.built(lambda x: x, axes=2), "`axes` must name the axes of a row, without the"),
    ("no function for accepts", lambda d: d.built(lambda x: x, accepts=3), "`accepts` must be a function of the shape"),
    ("accepts that falls over", lambda d: d.built(lambda x: x, accepts=falls_over), "got ValueError: my own words"),
    ("a name that is taken", lambda d: register_architecture("image", falls_over, axes=("a",)), "got name='image'"),
    ("a body that falls over", lambda d: d.built(falls_over), "of architecture 'odd' must turn rows (None, 4)"),
    ("a body of wrong layers", lambda d: d.built(lambda x: keras.layers.Conv2D(3, 3)(x)), "got ValueError: Input 0"),
    ("a body without arguments", lambda d: d.built(lambda: 1), "got TypeError"),
    ("a body that returns nothing", lambda d: d.built(lambda x: None), "must return a Keras tensor (batch, features)"),
    ("a body of no width", lambda d: d.built(lambda x: x[:, :0]), "got KerasTensor of shape (None, 0)"),
    ("a body of other rows", lambda d: d.built(lambda x: keras.Input((5,))), "must build a net from its rows, got"),
]

COMPILED: list[Case] = [
    ("the class of an optimizer", lambda d: d.compiled(OPTIMIZER), "must be an optimizer, got the class Adam"),
    ("a misspelt optimizer", lambda d: d.compiled("adamm"), "got 'adamm'; did you mean 'adam'"),
    ("no optimizer", lambda d: d.compiled(None), "must be an optimizer or the name of one, got NoneType"),
    ("a negative learning rate", lambda d: d.compiled(OPTIMIZER(-1.0)), "learning rate of `optimizer` must be 0 or"),
    ("a learning rate of NaN", lambda d: d.compiled(OPTIMIZER(math.nan)), "must be 0 or more, got nan"),
    ("a misspelt loss", lambda d: d.compiled("adam", "sparse_crossentropy"), "did you mean 'binary_crossentropy' or"),
    ("a number for a loss", lambda d: d.compiled("adam", 3), "must be a name, a function or a Loss, got int"),
    ("a loss that raises", lambda d: d.compiled("adam", falls_over), "loss 'falls_over' must make one number per row"),
    ("a loss without arguments", lambda d: d.compiled("adam", lambda: 0.0), "takes 0 positional arguments but 2 were"),
    ("a loss that returns text", lambda d: d.compiled("adam", lambda t, p: "low"), "Non-tensor received: low"),
    ("a loss that returns nothing", lambda d: d.compiled("adam", lambda t, p: None), "one for all, got NoneType"),
    ("a loss of 7 numbers", lambda d: d.compiled("adam", lambda t, p: keras.ops.ones(7)), "got float32 of shape (7,)"),
    ("a loss of wrong shapes", lambda d: d.compiled("adam", lambda t, p: t[:, :2] - p), "must be equal, but"),
    ("a loss in NumPy", lambda d: d.compiled("adam", lambda t, p: np.mean(np.asarray(t))), "Cannot convert a symbolic"),
    ("a loss that no weight moves", lambda d: d.compiled("adam", without_gradient), "No gradients provided for any"),
    (
        "a loss of NaN, which is named with its batch",
        lambda d: d.compiled("adam", never_finite),
        "'never_finite' must be finite, got NaN or infinity for batch 0 of epoch 1; the weights are as they were",
    ),
    (
        "a loss of logits",
        lambda d: d.Model((4,), 3).compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True)),
        "`loss` must take probabilities, got CategoricalCrossentropy(from_logits=True)",
    ),
    ("a loss of one-hot rows for numbers", lambda d: d.compiled("adam", "mse"), "must be one-hot rows (batch, 3)"),
    ("a misspelt metric", lambda d: d.compiled("adam", metrics=["acuracy"]), "got 'acuracy'; did you mean 'accuracy'"),
    ("a text for metrics", lambda d: d.compiled("adam", metrics="accuracy"), "must be a list, got 'accuracy'"),
    ("a metric that raises", lambda d: d.compiled("adam", metrics=[falls_over]), "metric 'falls_over' must make one"),
    ("a metric of one-hot rows", lambda d: d.compiled("adam", metrics=["mse"]), "metric 'mse' compares one-hot rows"),
    ("an AUC of class numbers", lambda d: d.compiled("adam", metrics=[keras.metrics.AUC()]), "metric 'AUC' compares"),
    ("an argument compile does not know", lambda d: d.compiled("adam", speed=3), "unexpected keyword argument 'speed'"),
    ("a misspelt label encoding", lambda d: d.compiled("adam", label_encoding="hot"), "got label_encoding='hot'"),
]

FIT_ROWS: list[Case] = [
    ("true and false", lambda d: d.fit(x=X > 0), "`x` must hold numbers, got true/false values"),
    ("numbers as text", lambda d: d.fit(x=X.astype(str)), "`x` must hold numbers, got text"),
    ("numbers as objects", lambda d: d.fit(x=X.astype(object)), "`x` must hold numbers, got mixed values"),
    ("decimals", lambda d: d.fit(x=np.full((ROWS, 4), decimal.Decimal(1))), "`x` must hold numbers, got mixed values"),
    ("bytes", lambda d: d.fit(x=X.astype("S")), "`x` must hold numbers, got bytes"),
    ("complex numbers", lambda d: d.fit(x=X.astype("c8")), "`x` must hold numbers, got complex numbers"),
    ("dates", lambda d: d.fit(x=X.astype("i8").astype("M8[s]")), "`x` must hold numbers, got dates"),
    ("durations", lambda d: d.fit(x=X.astype("i8").astype("m8[s]")), "`x` must hold numbers, got timedelta64[s]"),
    ("rows of unequal length", lambda d: d.fit(x=[[1.0] * (3 + row % 2) for row in range(ROWS)]), "of unequal shape"),
    ("pandas' nullable numbers", lambda d: d.fit(x=pd.DataFrame(X).round().astype("Int64")), "must hold numbers, got"),
    ("a frame with a column of text", lambda d: d.fit(x=pd.DataFrame(X).assign(c="t")), "must hold numbers, got mixed"),
    ("a dictionary of columns", lambda d: d.fit(x={"a": X, "b": X}), "must be a list of rows of shape (4,), got dict"),
    ("a sparse matrix", lambda d: d.fit(x=scipy.sparse.csr_matrix(X)), "of shape (4,), got csr_matrix"),
    ("masked numbers", lambda d: d.fit(x=np.ma.masked_array(X, X > 1)), "in every place, got a masked one at position"),
    ("a tensor that wants its gradient", lambda d: d.fit(x=WantsGradient()), "WantsGradient, which says: Can't call"),
    ("a path", lambda d: d.fit(x=Path("rows.csv")), "must be a list of rows of shape (4,), got"),
    ("a set", lambda d: d.fit(x={1, 2}), "must be a list of rows of shape (4,), got set"),
    ("no rows", lambda d: d.fit(x=X[:0], y=Y[:0]), "`x` must hold at least one row, got none"),
    ("rows lying on their side", lambda d: d.fit(x=X.T), "`x` must have shape (batch, 4), got (4, 40)"),
    ("one missing value", lambda d: d.fit(x=with_value(X, (3, 1), np.nan)), "got nan at position (3, 1)"),
    ("one infinite value", lambda d: d.fit(x=with_value(X, (3, 1), np.inf)), "got inf at position (3, 1)"),
    ("more than float32 holds", lambda d: d.fit(x=np.full((ROWS, 4), 1e39)), "got 1e+39 at position (0, 0)"),
    ("all that float32 holds", lambda d: d.fit(x=np.full((ROWS, 4), 3e38)), "be finite, got NaN or infinity for batch"),
    ("channels first", lambda d: d.Model((8, 8, 3), 2).predict(np.zeros((4, 3, 8, 8))), "have shape (batch, 8, 8, 3)"),
]

LABELS: list[Case] = [
    ("classes counted from 1", lambda d: d.fit(y=Y + 1), "class numbers from 0 to 2, got 3"),
    ("a negative class", lambda d: d.fit(y=Y - 1), "class numbers from 0 to 2, got -1"),
    ("names of classes", lambda d: d.fit(y=CLASSES), "`y` must hold numbers, got text"),
    ("a class number of 1e300", lambda d: d.fit(y=with_value(Y, 0, 1e300)), "from 0 to 2, got 1e+300 at position 0"),
    ("half a class", lambda d: d.fit(y=with_value(Y, 0, 0.5)), "`y` must hold class numbers, got 0.5 at position 0"),
    ("a label of NaN", lambda d: d.fit(y=with_value(Y, 0, np.nan)), "`y` must hold finite numbers, got nan"),
    ("a label of None", lambda d: d.fit(y=[None, *Y[1:].tolist()]), "`y` must hold numbers, got mixed values"),
    ("one-hot rows too wide", lambda d: d.fit(y=np.eye(4)[Y]), "(batch,), (batch, 1) or (batch, 3), got (40, 4)"),
    ("one-hot rows of zeros", lambda d: d.fit(y=np.zeros((ROWS, 3))), "rows, got [0.0, 0.0, 0.0] at position 0"),
    ("labels of dates", lambda d: d.fit(y=DAYS[:ROWS]), "`y` must hold numbers, got dates"),
    ("labels of categories", lambda d: d.fit(y=pd.Series(CLASSES, dtype="category")), "`y` must hold numbers, got"),
    ("fewer labels than rows", lambda d: d.fit(y=Y[:39]), "`x` and `y` must have as many rows, got 40 and 39"),
    ("labels with a third axis", lambda d: d.fit(y=np.zeros((ROWS, 1, 1))), "(batch, 3), got (40, 1, 1)"),
    ("a generator of labels", lambda d: d.fit(y=(label for label in Y)), "must hold one entry per row, got generator"),
    ("targets beyond float32", lambda d: d.Model((4,)).fit(X, Y * 1e39), "`y` must hold finite numbers, got"),
]

WEIGHTS: list[Case] = [
    ("a negative weight", lambda d: d.fit(sample_weight=-np.ones(ROWS)), "weights of 0 or more, got -1 at position 0"),
    ("no weight for any row", lambda d: d.fit(sample_weight=np.zeros(ROWS)), "let some row count, got 0 for all 40"),
    ("a weight of NaN", lambda d: d.fit(sample_weight=with_value(Y, 0, np.nan)), "`sample_weight` must hold finite"),
    ("a weight of 1e39", lambda d: d.fit(sample_weight=np.full(ROWS, 1e39)), "must hold finite numbers, got 1e+39"),
    ("one weight for all", lambda d: d.fit(sample_weight=2.0), "must hold one entry per row, got float"),
    ("the word balanced", lambda d: d.fit(class_weight="balanced"), "must be a dictionary of class number to weight"),
    ("a weight for no class", lambda d: d.fit(class_weight={7: 1.0}), "numbers from 0 to 2 to numbers of 0 or more"),
    ("a negative class weight", lambda d: d.fit(class_weight={0: -1.0}), "numbers of 0 or more, got 0: -1.0"),
    ("no weight for any class", lambda d: d.fit(class_weight=dict.fromkeys(range(3), 0)), "let some row count, got 0"),
    ("class weights for numbers", lambda d: d.Model((4,)).fit(X, Y, class_weight={0: 2.0}), "got it for a regression"),
    ("both kinds of weights", lambda d: d.fit(class_weight={}, sample_weight=np.ones(ROWS)), "be combined, got both"),
]

WISHES: list[Case] = [
    ("batches of no row", lambda d: d.fit(batch_size=0), "`batch_size` must be a whole number of 1 or more, got"),
    ("batches of -1 rows", lambda d: d.fit(batch_size=-1), "got batch_size=-1"),
    ("batches of 1e9 rows", lambda d: d.fit(batch_size=1e9), "got batch_size=1000000000.0"),
    ("one epoch and a half", lambda d: d.fit(epochs=1.5), "got epochs=1.5"),
    ("a budget of soon", lambda d: d.fit(budget="soon"), "'90s', '3m' or '1h', and at most a year, got budget='soon'"),
    ("a budget of nothing", lambda d: d.fit(budget=0), "got budget=0"),
    ("a negative budget", lambda d: d.fit(budget=-3), "got budget=-3"),
    ("a budget without end", lambda d: d.fit(budget="9" * 400), "and at most a year, got budget='999"),
    ("all rows for validation", lambda d: d.fit(validation_split=1.0), "be from 0 to below 1, got validation_split"),
    ("validation every 0 epochs", lambda d: d.fit(validation_freq=0, validation_split=0.2), "got validation_freq=0"),
    ("a word for adaptive", lambda d: d.fit(adaptive="no"), "`adaptive` must be True or False, got adaptive='no'"),
    ("a number for shuffle", lambda d: d.fit(shuffle=3), "`shuffle` must be True or False, got shuffle=3"),
    ("a word for verbose", lambda d: d.fit(verbose="loud"), "`verbose` must be 'auto', 0, 1 or 2, got verbose='loud'"),
    ("the class of a callback", lambda d: d.fit(callbacks=[keras.callbacks.EarlyStopping]), "the class EarlyStopping"),
    ("a function for a callback", lambda d: d.fit(callbacks=[print]), "must be Keras callbacks, got builtin_function"),
    ("a model for a plan", lambda d: d.fit(plan=d.net, epochs=None), "must be the log of another fit, got Model"),
    ("the plan of another model", lambda d: d.fit(plan=d.table.log, epochs=None), "a model that turns rows (4,) into"),
    ("choosing by no rows", lambda d: d.fit(select_on_validation=True), "needs validation data as arrays, got none"),
    ("validation without labels", lambda d: d.fit(validation_data=X), "(x, y) or (x, y, sample_weight), got ndarray"),
    (
        "validation of other rows",
        lambda d: d.fit(validation_data=(X[:, :2], Y)),
        "`validation_data[0]` must have shape",
    ),
    ("validation of nothing", lambda d: d.fit(validation_data=(X[:0], Y[:0])), "must hold at least one row, got none"),
    (
        "an empty generator to validate by",
        lambda d: d.fit(validation_data=stream()),
        "`validation_data` must give batches",
    ),
    ("no labels to evaluate by", lambda d: d.net.evaluate(X), "`y` is missing"),
]

AUGMENTED: list[Case] = [
    ("a word", lambda d: d.fit(augmentation="flip"), "must be 'auto', None or a function, got augmentation='flip'"),
    ("an array", lambda d: d.fit(augmentation=X), "must be 'auto', None or a function, got augmentation=array("),
    ("one that raises", lambda d: d.fit(augmentation=falls_over), "got ValueError: "),
    ("one that returns nothing", lambda d: d.fit(augmentation=lambda r, s, k: None), "got NoneType for float32 (2, 4)"),
    ("one that drops columns", lambda d: d.fit(augmentation=lambda r, s, k: r[:, :2]), "shape, got float32 (2, 2)"),
    ("one that drops rows", lambda d: d.fit(augmentation=lambda r, s, k: r[:1]), "the same shape, got float32 (1, 4)"),
    ("one that returns NaN", lambda d: d.fit(augmentation=lambda r, s, k: r * math.nan), "numbers that are not finite"),
    ("one that takes rows alone", lambda d: d.fit(augmentation=lambda rows: rows), "must take (rows, strength, seed)"),
]

STREAMS: list[Case] = [
    ("an empty generator", lambda d: d.fit(x=stream(), y=None), "`x` must give batches, got none"),
    ("a generator of rows alone", lambda d: d.fit(x=stream(X), y=None), "(x, y) or (x, y, sample_weight), got ndarray"),
    ("a generator of narrow rows", lambda d: d.fit(x=stream((X[:, :2], Y)), y=None), "first batch[0]` must have shape"),
    ("a generator of wrong classes", lambda d: d.fit(x=stream((X, Y + 7)), y=None), "class numbers from 0 to 2, got"),
    ("a generator of NaN", lambda d: d.fit(x=stream((X * np.nan, Y)), y=None), "must hold finite numbers, got nan"),
    ("a later batch of narrow rows", lambda d: d.fit(x=stream((X, Y), (X[:, :2], Y)), y=None), "must be able to fit"),
    ("labels beside a generator", lambda d: d.fit(x=stream((X, Y))), "`y` should not be passed"),
    ("a budget for a generator", lambda d: d.fit(x=stream((X, Y)), y=None, budget="3s"), "needs rows as arrays"),
    ("an empty tf.data set", lambda d: d.fit(x=pairs(X[:0], Y[:0]).batch(8), y=None), "got an empty data set"),
    ("a tf.data set of single rows", lambda d: d.fit(x=pairs(X, Y), y=None), "must be able to fit with what it was"),
    ("an empty generator to predict", lambda d: d.net.predict(stream(), verbose=0), "Keras must be able to predict"),
]

TABLES: list[Case] = [
    ("one row", lambda d: prepared({"a": [1.5], "y": ["no"]}), "target 'y' must have at least two classes, got `no`"),
    ("one class of text", lambda d: prepared({"a": AMOUNTS, "y": ["no"] * ROWS}), "at least two classes, got `no`"),
    ("one class of numbers", lambda d: prepared({"a": AMOUNTS, "y": [1] * ROWS}), "at least two classes, got `1`"),
    ("a target of None", lambda d: prepared({"a": AMOUNTS, "y": [None] * ROWS}), "have values, got none in 40 rows"),
    ("a target of NaN", lambda d: prepared({"a": AMOUNTS, "y": [np.nan] * ROWS}), "have values, got none in 40 rows"),
    ("a target of empty texts", lambda d: prepared({"a": AMOUNTS, "y": [""] * ROWS}), "have values, got none in 40"),
    ("a class per row", lambda d: prepared({"a": AMOUNTS, "y": [f"t{r}" for r in range(ROWS)]}), "classes in 40 rows"),
    ("a target of dates", lambda d: prepared({"a": AMOUNTS, "y": DAYS[:ROWS]}), "or a category, got 'y' of kind"),
    ("no target", lambda d: prepared({"a": AMOUNTS}), "there is no column 'y'"),
    ("nothing but a target", lambda d: prepared({"y": CLASSES}), "must have features to learn from, got none"),
    ("one constant feature", lambda d: prepared({"a": [3.0] * ROWS, "y": CLASSES}), "must have features to learn from"),
    ("one feature all missing", lambda d: prepared({"a": [None] * ROWS, "y": CLASSES}), "have features to learn from"),
    ("one feature all infinite", lambda d: prepared({"a": [np.inf] * ROWS, "y": CLASSES}), "have features to learn"),
    ("one feature that counts", lambda d: prepared({"a": list(range(ROWS)), "y": CLASSES}), "have features to learn"),
    ("lists in cells", lambda d: prepared({"a": [[1, 2]] * ROWS, "y": CLASSES}), "must hold one number, text, date or"),
    ("mappings in cells", lambda d: prepared({"a": [{"b": 1}] * ROWS, "y": CLASSES}), "hold one number, text, date"),
    ("complex numbers in cells", lambda d: prepared({"a": [1 + 2j] * ROWS, "y": CLASSES}), "hold one number, text"),
    ("bytes in cells", lambda d: prepared({"a": [b"q"] * ROWS, "y": CLASSES}), "bytes is not a value of a cell"),
    (
        "durations",
        lambda d: prepared({"a": pd.to_timedelta(range(ROWS), "h"), "y": CLASSES}),
        "or true/false, got timedelta",
    ),
    ("half a surrogate pair", lambda d: prepared({"a": ["\ud83d"] * ROWS, "y": CLASSES}), "that UTF-8 can write, got"),
    ("a column of two axes", lambda d: prepared({"a": np.zeros((ROWS, 2)), "y": CLASSES}), "(batch,), got (40, 2)"),
    ("unequal columns", lambda d: prepared({"a": AMOUNTS[1:], "y": CLASSES}), "of equal length, got `a` 39, `y` 40"),
    (
        "a name twice",
        lambda d: prepared(pd.DataFrame(np.zeros((9, 3)), columns=["a", "a", "y"])),
        "must differ, got twice",
    ),
    ("an index named as a column", lambda d: prepared(pd.DataFrame(FRAME).set_index("a", drop=False)), "twice: `a`"),
    ("names of several levels", lambda d: prepared(pd.DataFrame([[1]], columns=[["a"], ["y"]])), "a pandas MultiIndex"),
    ("the number of a column", lambda d: Schema.infer(pd.DataFrame({0: AMOUNTS, 1: CLASSES}), 1), "did you mean '1'?"),
    ("no rows", lambda d: prepared({"a": [], "y": []}), "must have rows and columns, got 0 rows and 2 columns"),
    ("a text for a column", lambda d: prepared({"a": "hello", "y": CLASSES}), "must hold one value per row, got str"),
    ("a single column of pandas", lambda d: prepared(pd.Series(AMOUNTS)), "must be a frame, got a pandas Series"),
    ("an array of three axes", lambda d: prepared(np.zeros((3, 3, 3))), "have shape (batch, columns), got (3, 3, 3)"),
    ("the target among the features", lambda d: shifted_labels(d.table.schema), "cannot be target and feature at once"),
    ("a number for ids", lambda d: Schema.infer(FRAME, "y", ids=3), "`ids` must be a list, got 3"),
    ("a text for kinds", lambda d: Schema.infer(FRAME, "y", kinds="number"), "must be a dictionary by column, got str"),
    ("a code outside a list", lambda d: Schema.infer(FRAME, "y", missing_codes={"a": 0}), "must be a list, got 0"),
    ("a misspelt kind", lambda d: Schema.infer(FRAME, "y", kinds={"a": "numbr"}), "'numbr'; did you mean 'number'?"),
    ("a kind that cannot be", lambda d: Schema.infer(FRAME, "y", kinds={"b": "number"}), "be a number: its values"),
]

FILES: list[Case] = [
    ("an empty CSV file", lambda d: d.read(""), "must hold rows, got an empty file"),
    ("a CSV file of names alone", lambda d: d.read("a,y\n"), "must hold rows, got only names"),
    ("a CSV file with a name twice", lambda d: d.read("a,a,y\n1,2,3\n4,5,6\n"), "must differ, got twice: `a`"),
    ("a CSV file that is binary", lambda d: d.read(bytes(range(256))), "must be text, got binary data"),
    ("a file that is no gzip", lambda d: d.read(b"\x1f\x8bno", "a.csv.gz"), "cannot be unpacked"),
    ("a file that is no Parquet", lambda d: d.read("no", "a.parquet"), "cannot be read as Parquet"),
    (
        "nested columns",
        lambda d: Schema.infer(pl.DataFrame({"a": [[1]], "y": [1]}), "y"),
        "or true/false, got List(Int64)",
    ),
    ("objects in an npz file", lambda d: d.read("q", "a.npz"), "`a.npz` cannot be read"),
    ("a path too long", lambda d: Schema.infer("x" * 5000, "y"), "be a file that can be read, got File name too long"),
    ("a file that is not there", lambda d: Schema.infer("nope.csv"), "there is no file 'nope.csv'", NotFound),
]

TABLE_MODELS: list[Case] = [
    ("predicting before a fit", lambda d: d.schema_model().predict(FRAME), "be fitted before it can read", Conflict),
    ("a column that is missing", lambda d: d.table.predict({"a": AMOUNTS}), "there is no column 'b'"),
    ("other columns", lambda d: d.table.predict({"q": AMOUNTS}), "there is no column 'a'"),
    ("an array for a table", lambda d: d.table.predict(np.zeros((3, 2))), "there is no column 'a'"),
    ("text for a number", lambda d: d.table.predict({"a": ["q"], "b": ["x"]}), "column 'a': must be a number, got 'q'"),
    ("dates for a number", lambda d: d.table.predict({"a": DAYS[:1], "b": ["x"]}), "must be a number, got datetime"),
    ("no rows", lambda d: d.table.predict({"a": [], "b": []}), "must have rows and columns, got 0 rows"),
    ("evaluating without a target", lambda d: d.table.evaluate(FEATURES), "must have the target 'y', got columns"),
    ("a class that is not known", lambda d: d.schema_fit(FEATURES, ["maybe"] * ROWS), "of the schema, got 'maybe'"),
    ("numbers for named classes", lambda d: d.schema_fit(FEATURES, [0, 1] * 20), "2 classes of the schema, got '0'"),
    ("a target all missing", lambda d: d.schema_fit({**FRAME, "y": [None] * ROWS}), "must have values, got none in 40"),
    ("fewer labels than rows", lambda d: d.schema_fit(FEATURES, CLASSES[:5]), "must have as many rows, got 5 and 40"),
    (
        "a frame for labels",
        lambda d: d.schema_fit(FEATURES, pd.DataFrame({"y": CLASSES})),
        "got a DataFrame of shape (40, 1)",
    ),
    ("a weight for no label", lambda d: d.schema_fit(class_weight={"maybe": 1}), "among 'no', 'yes', got 'maybe'"),
    ("no weight for any row", lambda d: d.schema_fit(sample_weight=np.zeros(ROWS)), "must let some row count, got 0"),
    ("validation without target", lambda d: d.schema_fit(validation_data=FEATURES), "have the target 'y', got columns"),
    ("a generator of rows", lambda d: d.schema_fit(stream({"a": 1})), "(x, y) or (x, y, sample_weight), got dict"),
]

FORECASTS: list[Case] = [
    ("no horizon", lambda d: forecast(VALUES, 0), "`horizon` must be a whole number of 1 or more, got horizon=0"),
    ("two steps", lambda d: forecast(VALUES[:2]), "the history must have three steps or more, got 2"),
    ("no steps", lambda d: forecast([]), "must have shape (time,) or (time, features), got (0,)"),
    ("all missing", lambda d: forecast(np.full(60, np.nan)), "every series must have values, got none in 'value'"),
    ("the later half missing", lambda d: forecast(np.r_[VALUES[:30], [np.nan] * 30]), "have values to judge forecasts"),
    ("an infinite value", lambda d: forecast(with_value(VALUES, 5, np.inf)), "a size below 1e+150, got inf in 'value'"),
    ("values of 1e308", lambda d: forecast(np.full(60, 1e308)), "of a size below 1e+150, got 1e+308"),
    ("texts", lambda d: forecast(["a"] * 60), "must hold numbers, got <U1"),
    ("lists of unequal length", lambda d: forecast([[1, 2], [3]]), "an array of a series must have one shape, got"),
    ("a series of pandas", lambda d: forecast(pd.Series(VALUES)), "a table must be a frame, got a pandas Series"),
    (
        "irregular times",
        lambda d: forecast({"t": [*DAYS[:-1], "2024-03-09 07:00"], "v": VALUES}, time="t"),
        "equal steps",
    ),
    (
        "a moment twice",
        lambda d: forecast({"t": [*DAYS, DAYS[-1]], "v": [*VALUES, 1.0]}, time="t"),
        "a moment must come once",
    ),
    (
        "a time that is missing",
        lambda d: forecast({"t": [*DAYS[:-1], None], "v": VALUES}, time="t"),
        "a time in every row",
    ),
    ("one moment", lambda d: forecast({"t": [DAYS[0]] * 60, "v": VALUES}, time="t"), "three moments or more, got 1"),
    ("numbers for times", lambda d: forecast({"t": range(60), "v": VALUES}, time="t"), "`t` must hold times, got 0"),
    ("a table without times", lambda d: forecast({"v": VALUES}), "a table needs a column of times, got none"),
    ("a target all missing", lambda d: forecast({"t": DAYS, "v": [None] * 60}, time="t"), "values of 'v', got none"),
    ("no target", lambda d: Forecaster(3, time="t", target=[]), "`target` must name a column, got none"),
    ("a number for known_ahead", lambda d: Forecaster(3, known_ahead=4), "`known_ahead` must be a list, got 4"),
    ("a season too long", lambda d: forecast(VALUES, seasons=[1000]), "hold two seasons, got 60 steps for a season"),
    ("a number for seasons", lambda d: forecast(VALUES, seasons=7), "`seasons` must be a list, got 7"),
    ("a quantile of 1", lambda d: Forecaster(3, quantiles=[1.0]), "`quantiles` must ascend between 0 and 1, got [1.0]"),
    ("a word for quantiles", lambda d: Forecaster(3, quantiles="all"), "must ascend between 0 and 1, got 'all'"),
    ("a family that is not known", lambda d: Forecaster(3, families=["arima"]), "some of smoothing, linear, boosted"),
    ("no families", lambda d: Forecaster(3, families=None), "must be some of smoothing, linear, boosted, got None"),
    ("forecasting before a fit", lambda d: Forecaster(3).predict(), "has learned nothing yet", Conflict),
    ("a history too short", lambda d: d.forecaster.predict(VALUES[:1]), "history must have 12 steps or more, got 1"),
    ("a table where there was none", lambda d: d.forecaster.predict({"v": VALUES}), "be an array, as it was in fit"),
    (
        "a history before the one learned from",
        lambda d: d.by_day.predict({"t": pd.date_range("2020", periods=60), "v": VALUES}),
        "the table must have values of 'v', got none",
    ),
]

RECOMMENDATIONS: list[Case] = [
    ("one item", lambda d: recommended({"user": ["a", "b"], "item": ["x", "x"]}), "or more to choose from, got 1"),
    ("a user of NaN", lambda d: recommended({"user": [1.0, np.nan], "item": [1, 2]}), "have a user, got 1 empty cells"),
    ("an item of nothing", lambda d: recommended({"user": ["a", "b"], "item": ["x", ""]}), "have an item, got 1 empty"),
    ("a user of infinity", lambda d: recommended({"user": [1.0, np.inf], "item": [1, 2]}), "got infinity in `user`"),
    ("a rating of None", lambda d: recommended({**TAKEN, "rating": [1, None, 2, 3, 4]}), "have a rating, got 1 empty"),
    ("a rating of infinity", lambda d: recommended({**TAKEN, "rating": [1, np.inf, 2, 3, 4]}), "number, got inf in"),
    ("words for ratings", lambda d: recommended({**TAKEN, "rating": ["good"] * 5}), "must be a number, got 'good'"),
    ("words for times", lambda d: recommended({**TAKEN, "time": ["once"] * 5}), "`time` must hold times, got 'once'"),
    ("lists for users", lambda d: recommended({"user": [[1], [2]], "item": ["x", "y"]}), "is not a value of a cell"),
    ("columns of other names", lambda d: recommended({"p": ["a"], "q": ["x"]}), "of each user is not clear, got"),
    ("a misspelt column", lambda d: recommended(TAKEN, user="usr"), "there is no column 'usr'; did you mean 'user'?"),
    ("a column for two", lambda d: recommended(TAKEN, item="user"), "must be columns of their own, got 'user' for two"),
    ("no interactions", lambda d: recommended({"user": [], "item": []}), "must have rows and columns, got 0 rows"),
    ("five arrays", lambda d: recommended(tuple([["a", "b"]] * 5)), "[, ratings[, times]]), got 5 parts"),
    ("a matrix of users by items", lambda d: recommended(np.eye(9)), "the column of each user is not clear, got"),
    ("recommending before a fit", lambda d: Recommender().recommend("a"), "has learned nothing yet", Conflict),
    ("a user that is not known", lambda d: d.recommender.recommend("zz"), "learned from, got 'zz' (str)", NotFound),
    ("a list for a user", lambda d: d.recommender.recommend(["a"]), "learned from, got ['a'] (list)", NotFound),
    ("a user for users", lambda d: d.recommender.recommend_many("abc"), "`users` must be a list of users, got 'abc'"),
    ("an item for a history", lambda d: d.recommender.recommend_for_history("x"), "must be a list of items, got"),
    ("no recommendations", lambda d: d.recommender.recommend("c", 0), "must be a whole number of 1 or more, got n=0"),
    ("ratings of nothing", lambda d: d.recommender.predict_rating("a", "x"), "ratings to learn from", NotSupported),
    ("unequal pairs", lambda d: d.rater.predict_rating(["a", "b"], ["x", "y", "x"]), "must be as many, got 2 and 3"),
    ("no pairs", lambda d: d.rater.predict_rating([], []), "`users` and `items` must hold pairs, got 0 and 0"),
    ("a moment of NaN", lambda d: d.rater.predict_rating("a", "x", at=math.nan), "be times as in the column of times"),
]

DOORS = {
    "model": MODELS,
    "architecture": ARCHITECTURE,
    "compile": COMPILED,
    "rows": FIT_ROWS,
    "labels": LABELS,
    "weights": WEIGHTS,
    "fit": WISHES,
    "augmentation": AUGMENTED,
    "stream": STREAMS,
    "table": TABLES,
    "file": FILES,
    "model of a table": TABLE_MODELS,
    "forecaster": FORECASTS,
    "recommender": RECOMMENDATIONS,
}


@pytest.mark.parametrize(
    ("call", "message", "error"),
    [
        pytest.param(case[1], case[2], case[3] if len(case) > 3 else InvalidInput, id=f"{door}: {case[0]}")
        for door, cases in DOORS.items()
        for case in cases
    ],
)
def test_it_ends_in_one_clear_error(
    d: Doors, call: Callable[[Any], Any], message: str, error: type[LeptonError], request: Any
) -> None:
    weights = d.net.get_weights()
    with pytest.raises(error) as caught:
        call(d)
    assert type(caught.value) is error
    assert message in caught.value.message
    if "a later batch" not in request.node.name:  # which is found out when the one before was trained on
        assert all(np.array_equal(before, after) for before, after in zip(weights, d.net.get_weights(), strict=True))


def notes_of(column: list[Any]) -> tuple[str, ...]:
    """What the schema says of a column among usual ones, whose rows all become finite numbers."""
    times = -(-len(column) // ROWS)
    usual = {"amount": (AMOUNTS * times)[: len(column)], "y": (CLASSES * times)[: len(column)]}
    schema, x, _ = prepared({**usual, "bad": column})
    assert np.isfinite(x).all() and len(x) == len(column)
    return schema.notes


# A column of a table, and what its schema notes about it; nothing where it is taken as it is.
NOTED: list[tuple[str, list[Any], str]] = [
    ("one number in all rows", [3.0] * ROWS, "`bad` has the same value in all rows, so it is left aside"),
    ("one text in all rows", ["x"] * ROWS, "`bad` has the same value in all rows, so it is left aside"),
    ("all missing", [None] * ROWS, "`bad` has no values, so it is left aside"),
    ("empty texts", ["", " "] * (ROWS // 2), "`bad` has no values, so it is left aside"),
    ("a counter", list(range(ROWS)), "`bad` counts the rows, so it is an id and no feature"),
    ("a text per row", [f"P{row}" for row in range(ROWS)], "`bad` differs in all rows, so it is an id and no feature"),
    ("41 digits", [10**40 + row for row in range(ROWS)], "`bad` differs in all rows, so it is an id and no feature"),
    ("infinity", [np.inf, 1.5, 2.5, -np.inf] * (ROWS // 4), "`bad` is infinite in 20 rows, which count as missing"),
    ("codes for missing", ["?", "a", "b", "N/A"] * (ROWS // 4), "`bad` is missing where '?', 'N/A' stands"),
    ("a word among numbers", [*map(str, AMOUNTS[:-1]), "unknown"], "is a number, and missing where 'unknown' stands"),
    ("300 categories", [f"shop {row % 300}" for row in range(600)], "has 300 values; the 254 most frequent are kept"),
    ("commas in numbers", ["1,234", "2,345"] * (ROWS // 2), "looks like numbers, but only plain ones such as 1234.5"),
    ("day or month first", ["01/02/2024", "03/01/2023"] * (ROWS // 2), "may be dates with the day or the month first"),
    ("numbers of 1e308", [1e308, -1e308] * (ROWS // 2), ""),
    ("numbers of 5e-324", [5e-324, 0.0] * (ROWS // 2), ""),
    ("one number of 1e30", [*AMOUNTS[:-1], 1e30], ""),
    ("true and missing", [True, None] * (ROWS // 2), ""),
    ("all kinds in one column", [1, "x", 2.5, None] * (ROWS // 4), ""),
    ("accents, NUL and emoji", ["é", "e\u0301", "\u0000", "\U0001f600"] * (ROWS // 4), ""),
    ("texts of 100,000 letters", ["a" * 100_000, "b"] * (ROWS // 2), ""),
    ("lines, tabs and quotes", [f'line {row}\nof a \t letter, quoted "{row}"' for row in range(ROWS)], ""),
    ("decimals", [decimal.Decimal(str(amount)) for amount in AMOUNTS], ""),
    ("pandas' nullable numbers", list(pd.array([1, None, 2, 3] * (ROWS // 4), dtype="Int64")), ""),
    ("dates with a zone", list(pd.date_range("2024", periods=ROWS, tz="Europe/Berlin")), ""),
    ("the first and the last day", [datetime.date(1, 1, 1), datetime.date(9999, 12, 31)] * (ROWS // 2), ""),
    ("a copy of the target", CLASSES, ""),
]


@pytest.mark.parametrize(("column", "note"), [pytest.param(column, note, id=words) for words, column, note in NOTED])
def test_odd_column_is_handled_and_the_schema_says_how(column: list[Any], note: str) -> None:
    notes = notes_of(column)
    assert any(note in each for each in notes) if note else not notes


HANDLED: list[tuple[str, Callable[[Any], Any], Callable[[Any], bool]]] = [
    (
        "a shape and classes of NumPy",
        lambda d: d.Model((np.int64(4),), np.int64(3)).output_shape,
        lambda s: s == (None, 3),
    ),
    ("float16", lambda d: d.fit(x=X.astype("f2"))["loss"], np.isfinite),
    ("whole numbers up to 255", lambda d: d.fit(x=np.abs(X * 9).astype("u1"))["loss"], np.isfinite),
    ("a frame with a name twice", lambda d: d.fit(x=pd.DataFrame(X, columns=list("aabb")))["loss"], np.isfinite),
    ("constant rows", lambda d: d.fit(x=np.ones((ROWS, 4)))["loss"], np.isfinite),
    ("numbers of 1e-45", lambda d: d.fit(x=np.full((ROWS, 4), 1e-45))["loss"], np.isfinite),
    ("one row", lambda d: d.fit(x=X[:1], y=Y[:1])["loss"], np.isfinite),
    ("two rows", lambda d: d.fit(x=X[:2], y=Y[:2])["loss"], np.isfinite),
    ("one class", lambda d: d.fit(y=[1] * ROWS)["loss"], np.isfinite),
    ("labels of 0.0 and 1.0", lambda d: d.fit(y=(Y > 0) * 1.0)["loss"], np.isfinite),
    ("labels of true and false", lambda d: d.fit(y=Y > 0)["loss"], np.isfinite),
    ("labels in a frame with another index", lambda d: d.fit(y=pd.DataFrame(Y, index=Y + 9))["loss"], np.isfinite),
    ("nullable labels without gaps", lambda d: d.fit(y=pd.Series(Y).astype("Int64"))["loss"], np.isfinite),
    ("weights of true and false", lambda d: d.fit(sample_weight=Y > 0)["loss"], np.isfinite),
    ("no epochs, so no training", lambda d: d.fit(epochs=0), lambda history: not history),
    ("more rows in a batch than there are", lambda d: d.fit(batch_size=10**9)["loss"], np.isfinite),
    ("a tenth of a second", lambda d: d.fit(budget=0.1, epochs=None)["loss"], lambda losses: len(losses) >= 1),
    ("CSV of Windows", lambda d: d.read("a,y\r\n1.5,no\r\n2.5,yes\r\n"), is_schema_of_two),
    ("CSV with a byte order mark", lambda d: d.read("\ufeffa,y\n1.5,no\n2.5,yes\n"), is_schema_of_two),
    ("CSV of semicolons and decimal commas", lambda d: d.read("a;y\n1,5;no\n2,5;yes\n"), is_schema_of_two),
    ("CSV in UTF-16", lambda d: d.read("a,y\n1.5,no\n2.5,yes\n".encode("utf-16")), is_schema_of_two),
    ("two rows of a table", lambda d: prepared({"a": [1.5, 2.5], "y": ["no", "yes"]})[2].tolist(), [0, 1].__eq__),
    ("a row without target", lambda d: left_out({**FRAME, "y": [None, *CLASSES[1:]]}), (1, ROWS - 1).__eq__),
    (
        "a category that is new",
        lambda d: d.table.predict({"a": [1.0, 2.0], "b": ["new", None]}, verbose=0),
        is_sure_of_two,
    ),
    (
        "infinity in a row to predict",
        lambda d: d.table.predict({"a": [np.inf, 1e308], "b": ["x", "y"]}, verbose=0),
        is_sure_of_two,
    ),
    (
        "a column too many",
        lambda d: d.table.predict({"a": [1.0, 2.0], "b": ["x", "y"], "c": [1, 2]}, verbose=0),
        is_sure_of_two,
    ),
    ("a constant feature that was asked for", lambda d: asked_for(d, [1.0] * ROWS), is_sure_of_two),
    ("a feature all missing that was asked for", lambda d: asked_for(d, [None] * ROWS), is_sure_of_two),
    ("one class in the rows to train on", lambda d: d.schema_fit({**FRAME, "y": ["no"] * ROWS})["loss"], np.isfinite),
    ("one row alone that counts", lambda d: d.schema_fit(sample_weight=[0.0] * 39 + [1.0])["loss"], np.isfinite),
    ("a constant series", lambda d: forecast(np.ones(60)), lambda mean: np.allclose(mean, 1.0)),
    ("a horizon longer than the series", lambda d: forecast(VALUES, 100), lambda mean: is_finite(mean, (1, 100))),
    (
        "missing values",
        lambda d: forecast(with_value(VALUES, slice(0, 60, 7), np.nan)),
        lambda mean: is_finite(mean, (1, 3)),
    ),
    ("masked values", lambda d: forecast(np.ma.masked_array(VALUES, VALUES > 50)), lambda mean: mean.max() < 60),
    (
        "missing moments",
        lambda d: forecast({"t": DAYS.delete([5, 20]), "v": np.delete(VALUES, [5, 20])}, time="t"),
        lambda mean: is_finite(mean, (1, 3)),
    ),
    (
        "times backwards",
        lambda d: forecast({"t": DAYS[::-1], "v": VALUES[::-1]}, time="t"),
        lambda mean: is_finite(mean, (1, 3)),
    ),
    (
        "an observed column all missing",
        lambda d: forecast({"t": DAYS, "v": VALUES, "o": [None] * 60}, time="t", target="v", observed=["o"]),
        lambda mean: is_finite(mean, (1, 3)),
    ),
    (
        "one user, who has had all",
        lambda d: recommended({"user": ["a"] * 3, "item": ["x", "y", "z"]}).recommend("a"),
        ().__eq__,
    ),
    (
        "the same interaction twice",
        lambda d: len(recommended({"user": ["a", "a", "b"], "item": ["x", "x", "y"]}).items),
        (2).__eq__,
    ),
    (
        "negative ratings",
        lambda d: recommended({**TAKEN, "rating": [-1, -2, -3, -4, -5]}).predict_rating("a", "x"),
        lambda rating: -5 <= rating[0] <= -1,
    ),
    ("a user and an item that are not known", lambda d: d.rater.predict_rating("zz", "qq"), [3.0].__eq__),
    ("a history that is not known", lambda d: d.recommender.recommend_for_history(["q"])[0].item, "x".__eq__),
    (
        "emoji for names",
        lambda d: recommended({"user": ["😀", "😀", "b"], "item": ["🍎", "🍐", "🍎"]}).recommend("b")[0].item,
        "🍐".__eq__,
    ),
]


@pytest.mark.parametrize(
    ("call", "is_right"), [pytest.param(call, is_right, id=words) for words, call, is_right in HANDLED]
)
def test_it_is_handled(d: Doors, call: Callable[[Any], Any], is_right: Callable[[Any], Any]) -> None:
    assert np.all(is_right(call(d)))


def test_generator_that_ends_early_is_told_and_what_came_is_trained_on(d: Doors) -> None:
    with pytest.warns(UserWarning, match="ran out of data"):
        history = d.fit(x=stream((X, Y), (X, Y)), y=None, steps_per_epoch=5)
    assert np.isfinite(history["loss"]).all()


def test_infinite_number_in_a_table_is_told_in_the_log(d: Doors) -> None:
    model = d.schema_model()
    model.fit({**FRAME, "a": [np.inf, *AMOUNTS[1:]]}, epochs=1, verbose=0)
    assert "values of `a` infinite, now missing: 1" in str(model.log)
    assert is_sure_of_two(model.predict({"a": [1.0, 2.0], "b": ["x", "y"]}, verbose=0))


def test_rows_that_were_refused_leave_no_scale_behind(d: Doors) -> None:
    model = d.Model((4,), seed=0)
    with pytest.raises(InvalidInput, match="got NaN or infinity"):
        model.fit(X, [3e38, -3e38] * 20, epochs=1, verbose=0)
    model.fit(X, X[:, 0], epochs=1, verbose=0)
    assert np.abs(model.predict(X, verbose=0)).max() < 100


@pytest.mark.parametrize(
    "arguments",
    [
        {"callbacks": [keras.callbacks.LambdaCallback(on_epoch_end=falls_over)]},
        {"x": (falls_over() for _ in range(1)), "y": None},
    ],
    ids=["a callback", "a generator"],
)
def test_error_of_the_users_own_code_comes_through_as_it_is(d: Doors, arguments: Any) -> None:
    with pytest.raises(ValueError, match=r"^my own words$"):
        d.fit(**arguments)


def test_lack_of_memory_is_no_bad_input() -> None:
    """A training run that meets it is tried again; one whose input is wrong is not."""
    within_tensorflow = compile("raise error", "site-packages/tensorflow/allocator.py", "exec")
    for error, told in (
        (tf.errors.ResourceExhaustedError(None, None, "OOM"), tf.errors.ResourceExhaustedError),
        (tf.errors.InvalidArgumentError(None, None, "wrong shape"), InvalidInput),
    ):
        with pytest.raises(told), keras_errors("Keras must be able to fit with what it was given"):
            exec(within_tensorflow, {"error": error})

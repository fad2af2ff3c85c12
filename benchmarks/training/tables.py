"""The tables of the comparison, as published: raw columns, the target, and what kind of answer it asks for."""

import gzip
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

TARGET = "target"


@dataclass(frozen=True)
class TableSet:
    """One table.

    Args:
        name: Its name in results.
        frame: The columns, with the answer in `target`: class numbers, or a number for a regression.
        is_regression: Whether the answer is a number.
        folds: Into how many parts it is cut: more for small sets, where one part says little.
    """

    name: str
    frame: pd.DataFrame
    is_regression: bool
    folds: int


def load(name: str, root: Path, *, rows: int) -> TableSet:
    """Read a set, at most `rows` rows of it drawn with a fixed seed."""
    frame, is_regression = _READERS[name](root)
    frame.columns = [re.sub(r"\W+", "_", str(column)).strip("_") for column in frame.columns]
    frame = frame.drop_duplicates().sample(frac=1.0, random_state=0)[:rows].reset_index(drop=True)
    return TableSet(name, frame, is_regression, folds=5 if len(frame) < 2000 else 3)


def missing(names: list[str], root: Path) -> list[str]:
    """The files that the named sets need and the folder lacks."""
    return [_FILES[name] for name in names if not (root / _FILES[name]).exists()]


def _read(root: Path, name: str) -> io.StringIO:
    path = root / _FILES[name]
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return io.StringIO(data.decode("utf-8-sig"))


def _heart(root: Path) -> tuple[pd.DataFrame, bool]:
    frame = pd.read_csv(_read(root, "heart"), na_values="?")
    frame[TARGET] = (frame.pop("C") > 0).astype(int)
    for column in ("A3", "A7", "A11", "A13"):  # codes, not amounts
        frame[column] = frame[column].map(lambda value: None if value != value else f"v{value:g}")
    return frame, False


def _pima(root: Path) -> tuple[pd.DataFrame, bool]:
    frame = pd.read_csv(_read(root, "pima"), header=None)
    return frame.rename(columns={**{number: f"c{number}" for number in range(8)}, 8: TARGET}), False


def _credit(root: Path) -> tuple[pd.DataFrame, bool]:
    return pd.read_csv(_read(root, "credit")).drop(columns="ID").rename(columns={"Y": TARGET}), False


def _fraud(root: Path) -> tuple[pd.DataFrame, bool]:
    frame = pd.read_csv(_read(root, "fraud")).drop(columns="PolicyNumber")
    frame[TARGET] = (frame.pop("FraudFound") == "Yes").astype(int)
    return frame, False


def _adult(root: Path) -> tuple[pd.DataFrame, bool]:
    frame = pd.read_csv(_read(root, "adult"), header=None, na_values="?", skipinitialspace=True)
    frame = frame.rename(columns={number: f"c{number}" for number in range(14)})
    frame[TARGET] = (frame.pop(14) == ">50K").astype(int)
    return frame, False


def _ai4i(root: Path) -> tuple[pd.DataFrame, bool]:
    frame = pd.read_csv(_read(root, "ai4i")).drop(columns=["UDI", "Product ID"])
    return frame.rename(columns={"Machine failure": TARGET}), False


def _bike(root: Path) -> tuple[pd.DataFrame, bool]:
    frame = pd.read_csv(_read(root, "bike")).drop(columns=["instant", "dteday"])
    frame[TARGET] = frame.pop("cnt").astype(float)
    return frame, True


_FILES = {
    "heart": "heart_cleveland/processed.cleveland.data",
    "pima": "pima_diabetes/pima-indians-diabetes.csv",
    "credit": "credit_default/uci_credit_default.csv.gz",
    "fraud": "claim_fraud/carclaims.csv.gz",
    "adult": "adult/adult-train.csv.gz",
    "ai4i": "ai4i2020/ai4i2020.csv.gz",
    "bike": "bike_sharing/hour.csv.gz",
}
_READERS: dict[str, Callable[[Path], tuple[pd.DataFrame, bool]]] = {
    "heart": _heart,
    "pima": _pima,
    "credit": _credit,
    "fraud": _fraud,
    "adult": _adult,
    "ai4i": _ai4i,
    "bike": _bike,
}
NAMES = list(_READERS)

"""The results file: one JSON line for each fit, found again by set, method, seed, fold and code version."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Key:
    """What makes a fit the same fit.

    Args:
        set: The data.
        method: Who was trained.
        seed: Of the folds and of the method.
        fold: Which part was held out.
        code: A digest of the method's code, so that a changed method is run again.
    """

    set: str
    method: str
    seed: int
    fold: int
    code: str


@dataclass(frozen=True)
class Result:
    """What one fit gave.

    Args:
        key: Which fit.
        scores: Metric by name; empty where it did not end.
        seconds: Wall time of fit and predict. Compare it only with times of the same run on the same machine.
        note: Why there are no scores, or "".
        machine: Where and when, in words.
    """

    key: Key
    scores: dict[str, float]
    seconds: float
    note: str
    machine: str


class Results:
    """Results on disk, appended one by one: a broken run goes on where it ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._by_key = {result.key: result for result in self._read()}

    def get(self, key: Key) -> Result | None:
        """The result of this fit, if it was run."""
        return self._by_key.get(key)

    def add(self, result: Result) -> None:
        """Keep a result."""
        self._by_key[result.key] = result
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._path, "a") as file:
            file.write(json.dumps(asdict(result), sort_keys=True) + "\n")

    def _read(self) -> Iterator[Result]:
        if self._path.exists():
            for line in self._path.read_text().splitlines():
                value = json.loads(line)
                yield Result(**{**value, "key": Key(**value["key"])})


def digest(paths: Iterable[Path], *more: str) -> str:
    """A short digest of files and words."""
    sha = hashlib.sha256()
    for path in sorted(paths):
        sha.update(path.read_bytes())
    for word in more:
        sha.update(word.encode())
    return sha.hexdigest()[:12]

"""Boosted trees: one model for all lines and all steps ahead, kept as plain arrays."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.forecasting.features import View, features_of
from lepton_ai.platform.frameworks.forecasting.panel import NOT_SAVED, Numbers, Panel

_MOST_EXAMPLES = 60_000
_FEWEST_WINDOWS = 100
_ANSWERS_AT_ONCE = 200_000
_FORESTS = 2
_FEW_EXAMPLES = 10_000


@dataclass(frozen=True)
class Forest:
    """Binary trees whose leaves add up.

    Args:
        roots: The first node of each tree `(trees,)`.
        features: The feature that a node looks at `(nodes,)`; -1 for a leaf.
        thresholds: A row goes left where the feature is at most this `(nodes,)`.
        missing_left: Whether it goes left where the feature is missing `(nodes,)`.
        left: The node on the left `(nodes,)`.
        right: The node on the right.
        values: What a leaf adds `(nodes,)`.
        base: What every answer begins with.
        depth: How many nodes a row passes at most.
        compiled: What grew them, which gives the same answers ten times faster; it is not saved.
    """

    roots: NDArray[np.int32]
    features: NDArray[np.int32]
    thresholds: NDArray[np.float64]
    missing_left: NDArray[np.bool_]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    values: NDArray[np.float64]
    base: float
    depth: int
    compiled: Any = field(default=None, repr=False, compare=False, metadata=NOT_SAVED)

    def answer(self, rows: NDArray[np.float32]) -> Numbers:
        """The answer to each row `(rows, features)`."""
        if self.compiled is not None:
            return np.asarray(self.compiled.predict(rows))
        total = np.full(len(rows), self.base)
        every = np.arange(len(rows))
        for root in self.roots:
            node = np.full(len(rows), root)
            for _ in range(self.depth):
                feature = self.features[node]
                if not (feature >= 0).any():
                    break
                told = rows[every, feature]
                left = np.where(np.isnan(told), self.missing_left[node], told <= self.thresholds[node])
                node = np.where(feature < 0, node, np.where(left, self.left[node], self.right[node]))
            total += self.values[node]
        return total


@dataclass(frozen=True)
class Boosted:
    """Trees that answer in units of the level of the last values.

    Args:
        view: How the panel is looked at.
        forests: The trees, several times over with other draws; their mean answers.
        low: The least answer that is believed, for each line `(rows,)`.
    """

    view: View
    forests: tuple[Forest, ...]
    low: Numbers

    @property
    def needs(self) -> int:
        """How many steps of history it needs."""
        return self.view.needs

    def predict(self, panel: Panel, origins: NDArray[np.int64], horizon: int) -> Numbers:
        """Forecast from each origin: `(rows, origins, horizon)`. See `Method`."""
        at_once = max(_ANSWERS_AT_ONCE // (panel.rows * horizon), 1)
        starts = range(0, len(origins), at_once)
        return np.concatenate(
            [self._predict(panel, origins[start : start + at_once], horizon) for start in starts], axis=1
        )

    def _predict(self, panel: Panel, origins: NDArray[np.int64], horizon: int) -> Numbers:
        features = features_of(panel, self.view, origins, horizon)
        rows = features.reshape(-1, features.shape[-1])
        answers = np.mean([forest.answer(rows) for forest in self.forests], axis=0).reshape(features.shape[:3])
        restored = self.view.restored(answers, self.view.level(panel.values, origins))
        return np.maximum(restored, self.low[:, np.newaxis, np.newaxis])


def fit_boosted(panel: Panel, there: NDArray[np.bool_], view: View, horizon: int, seed: int) -> Boosted | None:
    """Fit the trees.

    Args:
        panel: The series, filled.
        there: Which of their values were really there `(rows, time)`; only these are learned from.
        view: How to look at the panel.
        horizon: How many steps ahead.
        seed: Decides which origins are learned from where there are very many, and which features a split may take.

    Returns:
        The method; None where the history is too short.
    """
    origins = np.arange(view.needs, panel.steps - horizon + 1)
    most = max(_MOST_EXAMPLES // (panel.rows * horizon), 1)
    if len(origins) > most:
        origins = np.sort(np.random.default_rng(seed).choice(origins, most, replace=False))
    if len(origins) * panel.rows < _FEWEST_WINDOWS:
        return None
    features = features_of(panel, view, origins, horizon)
    places = origins[:, np.newaxis] + np.arange(horizon)
    wanted = view.measured(panel.values[:, places], view.level(panel.values, origins))
    taken = there[:, places].ravel() & np.isfinite(wanted).ravel()
    rows = features.reshape(-1, features.shape[-1])[taken]
    # What history never reaches back to is told apart from nothing: no split can be made on it.
    rows[:, np.isnan(rows).all(axis=0)] = 0.0
    low = np.where(panel.values.min(axis=1) >= 0, 0.0, -np.inf)
    forests = [_grown(rows, wanted.ravel()[taken], seed + draw) for draw in range(_FORESTS)]
    return Boosted(view, tuple(forests), low)


def _grown(rows: NDArray[np.float32], wanted: Numbers, seed: int) -> Forest:
    from sklearn.ensemble import HistGradientBoostingRegressor

    few = len(rows) < _FEW_EXAMPLES
    estimator = HistGradientBoostingRegressor(
        learning_rate=0.1 if few else 0.05,
        max_iter=100 if few else 300,
        max_leaf_nodes=15 if few else 31,
        min_samples_leaf=40,
        max_features=0.3,
        early_stopping=False,
        categorical_features=None,
        random_state=seed,
    )
    return _forest(estimator.fit(rows, wanted))


def _forest(estimator: Any) -> Forest:
    trees = [tree.nodes for (tree,) in estimator._predictors]
    starts = np.concatenate([[0], np.cumsum([len(nodes) for nodes in trees])]).astype(np.int32)
    nodes = np.concatenate(trees)
    offset = np.repeat(starts[:-1], np.diff(starts))
    leaf = nodes["is_leaf"].astype(bool)
    return Forest(
        starts[:-1],
        np.where(leaf, -1, nodes["feature_idx"]).astype(np.int32),
        nodes["num_threshold"].astype(np.float64),
        nodes["missing_go_to_left"].astype(bool),
        np.where(leaf, 0, nodes["left"] + offset).astype(np.int32),
        np.where(leaf, 0, nodes["right"] + offset).astype(np.int32),
        np.where(leaf, nodes["value"], 0.0).astype(np.float64),
        float(estimator._baseline_prediction.ravel()[0]),
        int(nodes["depth"].max()) + 1,
        estimator,
    )

"""What ranks the items for a history: popularity, the item model, the next items, and their blend."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.recommendation.histories import Histories, histories_of
from lepton_ai.platform.frameworks.recommendation.interactions import Interactions
from lepton_ai.platform.frameworks.recommendation.item_model import ItemModel, fit_item_model
from lepton_ai.platform.frameworks.recommendation.next_items import MEMORY, count_next_items


class Part(StrEnum):
    """What can speak for an item."""

    POPULARITY = "popularity"
    ITEMS = "item model"
    NEXT = "next items"


@dataclass(frozen=True)
class RankingSettings:
    """What was chosen.

    Args:
        penalty: The item model's ridge penalty.
        memory: How many items back a history's item weighs 1/e for the item model; None where all weigh the same.
        weights: How much each part counts, in units of the spread of its scores; parts of no weight are left out.
    """

    penalty: float
    memory: float | None
    weights: Mapping[Part, float]


@dataclass(frozen=True)
class Ranking:
    """A fitted ranking.

    Args:
        settings: What was chosen.
        popularity: How many users took each item `(items,)`.
        item_model: The closed-form item model.
        next_items: How likely each item follows each, `(items, items)` sparse; None where order is not used.
    """

    settings: RankingSettings
    popularity: NDArray[np.float32]
    item_model: ItemModel
    next_items: Any

    def scores(self, histories: Histories) -> NDArray[np.float32]:
        """How much is to be said for each item, `(users, items)`; minus infinity for what is in the history."""
        return self.scores_and_spreads(histories)[0]

    def scores_and_spreads(
        self, histories: Histories
    ) -> tuple[NDArray[np.float32], Mapping[Part, NDArray[np.float32]]]:
        """The scores, and the spread `(users, 1)` of what each part says, in units of which it counts."""
        total, spreads = np.zeros((len(histories), histories.items), np.float32), {}
        for part, weight in self.settings.weights.items():
            said = self.part_scores(part, histories)
            spreads[part] = _spread(said)
            total += np.float32(weight) * _standardized(said, spreads[part])
        return without_seen(total, histories), spreads

    def part_scores(self, part: Part, histories: Histories) -> NDArray[np.float32]:
        """What one part says, `(users, items)`."""
        if part is Part.POPULARITY:
            return np.tile(self.popularity, (len(histories), 1))
        if part is Part.NEXT:
            return np.asarray((histories.matrix(MEMORY) @ self.next_items).toarray())
        return self.item_model.scores(histories.matrix(self.settings.memory))

    def contributions(
        self, history: Histories, items: NDArray[np.int64], spreads: Mapping[Part, NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """How much each item of one history adds to the scores of some items, `(history, items)`."""
        found = np.zeros((len(history.item), len(items)), np.float32)
        for part, weight in self.settings.weights.items():
            if part is Part.POPULARITY:
                continue
            memory = MEMORY if part is Part.NEXT else self.settings.memory
            if part is Part.NEXT:
                between = self.next_items[history.item][:, items].toarray()
            else:
                between = self.item_model.weights_between(history.item, items)
            recency = np.ones(len(history.item)) if memory is None else np.exp(-history.age / memory)
            found += (weight / spreads[part][0, 0] * recency[:, None] * between).astype(np.float32)
        return found


def fit_ranking(interactions: Interactions, settings: RankingSettings) -> Ranking:
    """Fit every part that has a weight."""
    histories = histories_of(interactions)
    popularity = np.bincount(interactions.item, minlength=len(interactions.items)).astype(np.float32)
    item_model = fit_item_model(histories.matrix(), settings.penalty)
    ordered = settings.weights.get(Part.NEXT, 0.0) > 0
    return Ranking(settings, popularity, item_model, count_next_items(interactions) if ordered else None)


def standardized(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores `(users, items)` in units of their spread for each user, so that parts can be added up."""
    return _standardized(scores, _spread(scores))


def without_seen(scores: NDArray[np.float32], histories: Histories) -> NDArray[np.float32]:
    """The scores with minus infinity for what is in each history."""
    users = np.repeat(np.arange(len(histories)), np.diff(histories.starts))
    scores[users, histories.item] = -np.inf
    return scores


def ranks_of(scores: NDArray[np.float32], wanted: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many items stand before the wanted one of each user, `(users,)`; those with the same score count half."""
    own = scores[np.arange(len(scores)), wanted][:, None]
    above = (scores > own).sum(axis=1)
    level = (scores == own).sum(axis=1) - 1
    return above + level / 2


def _standardized(scores: NDArray[np.float32], spread: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray((scores - scores.mean(axis=1, keepdims=True)) / spread)


def _spread(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(scores.std(axis=1, keepdims=True) + np.float32(1e-9))

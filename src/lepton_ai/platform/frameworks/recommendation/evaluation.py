"""How good recommendations are: each user's last item is held back and looked for among all that they had not had."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.adaptive.log import DecisionLog
from lepton_ai.platform.frameworks.recommendation.choosing import choose_ranking, hold_back
from lepton_ai.platform.frameworks.recommendation.histories import Histories, histories_of
from lepton_ai.platform.frameworks.recommendation.interactions import Interactions
from lepton_ai.platform.frameworks.recommendation.ranking import fit_ranking, ranks_of, without_seen
from lepton_ai.platform.frameworks.recommendation.ratings import choose_ratings, fit_ratings, split_ratings

_NEIGHBOURS = 50
_AT_ONCE = 512


@dataclass(frozen=True)
class Score:
    """What one way to recommend reaches.

    Args:
        hit_rate: The share of users whose item is among the first ten.
        ndcg: The same, with later places counting less.
        coverage: The share of all items that somebody is recommended.
        error: The standard error of the hit rate.
    """

    hit_rate: float
    ndcg: float
    coverage: float
    error: float


@dataclass(frozen=True)
class RecommendationReport:
    """What `Recommender.evaluate` measured.

    Args:
        users: How many users lost an item.
        length: How many items each list has.
        ours: This recommender, chosen and fitted without the items held back.
        neighbours: The cosine of items, the 50 nearest of each.
        popularity: The same list for everyone.
        rating_error: The root mean squared error on a fifth of each user's ratings; None without ratings.
        bias_error: The same of user and item biases alone.
    """

    users: int
    length: int
    ours: Score
    neighbours: Score
    popularity: Score
    rating_error: float | None
    bias_error: float | None

    def __str__(self) -> str:
        lines = [f"{'':<12} {'HR@' + str(self.length):>8} {'NDCG@' + str(self.length):>8} {'coverage':>9}"]
        for name in ("ours", "neighbours", "popularity"):
            score = getattr(self, name)
            lines.append(f"{name:<12} {score.hit_rate:8.4f} {score.ndcg:8.4f} {score.coverage:9.3f}")
        lines.append(f"{self.users} users, each one's last item among all others; HR within ±{2 * self.ours.error:.4f}")
        if self.rating_error is not None:
            lines.append(f"RMSE of ratings {self.rating_error:.4f}, of biases alone {self.bias_error:.4f}")
        return "\n".join(lines)


def evaluate(interactions: Interactions, seed: int, length: int) -> RecommendationReport:
    """Choose and fit on what is left when each user's last item is held back, and look where that item comes.

    Raises:
        InvalidInput: No user has two items.
    """
    seen, users, wanted = hold_back(interactions, seed)
    if not len(users):
        raise InvalidInput("evaluation needs users with two items or more, got none")
    histories = histories_of(seen).of(users)
    settings, _ = choose_ranking(seen, seed)
    ranking = fit_ranking(seen, settings)
    popularity = np.bincount(seen.item, minlength=len(seen.items)).astype(np.float32)
    neighbours = _neighbours(histories_of(seen).matrix())
    rated = (None, None) if interactions.rating is None else _rating_errors(interactions, seed)
    return RecommendationReport(
        len(users),
        length,
        _score(ranking.scores, histories, wanted, length),
        _score(lambda some: (some.matrix() @ neighbours).toarray(), histories, wanted, length),
        _score(lambda some: np.tile(popularity, (len(some), 1)), histories, wanted, length),
        *rated,
    )


def _score(scores_of: Any, histories: Histories, wanted: NDArray[np.int64], length: int) -> Score:
    ranks, recommended = [], set()
    for start in range(0, len(histories), _AT_ONCE):
        users = np.arange(start, min(start + _AT_ONCE, len(histories)))
        some = histories.of(users)
        scores = without_seen(scores_of(some), some)
        ranks.append(ranks_of(scores, wanted[users]))
        best = np.argpartition(-scores, min(length, scores.shape[1] - 1), axis=1)[:, :length]
        recommended.update(best.ravel().tolist())
    rank = np.concatenate(ranks)
    hit = rank < length
    error = float(np.std(hit) / np.sqrt(len(hit)))
    gain = float(np.mean(hit / np.log2(rank + 2)))
    return Score(float(hit.mean()), gain, len(recommended) / histories.items, error)


def _neighbours(rows: Any) -> Any:
    """The cosine of items, `(items, items)` sparse: for each item the 50 nearest speak for it."""
    norms = np.sqrt(np.maximum(np.asarray(rows.sum(axis=0)).ravel(), 1.0)).astype(np.float32)
    scaled = csr_matrix(rows.multiply(1.0 / norms))
    kept = []
    for start in range(0, rows.shape[1], _AT_ONCE):
        items = np.arange(start, min(start + _AT_ONCE, rows.shape[1]))
        near = (scaled[:, items].T @ scaled).toarray()
        near[np.arange(len(items)), items] = 0.0
        if near.shape[1] > _NEIGHBOURS:
            least = np.partition(near, -_NEIGHBOURS, axis=1)[:, [-_NEIGHBOURS]]
            near[near < least] = 0.0
        kept.append(csr_matrix(near.T))
    return csr_matrix(hstack(kept))


def _rating_errors(interactions: Interactions, seed: int) -> tuple[float, float]:
    learned, asked = split_ratings(interactions, seed)
    if not len(asked):
        raise InvalidInput("evaluation of ratings needs users with five ratings or more, got none")
    settings, _ = choose_ratings(learned, seed, DecisionLog())
    model = fit_ratings(learned, settings)
    biases = model.mean + model.user_bias[asked.user] + model.item_bias[asked.item]
    answers = model.predict(asked.user, asked.item, asked.time)
    wanted = np.asarray(asked.rating)
    return _root_mean_square(wanted - answers), _root_mean_square(wanted - biases)


def _root_mean_square(errors: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))

"""What a user would give an item: biases, the user's mood at the time, and what the other ratings say; closed form."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from lepton_ai.platform.frameworks.adaptive.choose import compare
from lepton_ai.platform.frameworks.adaptive.log import Decision, DecisionLog
from lepton_ai.platform.frameworks.recommendation.interactions import Interactions
from lepton_ai.platform.frameworks.recommendation.item_model import ItemModel, fit_item_model
from lepton_ai.platform.frameworks.recommendation.mood import Moods

_USER_DOUBTS = (2.0, 5.0, 10.0)
_ITEM_DOUBTS = (2.0, 3.0, 5.0, 10.0)
_ROUNDS = 12
_MOOD_DOUBTS = (50.0, 20.0, 10.0, 5.0)
_PENALTIES = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
_HELD_BACK = 0.2
_FEWEST_ROWS = 50
_USERS_AT_ONCE = 512

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class RatingSettings:
    """What was chosen.

    Args:
        user_doubt: How many ratings at the mean are added to each user's own.
        item_doubt: How many to each item's.
        mood_doubt: How many to a user's ratings around a moment, for the mood; None leaves the mood out.
        penalty: The ridge penalty of the item model on what biases leave over.
        share: How much of the item model's answer is added; 0 leaves it out.
    """

    user_doubt: float
    item_doubt: float
    mood_doubt: float | None
    penalty: float
    share: float


@dataclass(frozen=True)
class Ratings:
    """A fitted rating model.

    Args:
        settings: What was chosen.
        mean: The mean rating.
        user_bias: How far each user is above it `(users,)`.
        item_bias: How far each item is above it `(items,)`.
        low: The lowest rating seen.
        high: The highest.
        moods: The users' moods; None where they are left out.
        item_model: How what biases leave of one rating follows from what they leave of others; its rows hold that.
    """

    settings: RatingSettings
    mean: float
    user_bias: Numbers
    item_bias: Numbers
    low: float
    high: float
    moods: Moods | None
    item_model: ItemModel

    def predict(self, users: NDArray[np.int64], items: NDArray[np.int64], times: Numbers | None = None) -> Numbers:
        """The rating of each pair `(rows,)`; -1 stands for a user or item that is not known.

        Args:
            users: The users' numbers.
            items: The items' numbers.
            times: The moments asked about; left out, some moment after each user's last rating.
        """
        answers = self.mean + np.where(users >= 0, self.user_bias[users], 0.0)
        answers += np.where(items >= 0, self.item_bias[items], 0.0)
        if self.moods is not None:
            answers += self.moods.at(users, times)
        if self.settings.share:
            both = np.flatnonzero((users >= 0) & (items >= 0))
            answers[both] += self.settings.share * self.from_others(users[both], items[both])
        return np.clip(answers, self.low, self.high)

    def from_others(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> Numbers:
        """What the users' other ratings say of items, unscaled `(rows,)`."""
        who, place = np.unique(users, return_inverse=True)
        answers = np.zeros(len(users))
        for start in range(0, len(who), _USERS_AT_ONCE):
            told = self.item_model.scores(self.item_model.rows[who[start : start + _USERS_AT_ONCE]])
            rows = np.flatnonzero((place >= start) & (place < start + _USERS_AT_ONCE))
            answers[rows] = told[place[rows] - start, items[rows]]
        return answers


def choose_ratings(interactions: Interactions, seed: int, log: DecisionLog) -> tuple[RatingSettings, DecisionLog]:
    """Choose settings on a fifth of each user's ratings, the last ones where times are known, else at random."""
    learned, asked = split_ratings(interactions, seed)
    settings = RatingSettings(5.0, 3.0, None, 1000.0, 0.0)
    if len(asked) < _FEWEST_ROWS:
        why = f"only {len(asked)} ratings could be held back, {_FEWEST_ROWS} are needed to compare"
        return settings, log.with_decision(Decision("rate", "settings", {}, "biases", why))
    doubts = {
        f"{user:g} and {item:g}": replace(settings, user_doubt=user, item_doubt=item)
        for user in _USER_DOUBTS
        for item in _ITEM_DOUBTS
    }
    settings, log = _choose("doubt about users and items", doubts, learned, asked, log)
    if interactions.time is not None:
        moods = {f"{doubt:g}": replace(settings, mood_doubt=doubt) for doubt in _MOOD_DOUBTS}
        settings, log = _choose("doubt about the mood", {"no mood": settings, **moods}, learned, asked, log)
    shares = {f"{penalty:g}": _with_share(learned, asked, settings, penalty) for penalty in _PENALTIES}
    return _choose("penalty of the item model", {"no item model": settings, **shares}, learned, asked, log)


def fit_ratings(interactions: Interactions, settings: RatingSettings) -> Ratings:
    """Fit biases, mood and the item model."""
    rating = _rating(interactions)
    mean, user_bias, item_bias = _biases(interactions, settings)
    rest = rating - mean - user_bias[interactions.user] - item_bias[interactions.item]
    places = (interactions.user, interactions.item)
    matrix = csr_matrix((rest, places), shape=(len(interactions.users), len(interactions.items)))
    moods = None
    if settings.mood_doubt is not None and interactions.time is not None:
        moods = Moods(interactions.starts, interactions.time, rest, settings.mood_doubt)
    low, high = float(rating.min()), float(rating.max())
    item_model = fit_item_model(matrix, settings.penalty)
    return Ratings(settings, mean, user_bias, item_bias, low, high, moods, item_model)


def split_ratings(interactions: Interactions, seed: int) -> tuple[Interactions, Interactions]:
    """Four fifths of each user's ratings to learn from and a fifth to be asked, the last where times are known."""
    starts, count = interactions.starts, len(interactions)
    if interactions.time is None:
        asked = np.random.default_rng(seed).random(count) < _HELD_BACK
    else:
        size = np.diff(starts)[interactions.user]
        asked = np.arange(count) - starts[interactions.user] >= size - np.floor(size * _HELD_BACK)
    return interactions.take(np.flatnonzero(~asked)), interactions.take(np.flatnonzero(asked))


def _choose(
    what: str,
    candidates: Mapping[str, RatingSettings],
    learned: Interactions,
    asked: Interactions,
    log: DecisionLog,
) -> tuple[RatingSettings, DecisionLog]:
    """The candidate of the smallest error; the first within a standard error of it, if it leaves something out."""
    errors = {name: _errors(learned, asked, settings) for name, settings in candidates.items()}
    verdict = compare(errors)
    chosen, why = verdict.best, "it was best"
    if verdict.chosen.startswith("no "):
        chosen, why = verdict.chosen, verdict.why
    roots = {name: float(np.sqrt(mean)) for name, mean in verdict.means.items()}
    return candidates[chosen], log.with_decision(Decision("rate", what, roots, chosen, why))


def _with_share(learned: Interactions, asked: Interactions, settings: RatingSettings, penalty: float) -> RatingSettings:
    """The settings with the share of the item model that a line through the errors asks for."""
    model = fit_ratings(learned, replace(settings, penalty=penalty))
    left = _rating(asked) - model.predict(asked.user, asked.item, asked.time)
    told = model.from_others(asked.user, asked.item)
    return replace(settings, penalty=penalty, share=max(float(told @ left / (told @ told + 1e-9)), 0.0))


def _errors(learned: Interactions, asked: Interactions, settings: RatingSettings) -> Numbers:
    answers = fit_ratings(learned, settings).predict(asked.user, asked.item, asked.time)
    return np.square(_rating(asked) - answers)


def _biases(interactions: Interactions, settings: RatingSettings) -> tuple[float, Numbers, Numbers]:
    """Ridge regression on users and items, by turns."""
    rating, user, item = _rating(interactions), interactions.user, interactions.item
    users, items = len(interactions.users), len(interactions.items)
    mean = float(rating.mean())
    per_user = np.bincount(user, minlength=users) + settings.user_doubt
    per_item = np.bincount(item, minlength=items) + settings.item_doubt
    user_bias, item_bias = np.zeros(users), np.zeros(items)
    for _ in range(_ROUNDS):
        item_bias = np.bincount(item, rating - mean - user_bias[user], items) / per_item
        user_bias = np.bincount(user, rating - mean - item_bias[item], users) / per_user
    return mean, user_bias, item_bias


def _rating(interactions: Interactions) -> Any:
    return interactions.rating

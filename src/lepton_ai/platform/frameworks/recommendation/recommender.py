"""`Recommender`: what a user may want next, why, and how they would rate it; learned in seconds, in closed form."""

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lepton_ai.core.errors import Conflict, InvalidInput, NotFound, NotSupported
from lepton_ai.platform.frameworks.adaptive.log import DecisionLog
from lepton_ai.platform.frameworks.array_file import read_arrays, write_arrays
from lepton_ai.platform.frameworks.checks import check_count
from lepton_ai.platform.frameworks.recommendation.choosing import choose_ranking
from lepton_ai.platform.frameworks.recommendation.evaluation import RecommendationReport, evaluate
from lepton_ai.platform.frameworks.recommendation.histories import Histories, histories_of, one_history
from lepton_ai.platform.frameworks.recommendation.interactions import (
    Interactions,
    Name,
    read_interactions,
    seconds_of,
)
from lepton_ai.platform.frameworks.recommendation.ranking import Part, Ranking, RankingSettings, fit_ranking
from lepton_ai.platform.frameworks.recommendation.ratings import Ratings, RatingSettings, choose_ratings, fit_ratings

_KIND = "recommender"
_USERS_AT_ONCE = 512
_REASONS = 3
_LEAST_SHARE = 0.05


@dataclass(frozen=True)
class Recommendation:
    """One item for one user.

    Args:
        item: Its name.
        score: What is to be said for it, in units of the spread over all items.
        because: The items of the history that speak for it most; empty where only its popularity does.
    """

    item: Name
    score: float
    because: tuple[Name, ...]

    def __str__(self) -> str:
        return f"{self.item}" + (f" because of {', '.join(map(str, self.because))}" if self.because else "")


class Recommender:
    """Learns from who took what which items to offer whom.

    What ranks is chosen on each user's last item, held back while choosing: popularity, the closed-form item model
    (how much it forgets older items, how much it is penalised), which items follow which, and a blend of them.
    `log` tells what was tried and why it was chosen. Ratings, where there are any, get a model of their own.

    Args:
        user: The column of users; left out, the one called user, userId or customer_id, say. So for the others.
        item: The column of items.
        rating: The column of ratings, which may be missing.
        time: The column of times, numbers or dates, which may be missing. Without it order is not used.
        seed: Decides what is held back where times are not known, and which users where there are very many.

    Example:

        >>> taken = {"user": ["ann", "ann", "bob", "bob", "eve"], "item": ["tea", "cup", "tea", "cup", "tea"]}
        >>> recommender = Recommender().fit(taken)
        >>> print(recommender.recommend("eve", 1)[0])
        cup because of tea
    """

    def __init__(
        self,
        *,
        user: str | None = None,
        item: str | None = None,
        rating: str | None = None,
        time: str | None = None,
        seed: int = 0,
    ) -> None:
        self._columns = {"user": user, "item": item, "rating": rating, "time": time}
        self._seed = check_count(seed, "seed", least=0)
        self._fitted: _Fitted | None = None

    # Learning

    def fit(self, interactions: Any) -> Self:
        """Learn from interactions, one row each.

        Args:
            interactions: A pandas or polars frame, a dict of columns, a list of rows, the path of a CSV or Parquet
                file, an array of columns in the order user, item, rating, time, or a tuple of such arrays. Every row
                counts as taken, whatever its rating; where a user has an item twice, the later row counts.

        Raises:
            InvalidInput: Columns are missing, cells are empty, or there is only one item.
        """
        read = read_interactions(interactions, **self._columns)
        if len(read.items) < 2:
            raise InvalidInput(f"there must be two items or more to choose from, got {len(read.items)}")
        ranking_settings, log = choose_ranking(read, self._seed)
        rating_settings = None
        if read.rating is not None:
            rating_settings, log = choose_ratings(read, self._seed, log)
        self._fitted = _Fitted.of(read, ranking_settings, rating_settings, log)
        return self

    # What it knows

    @property
    def users(self) -> tuple[Name, ...]:
        """The users it learned from."""
        return self._known.interactions.users

    @property
    def items(self) -> tuple[Name, ...]:
        """The items it can recommend."""
        return self._known.interactions.items

    @property
    def log(self) -> DecisionLog:
        """What was tried, what was measured, what was chosen, and why."""
        return self._known.log

    # Recommending

    def recommend(self, user: Name, n: int = 10) -> tuple[Recommendation, ...]:
        """The best items that a user has not had, the best first, each with what speaks for it.

        Args:
            user: A user it learned from.
            n: How many.

        Raises:
            NotFound: It does not know the user.
        """
        known = self._known
        return known.recommend(known.histories.of([_number(known.user_numbers, user, "user")]), check_count(n, "n"))

    def recommend_many(self, users: Iterable[Name] | None = None, n: int = 10) -> dict[Name, tuple[Name, ...]]:
        """The best items for many users at once, without reasons: a second for some thousand users.

        Args:
            users: The users; all that it knows if left out.
            n: How many items for each.

        Raises:
            NotFound: It does not know one of the users.
        """
        known, n = self._known, check_count(n, "n")
        names = list(self.users) if users is None else _several(users, "user")
        numbers = [_number(known.user_numbers, name, "user") for name in names]
        found: dict[Name, tuple[Name, ...]] = {}
        for start in range(0, len(names), _USERS_AT_ONCE):
            histories = known.histories.of(numbers[start : start + _USERS_AT_ONCE])
            best = _best(known.ranking.scores(histories), n)
            for name, row in zip(names[start : start + _USERS_AT_ONCE], best, strict=True):
                found[name] = tuple(self.items[item] for item in row)
        return found

    def recommend_for_history(self, items: Sequence[Name], n: int = 10) -> tuple[Recommendation, ...]:
        """The best items for somebody new who has had these, the oldest first; the most popular for nobody's history.

        Args:
            items: What they have had. Items that it does not know are passed over.
            n: How many.
        """
        known = self._known
        taken = [_number_or_none(known.item_numbers, item) for item in _several(items, "item")]
        numbers = [number for number in taken if number is not None]
        return known.recommend(one_history(numbers, len(self.items)), check_count(n, "n"))

    def similar_items(self, item: Name, n: int = 10) -> tuple[Recommendation, ...]:
        """The items that having this one speaks for most, by the item model.

        Args:
            item: An item it learned from.
            n: How many.

        Raises:
            NotFound: It does not know the item.
        """
        known = self._known
        history = one_history([_number(known.item_numbers, item, "item")], len(self.items))
        scores = known.ranking.part_scores(Part.ITEMS, history)
        scores[0, history.item] = -np.inf
        best = _best(scores, check_count(n, "n"))[0]
        return tuple(Recommendation(self.items[place], float(scores[0, place]), (item,)) for place in best)

    def predict_rating(
        self, users: Name | Sequence[Name], items: Name | Sequence[Name], at: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """How users would rate items, pair by pair.

        Args:
            users: One user, or one for each pair.
            items: One item, or one for each pair.
            at: When, as in the column of times: a user's ratings of about that time tell their mood, which matters.
                Left out, some moment after the user's last rating.

        Returns:
            The ratings `(pairs,)`. A user or item that it does not know counts as an average one.

        Raises:
            NotSupported: It learned from no ratings.
            InvalidInput: The lengths differ.
        """
        known = self._known
        if known.ratings is None:
            raise NotSupported(
                "predicting ratings needs ratings to learn from, got none",
                hint="Name their column: Recommender(rating='stars').",
            )
        people, things = _listed(users), _listed(items)
        count = max(len(people), len(things))
        times = None if at is None else _seconds(at)
        lengths = {len(people), len(things), *([] if times is None else [len(times)])}
        if not people or not things:
            raise InvalidInput(f"`users` and `items` must hold pairs, got {len(people)} and {len(things)}")
        if not lengths <= {1, count}:
            raise InvalidInput(f"`users` and `items` must be as many, got {len(people)} and {len(things)}")
        user, item = (
            np.broadcast_to([-1 if number is None else number for number in numbers], (count,))
            for numbers in (
                [_number_or_none(known.user_numbers, name) for name in people],
                [_number_or_none(known.item_numbers, name) for name in things],
            )
        )
        return known.ratings.predict(user, item, None if times is None else np.broadcast_to(times, (count,)))

    # Judging, saving

    def evaluate(self, n: int = 10) -> RecommendationReport:
        """Measure it: each user's last item is held back, all is chosen and fitted anew, and all items are ranked.

        Args:
            n: How long a list is.

        Raises:
            InvalidInput: No user has two items.
        """
        return evaluate(self._known.interactions, self._seed, check_count(n, "n"))

    def save(self, path: str | Path) -> Path:
        """Write it to one `.npz` file: the interactions and what was chosen, from which `load` solves it again.

        Whoever has the file has the interactions.
        """
        known = self._known
        read = known.interactions
        document = {
            "kind": _KIND,
            "version": 1,
            "columns": self._columns,
            "seed": self._seed,
            "users": list(read.users),
            "items": list(read.items),
            "ranking": asdict(known.ranking.settings),
            "ratings": None if known.ratings is None else asdict(known.ratings.settings),
            "log": known.log.to_json(),
        }
        optional = {"rating": read.rating, "time": read.time}
        arrays = {"user": read.user, "item": read.item, **{k: v for k, v in optional.items() if v is not None}}
        return write_arrays(path, document, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            NotFound: There is no such file.
            InvalidInput: It holds something else.
        """
        document, arrays = read_arrays(path, _KIND)
        recommender = cls(**document["columns"], seed=document["seed"])
        names = tuple(document["users"]), tuple(document["items"])
        read = Interactions(*names, arrays["user"], arrays["item"], arrays.get("rating"), arrays.get("time"))
        ranking = document["ranking"]
        weights = {Part(name): weight for name, weight in ranking["weights"].items()}
        settings = RankingSettings(ranking["penalty"], ranking["memory"], weights)
        rating_settings = None if document["ratings"] is None else RatingSettings(**document["ratings"])
        recommender._fitted = _Fitted.of(read, settings, rating_settings, DecisionLog.from_json(document["log"]))
        return recommender

    def __str__(self) -> str:
        if self._fitted is None:
            return "Recommender, not fitted"
        read, settings = self._fitted.interactions, self._fitted.ranking.settings
        parts = ", ".join(f"{part.value} {weight:g}" for part, weight in settings.weights.items())
        return (
            f"Recommender of {len(read.items)} items, from {len(read)} interactions of {len(read.users)} users: {parts}"
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        log = "" if self._fitted is None else self._fitted.log._repr_html_()
        return f"<p><b>{html.escape(str(self))}</b></p>{log}"

    @property
    def _known(self) -> "_Fitted":
        if self._fitted is None:
            raise Conflict("the recommender has learned nothing yet", hint="Call fit(interactions) first.")
        return self._fitted


@dataclass(frozen=True)
class _Fitted:
    """Everything that a fit leaves behind."""

    interactions: Interactions
    histories: Histories
    user_numbers: Mapping[Name, int]
    item_numbers: Mapping[Name, int]
    ranking: Ranking
    ratings: Ratings | None
    log: DecisionLog

    @classmethod
    def of(
        cls,
        interactions: Interactions,
        ranking: RankingSettings,
        ratings: RatingSettings | None,
        log: DecisionLog,
    ) -> Self:
        return cls(
            interactions,
            histories_of(interactions),
            {name: number for number, name in enumerate(interactions.users)},
            {name: number for number, name in enumerate(interactions.items)},
            fit_ranking(interactions, ranking),
            None if ratings is None else fit_ratings(interactions, ratings),
            log,
        )

    def recommend(self, history: Histories, n: int) -> tuple[Recommendation, ...]:
        names = self.interactions.items
        if not len(history.item):
            best = np.argsort(-self.ranking.popularity, kind="stable")[:n]
            return tuple(Recommendation(names[item], float(self.ranking.popularity[item]), ()) for item in best)
        scores, spreads = self.ranking.scores_and_spreads(history)
        best = _best(scores, n)[0]
        shares = self.ranking.contributions(history, best, spreads)
        found = []
        for place, item in enumerate(best):
            total = np.maximum(shares[:, place], 0.0).sum()
            order = np.argsort(-shares[:, place], kind="stable")[:_REASONS]
            because = [names[history.item[row]] for row in order if shares[row, place] > _LEAST_SHARE * total]
            found.append(Recommendation(names[item], float(scores[0, item]), tuple(because)))
        return tuple(found)


def _best(scores: NDArray[np.float32], n: int) -> list[NDArray[np.int64]]:
    """The `n` best items of each row, the best first; fewer where fewer are left. Of equal ones the first wins."""
    found = []
    for row in scores:
        if n < len(row):
            least = np.partition(row, len(row) - n)[len(row) - n]
            candidates = np.flatnonzero(row >= least)
        else:
            candidates = np.arange(len(row))
        order = candidates[np.argsort(-row[candidates], kind="stable")][:n]
        found.append(order[np.isfinite(row[order])])
    return found


def _number(numbers: Mapping[Name, int], name: Name, role: str) -> int:
    number = _number_or_none(numbers, name)
    if number is None:
        hint = "recommend_for_history(items) answers for somebody new." if role == "user" else None
        came = f"{name!r} ({type(name).__name__})"
        raise NotFound(f"the {role} must be one that was learned from, got {came}", hint=hint)
    return number


def _number_or_none(numbers: Mapping[Name, int], name: Any) -> int | None:
    """None for a name that it does not know, whatever it is."""
    try:
        return numbers.get(name)
    except TypeError:  # a list, say, which cannot be looked up
        return None


def _several(names: Any, role: str) -> list[Any]:
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise InvalidInput(f"`{role}s` must be a list of {role}s, got {names!r}", hint=f"Write [{role}].")
    return list(names)


def _listed(names: Any) -> list[Name]:
    if isinstance(names, np.ndarray) or hasattr(names, "to_numpy"):
        return np.atleast_1d(np.asarray(names)).tolist()
    return list(names) if isinstance(names, list | tuple) else [int(names) if isinstance(names, np.integer) else names]


def _seconds(at: ArrayLike) -> NDArray[np.float64]:
    array = np.atleast_1d(np.asarray(at))
    try:
        seconds = array.astype(np.float64) if array.dtype.kind in "fiu" else seconds_of(array.astype("datetime64[us]"))
        if not np.isfinite(seconds).all():
            raise ValueError("not finite")
        return seconds
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"`at` must be times as in the column of times, got {at!r}") from error

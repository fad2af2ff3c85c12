"""How the ranking is chosen: each user's last item is held back, and the settings that rank it best win."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.adaptive.choose import compare
from lepton_ai.platform.frameworks.adaptive.log import Decision, DecisionLog
from lepton_ai.platform.frameworks.recommendation.histories import Histories, histories_of
from lepton_ai.platform.frameworks.recommendation.interactions import Interactions
from lepton_ai.platform.frameworks.recommendation.ranking import (
    Part,
    Ranking,
    RankingSettings,
    fit_ranking,
    ranks_of,
    standardized,
    without_seen,
)

_PENALTIES = (30.0, 100.0, 200.0, 500.0, 1000.0, 2000.0)
_MEMORIES = (100.0, 30.0, 10.0, 5.0, 3.0)
_SHARES = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
_USUAL_PENALTY = 200.0
_FEWEST_USERS = 20
_MOST_USERS = 2000
_MOST_SCORES = 20_000_000
_SWEEPS = 2

Losses = NDArray[np.float64]


def choose_ranking(interactions: Interactions, seed: int) -> tuple[RankingSettings, DecisionLog]:
    """Choose settings by each user's last item, which the candidates do not see.

    Where the time of interactions is not known, an item drawn at random is held back, and order is not used.

    The loss of a user is 1 minus the discounted gain of the item held back, 1 / log2(rank + 2), over all ranks: it
    follows every change of the order and not only what happens around the tenth place.
    """
    seen, users, wanted = hold_back(interactions, seed)
    log = DecisionLog()
    if len(users) < _FEWEST_USERS:
        why = f"only {len(users)} users have two items, {_FEWEST_USERS} are needed to compare"
        settings = RankingSettings(_USUAL_PENALTY, None, {Part.ITEMS: 1.0, Part.POPULARITY: 0.1})
        return settings, log.with_decision(Decision("rank", "settings", {}, "the usual ones", why))
    histories = histories_of(seen).of(users)
    ordered = interactions.time is not None
    penalty, log = _choose_penalty(seen, histories, wanted, log)
    base = fit_ranking(seen, RankingSettings(penalty, None, {Part.ITEMS: 1.0, **({Part.NEXT: 1.0} if ordered else {})}))
    memory, log = _choose_memory(base, histories, wanted, log) if ordered else (None, log)
    ranking = replace(base, settings=replace(base.settings, memory=memory))
    weights, log = _choose_weights(ranking, histories, wanted, log)
    return RankingSettings(penalty, memory, weights), log


def hold_back(interactions: Interactions, seed: int) -> tuple[Interactions, NDArray[np.int64], NDArray[np.int64]]:
    """Hold back each user's last item, or one at random where times are not known.

    Returns:
        The interactions that are left; the users who had two or more, at most 2,000 of them; the item each one lost.
    """
    starts = interactions.starts
    users = np.flatnonzero(np.diff(starts) >= 2)
    random = np.random.default_rng(seed)
    most = min(_MOST_USERS, max(_MOST_SCORES // len(interactions.items), _FEWEST_USERS))
    if len(users) > most:
        users = np.sort(random.choice(users, most, replace=False))
    held_back = starts[users + 1] - 1
    if interactions.time is None:
        held_back = random.integers(starts[users], starts[users + 1])
    left = np.ones(len(interactions), bool)
    left[held_back] = False
    return interactions.take(np.flatnonzero(left)), users, interactions.item[held_back]


def losses_of(ranks: NDArray[np.float64]) -> Losses:
    """The loss of each user: 1 minus the discounted gain.

    Example:

        >>> losses_of(np.array([0.0, 2.0])).tolist()
        [0.0, 0.5]
    """
    return 1.0 - 1.0 / np.log2(ranks + 2.0)


def _choose_penalty(
    seen: Interactions, histories: Histories, wanted: NDArray[np.int64], log: DecisionLog
) -> tuple[float, DecisionLog]:
    losses = {}
    for penalty in sorted(_PENALTIES, reverse=True):
        ranking = fit_ranking(seen, RankingSettings(penalty, None, {Part.ITEMS: 1.0}))
        losses[f"{penalty:g}"] = _losses(ranking.scores(histories), wanted)
    # A penalty is no matter of simplicity: the best one is taken.
    verdict = compare(losses)
    chosen = Decision("rank", "penalty of the item model", verdict.means, verdict.best, "it was best")
    return float(verdict.best), log.with_decision(chosen)


def _choose_memory(
    ranking: Ranking, histories: Histories, wanted: NDArray[np.int64], log: DecisionLog
) -> tuple[float | None, DecisionLog]:
    losses = {}
    for memory in (None, *_MEMORIES):
        each = replace(ranking, settings=replace(ranking.settings, memory=memory))
        scores = without_seen(each.part_scores(Part.ITEMS, histories), histories)
        losses["all alike" if memory is None else f"{memory:g} items"] = _losses(scores, wanted)
    verdict = compare(losses)
    memory = None if verdict.chosen == "all alike" else float(verdict.chosen.split()[0])
    told = Decision("rank", "memory of the item model", verdict.means, verdict.chosen, verdict.why)
    return memory, log.with_decision(told)


def _choose_weights(
    ranking: Ranking, histories: Histories, wanted: NDArray[np.int64], log: DecisionLog
) -> tuple[Mapping[Part, float], DecisionLog]:
    """The best of each part alone and of their blend; a blend must win by a standard error."""
    parts = [part for part in Part if part is not Part.NEXT or ranking.next_items is not None]
    scores = {part: standardized(ranking.part_scores(part, histories)) for part in parts}

    def losses(weights: Mapping[Part, float]) -> Losses:
        mixed = sum(weight * scores[part] for part, weight in weights.items() if weight)
        return _losses(without_seen(np.asarray(mixed), histories), wanted)

    candidates: dict[str, Mapping[Part, float]] = {part.value: {part: 1.0} for part in parts}
    measured = {name: losses(weights) for name, weights in candidates.items()}
    leader = min(parts, key=lambda part: float(measured[part.value].mean()))
    candidates["blend"] = _blend(leader, parts, losses)
    measured["blend"] = losses(candidates["blend"])
    verdict = compare(measured)
    weights = candidates[verdict.chosen]
    shown = {**verdict.means, **{f"weight of {part.value}": weight for part, weight in candidates["blend"].items()}}
    return weights, log.with_decision(Decision("rank", "what ranks", shown, verdict.chosen, verdict.why))


def _blend(leader: Part, parts: list[Part], losses: Callable[[Mapping[Part, float]], Losses]) -> Mapping[Part, float]:
    """Weights beside the leader's 1, each in turn, the smallest that is best."""
    weights = {part: 1.0 if part is leader else 0.0 for part in parts}
    for part in _turns(leader, parts):
        tried = {share: float(losses({**weights, part: share}).mean()) for share in _SHARES}
        weights[part] = min(tried, key=lambda share: tried[share])
    return {part: weight for part, weight in weights.items() if weight}


def _turns(leader: Part, parts: list[Part]) -> Iterator[Part]:
    for _ in range(_SWEEPS):
        yield from (part for part in reversed(parts) if part is not leader)


def _losses(scores: NDArray[np.float32], wanted: NDArray[np.int64]) -> Losses:
    return losses_of(ranks_of(scores, wanted))

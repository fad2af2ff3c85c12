"""The race of forecasts: each is fitted up to every cut and asked beyond it; what is best there is fitted on all."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.adaptive.choose import compare
from lepton_ai.platform.frameworks.adaptive.log import Decision, DecisionLog
from lepton_ai.platform.frameworks.forecasting.candidates import Candidate, Family, Task, candidates_for
from lepton_ai.platform.frameworks.forecasting.folds import Fold
from lepton_ai.platform.frameworks.forecasting.methods import Blend
from lepton_ai.platform.frameworks.forecasting.panel import Numbers, Panel
from lepton_ai.platform.frameworks.forecasting.trial import Trial, forecasts_beyond, trial_of

Weights = Mapping[str, float]

# Candidates to blend: the best of each family, or all with an error up to a multiple of the least, twelve at most.
_POOLS = (1.5, 2.0, 6.0)
_BLENDED = 12
_LEAST_WEIGHT = 0.04
_FEWEST_BLOCKS = 8
# How far weights are drawn towards equal ones, in units of the least error of a candidate.
_SHRINKAGES = (1.0, 0.3, 0.1, 0.03)


def race(
    panel: Panel, there: NDArray[np.bool_], folds: Sequence[Fold], task: Task
) -> tuple[Trial, Mapping[str, Candidate]]:
    """Let every candidate forecast beyond every cut.

    Args:
        panel: The history, filled.
        there: Which of its values were really there `(rows, time)`.
        folds: The cuts.
        task: What is to be forecast.

    Returns:
        What they forecast, and the candidates by name, the simplest first.
    """
    candidates = {each.name: each for each in candidates_for(panel, there, folds, task)}
    forecasts = {}
    for name, candidate in candidates.items():
        forecast = forecasts_beyond(panel, folds, candidate.fit, task.horizon)
        if forecast is not None and np.isfinite(forecast).all():
            forecasts[name] = forecast
    return replace(trial_of(panel, there, folds, task.horizon), forecasts=forecasts), candidates


def choose(trial: Trial, families: Mapping[str, Family], log: DecisionLog) -> tuple[Weights, DecisionLog]:
    """The weights of the candidates that forecast from now on: one of them alone, or several blended.

    Each family sends its best member, and of these, from simple to rich, the first within a standard error of the best
    is taken. A blend (Bates and Granger, The Combination of Forecasts, 1969) is taken where its error, on folds that
    its weights were not found on, is smaller by a standard error; where there are too few blocks to tell one, where it
    is smaller at all.
    """
    losses = {name: trial.losses(forecast) for name, forecast in trial.forecasts.items()}
    means = {name: float(loss.mean()) for name, loss in losses.items()}
    best_of = {
        family: min((name for name in losses if families[name] is family), key=lambda name: means[name])
        for family in Family
        if any(families[name] is family for name in losses)
    }
    verdict = compare({name: losses[name] for name in best_of.values()})
    log = log.with_decision(Decision("race", "mean squared error beyond the cuts", means, verdict.chosen, verdict.why))
    single = verdict.means[verdict.chosen]
    leaders = _pool({name: means[name] for name in best_of.values()}, _POOLS[-1])
    pools = [*(_pool(means, factor) for factor in _POOLS), leaders]
    found = {
        f"pool {place}, drawn by {shrinkage}": blend
        for shrinkage, (place, pool) in product(_SHRINKAGES, enumerate(pools))
        if (blend := _blend(trial, pool, shrinkage)) is not None
    }
    if not found:
        return {verdict.chosen: 1.0}, log
    blended_losses = {name: trial.losses(forecast) for name, (forecast, _) in found.items()}
    between = compare(blended_losses)
    # The one drawn most towards equal weights, if none is better by a standard error; a few blocks tell no such error.
    enough = len(blended_losses[between.best]) >= _FEWEST_BLOCKS
    blended, weights = found[between.chosen if enough else between.best]
    pair = {verdict.chosen: losses[verdict.chosen], "blend": trial.losses(blended)}
    loss = float(pair["blend"].mean())
    measured = {verdict.chosen: single, "blend": loss, **{f"weight of {name}": each for name, each in weights.items()}}
    better = compare(pair).chosen == "blend" if enough else loss < single
    chosen, whether = ("blend", "was") if better else (verdict.chosen, "was not")
    by = " by a standard error" if enough else ""
    why = f"the blend {whether} better{by} on folds that its weights were not found on"
    log = log.with_decision(Decision("race", "blend", measured, chosen, why))
    return weights if better else {verdict.chosen: 1.0}, log


def fit_all(panel: Panel, candidates: Mapping[str, Candidate], weights: Weights) -> Blend:
    """Fit what was chosen on the whole history."""
    methods = [(candidates[name].fit(panel), weight) for name, weight in weights.items()]
    found = [(method, weight) for method, weight in methods if method is not None]
    total = sum(weight for _, weight in found)
    return Blend(tuple(method for method, _ in found), tuple(weight / total for _, weight in found))


def blended_forecast(trial: Trial, weights: Weights) -> Numbers:
    """What the chosen weights forecast beyond the cuts, `(rows, origins, horizon)`."""
    parts = [weight * trial.forecasts[name] for name, weight in weights.items()]
    return np.asarray(sum(parts[1:], parts[0]))


def _pool(means: Mapping[str, float], factor: float) -> list[str]:
    """The candidates whose loss is within a factor of the best, in the order of the race."""
    limit = factor * min(means.values())
    ranked = sorted((name for name in means if means[name] <= limit), key=lambda name: means[name])[:_BLENDED]
    return [name for name in means if name in ranked]


def _blend(trial: Trial, names: Sequence[str], shrinkage: float) -> tuple[Numbers, Weights] | None:
    """Forecasts blended by weights that were found on the other folds, and the weights found on all of them."""
    folds = np.unique(trial.fold)
    if len(names) < 2 or len(folds) < 2:
        return None
    errors = np.stack([trial.errors(trial.forecasts[name]) for name in names])
    blended = np.empty_like(trial.truth)
    for fold in folds:
        other, mine = trial.fold != fold, trial.fold == fold
        weights = _weights(errors[:, :, other].reshape(len(names), -1), shrinkage)
        blended[:, mine] = sum(w * trial.forecasts[name][:, mine] for name, w in zip(names, weights, strict=True))
    weights = _weights(errors.reshape(len(names), -1), shrinkage)
    kept = {name: float(weight) for name, weight in zip(names, weights, strict=True) if weight >= _LEAST_WEIGHT}
    total = sum(kept.values())
    return blended, {name: weight / total for name, weight in kept.items()}


def _weights(errors: Numbers, shrinkage: float) -> Numbers:
    """Weights from 0, adding up to 1, of the least squared error, drawn towards equal ones.

    Args:
        errors: The errors of each candidate, `(candidates, examples)`.
        shrinkage: How far; see `_SHRINKAGES`.
    """
    from scipy.optimize import nnls

    gram = errors @ errors.T / errors.shape[1]
    usual = max(float(np.diag(gram).mean()), 1e-300)
    least = max(float(np.diag(gram).min()) / usual, 1e-6)
    sizes, vectors = np.linalg.eigh(gram / usual + shrinkage * least * np.eye(len(gram)))
    root = np.sqrt(np.maximum(sizes, 0.0))[:, np.newaxis] * vectors.T
    # The sum is held to 1 by one more equation that outweighs the others.
    firm = 1e3 * np.sqrt(max(float(sizes.max()), 1.0))
    weights, _ = nnls(np.vstack([root, np.full(len(gram), firm)]), np.append(np.zeros(len(gram)), firm))
    return np.asarray(weights / weights.sum())

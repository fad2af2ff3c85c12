"""Which film comes next, and how it is rated (MovieLens, 671 users); popularity and neighbours, and biases, beside."""

import gzip

import numpy as np
import polars as pl

CHECKS = (
    ("ours HR@10", ">=", 0.083),
    ("ours NDCG@10", ">=", 0.043),
    ("ours rmse of a random fifth", "<=", 0.870),
    ("ours rmse of a random fifth, moment told", "<=", 0.870),
    ("ours rmse of the last fifth", "<=", 0.892),
)


def measure(root, seed):
    """Each user's last film among all others; ratings of a random fifth and of the last fifth of each user."""
    from lepton_ai import Recommender

    with gzip.open(root / "ml_latest_small/ratings.csv.gz") as file:
        frame = pl.read_csv(file.read())
    ranked = Recommender(item="movieId", user="userId", seed=seed).fit(frame).evaluate()
    told = {}
    for name in ("ours", "neighbours", "popularity"):
        score = getattr(ranked, name)
        told |= {f"{name} HR@10": score.hit_rate, f"{name} NDCG@10": score.ndcg}
    place = pl.col("timestamp").rank("ordinal").over("userId") / pl.len().over("userId")
    is_last = frame.select(place > 0.8).to_series().to_numpy()
    is_drawn = np.random.default_rng(seed).random(len(frame)) < 0.2
    for label, held in (("a random fifth", is_drawn), ("the last fifth", is_last)):
        train, test = frame.filter(~held), frame.filter(held)
        model = Recommender(item="movieId", user="userId", seed=seed).fit(train)
        pairs, truth = (test["userId"].to_list(), test["movieId"].to_list()), test["rating"].to_numpy()
        for moment, at in (("", None), (", moment told", test["timestamp"].to_list())):
            answers = np.asarray(model.predict_rating(*pairs, at=at))
            told[f"ours rmse of {label}{moment}"] = float(np.sqrt(np.mean((answers - truth) ** 2)))
        told[f"mean rmse of {label}"] = float(np.sqrt(np.mean((train["rating"].mean() - truth) ** 2)))
    return told

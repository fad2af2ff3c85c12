"""Messages that nobody asked for (SMS spam), each text once, five folds; words with a line beside."""

import gzip

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline

CHECKS = (("ours f1", ">=", 0.962), ("ours recall at 0.2 % false alarms", ">=", 0.95))


def measure(root, seed):
    """F1 at one half, and the share of spam that is found where two of a thousand others are taken for it."""
    from lepton_ai import Model, Schema

    with gzip.open(root / "sms_spam/SMSSpamCollection.gz", "rt", encoding="utf-8") as lines:
        found = dict(reversed(line.rstrip("\n").split("\t", 1)) for line in lines)
    texts, labels = list(found), np.array(list(found.values()))
    y = (labels == "spam").astype(int)
    frame = pl.DataFrame({"text": texts, "kind": labels})
    ours, line = np.zeros(len(y)), np.zeros(len(y))
    for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(texts, y):
        rows = frame[train]
        model = Model(schema=Schema.infer(rows, target="kind", kinds={"text": "text"}), seed=seed)
        model.fit(rows, verbose=0)
        ours[test] = model.predict(frame[test].select("text"), verbose=0)[:, list(model.labels).index("spam")]
        words = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=100, max_iter=300))
        words.fit([texts[row] for row in train], y[train])
        line[test] = words.predict_proba([texts[row] for row in test])[:, 1]
    return {**_told("ours", ours, y), **_told("line", line, y)}


def _told(name, chances, y):
    bar = np.quantile(chances[y == 0], 0.998, method="higher")
    return {
        f"{name} f1": float(f1_score(y, chances >= 0.5)),
        f"{name} recall at 0.2 % false alarms": float((chances[y == 1] > bar).mean()),
    }

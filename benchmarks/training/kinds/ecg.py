"""Heartbeats of five kinds (ECG5000), 500 of 140 points, five folds; the nearest neighbour beside."""

import gzip

import numpy as np
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier

CHECKS = (
    ("ours accuracy", ">=", 0.945),
    ("gain macro-F1", ">=", 0.05),
    ("ours accuracy of 70 points", ">=", 0.92),
)


def measure(root, seed):
    """Accuracy and macro-F1 over all folds, of whole beats and of their first half."""
    from lepton_ai import Model

    x, y = _beats(root)
    ours, half, nearest = (np.zeros(len(y), int) for _ in range(3))
    for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(x, y):
        for answers, points in ((ours, 140), (half, 70)):
            model = Model(input_shape=(points, 1), num_classes=5, seed=seed)
            model.fit(x[train, :points, None], y[train], verbose=0)
            answers[test] = model.predict(x[test, :points, None], verbose=0).argmax(axis=1)
        nearest[test] = KNeighborsClassifier(1).fit(x[train], y[train]).predict(x[test])
    told = {f"{name} accuracy": float((each == y).mean()) for name, each in (("ours", ours), ("nearest", nearest))}
    f1 = {name: float(f1_score(y, each, average="macro")) for name, each in (("ours", ours), ("nearest", nearest))}
    return {
        **told,
        "ours accuracy of 70 points": float((half == y).mean()),
        "ours macro-F1": f1["ours"],
        "nearest macro-F1": f1["nearest"],
        "gain macro-F1": f1["ours"] - f1["nearest"],
    }


def _beats(root):
    with gzip.open(root / "ecg5000_train/ECG5000_TRAIN.arff.gz", "rt") as lines:
        rows = [line.split(",") for line in lines if line[:1] in "-0123456789"]
    table = np.array(rows, np.float64)
    return table[:, :-1].astype(np.float32), table[:, -1].astype(int) - 1

"""LightGBM with its defaults, or with one fixed cautious setting (no search)."""

from columns import as_categories

CAUTIOUS = {
    "n_estimators": 400,
    "learning_rate": 0.03,
    "num_leaves": 15,
    "min_child_samples": 30,
    "subsample": 0.8,
    "subsample_freq": 1,
    "colsample_bytree": 0.7,
}


def predictions(job):
    """Predictions for the test rows."""
    train, test = job.train, job.test
    import lightgbm

    y = train.pop("target")
    train, test = as_categories(train, test)
    kind = lightgbm.LGBMRegressor if job.is_regression else lightgbm.LGBMClassifier
    settings = CAUTIOUS if job.variant == "cautious" else {}
    model = kind(random_state=job.seed, verbose=-1, n_jobs=job.threads, **settings).fit(train, y)
    return model.predict(test) if job.is_regression else model.predict_proba(test)

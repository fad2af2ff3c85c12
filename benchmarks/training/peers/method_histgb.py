"""scikit-learn's histogram gradient boosting with its defaults."""

from columns import as_categories


def predictions(job):
    """Predictions for the test rows."""
    train, test = job.train, job.test
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    y = train.pop("target")
    train, test = as_categories(train, test)
    kind = HistGradientBoostingRegressor if job.is_regression else HistGradientBoostingClassifier
    model = kind(categorical_features="from_dtype", random_state=job.seed).fit(train, y)
    return model.predict(test) if job.is_regression else model.predict_proba(test)

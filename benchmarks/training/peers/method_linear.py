"""Logistic or ridge regression with scikit-learn's defaults on one-hot and standardised columns."""

from columns import one_hot


def predictions(job):
    """Predictions for the test rows."""
    train, test = job.train, job.test
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline

    y = train.pop("target")
    model = make_pipeline(one_hot(train), Ridge() if job.is_regression else LogisticRegression(max_iter=2000)).fit(
        train, y
    )
    return model.predict(test) if job.is_regression else model.predict_proba(test)

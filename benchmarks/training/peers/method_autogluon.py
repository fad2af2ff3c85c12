"""AutoGluon, medium quality, with a limit on its wall time in seconds (`autogluon:60`)."""


def predictions(job):
    """Predictions for the test rows."""
    train, test = job.train, job.test
    from autogluon.tabular import TabularPredictor

    classes = 1 if job.is_regression else train["target"].nunique()
    kind = "regression" if job.is_regression else "binary" if classes == 2 else "multiclass"
    metric = {"regression": "root_mean_squared_error", "binary": "roc_auc", "multiclass": "log_loss"}[kind]
    model = TabularPredictor(label="target", problem_type=kind, eval_metric=metric, path=job.scratch, verbosity=0)
    model.fit(train, time_limit=float(job.variant or 60), presets="medium_quality", num_cpus=job.threads)
    answers = model.predict(test) if job.is_regression else model.predict_proba(test)
    return answers.to_numpy()

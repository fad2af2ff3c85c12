"""RealMLP-TD and TabM with their published defaults (pytabkit, torch)."""

from columns import categories


def predictions(job):
    """Predictions for the test rows."""
    train, test = job.train, job.test
    import numpy as np
    import pytabkit
    import torch

    torch.set_num_threads(job.threads)
    y = train.pop("target")
    base = {"realmlp": "RealMLP_TD", "tabm": "TabM_D"}[job.variant]
    settings = {"device": "cpu", "random_state": job.seed, "n_threads": job.threads, "verbosity": 0}
    if base == "RealMLP_TD" and not job.is_regression:
        # Its own advice where a ranking of probabilities counts.
        settings |= {"val_metric_name": "cross_entropy", "use_ls": False}
    kind = getattr(pytabkit, base + ("_Regressor" if job.is_regression else "_Classifier"))
    model = kind(**settings).fit(train, y, cat_col_names=categories(train))
    return np.ravel(model.predict(test)) if job.is_regression else model.predict_proba(test)

"""Whether sentences about films are kind (SST-2), the published dev part; a line on words and pairs of words beside."""

import gzip

import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

CHECKS = (("ours accuracy", ">=", 0.840),)


def measure(root, seed):
    """Accuracy on 872 sentences."""
    from lepton_ai import Model, Schema

    train, dev = (_read(root / f"sst2/{part}.tsv.gz") for part in ("train", "dev"))
    schema = Schema.infer(train, target="label", kinds={"sentence": "text"})
    model = Model(schema=schema, seed=seed)
    model.fit(train, verbose=0)
    answers = model.predict(dev.select("sentence"), verbose=0).argmax(axis=1)
    line = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10, max_iter=300))
    line.fit(train["sentence"].to_list(), train["label"].to_list())
    truth = dev["label"].to_numpy()
    return {
        "ours accuracy": float((answers == truth).mean()),
        "line accuracy": float((line.predict(dev["sentence"].to_list()) == truth).mean()),
    }


def _read(path):
    with gzip.open(path) as file:
        return pl.read_csv(file.read(), separator="\t", quote_char=None)

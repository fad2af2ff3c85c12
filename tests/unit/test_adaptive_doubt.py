"""Labels that are wrong at random are told from labels that are hard to know."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_ai.platform.frameworks.adaptive.doubt import likely_wrong, random_labels

ROWS = 1500


def drawn(shares: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A label for each row, drawn by its own shares `(batch, classes)`."""
    return (shares.cumsum(axis=1) > random.random((len(shares), 1))).argmax(axis=1)


@settings(max_examples=40)
@given(
    classes=st.integers(4, 20),
    flatness=st.sampled_from([0.02, 0.1, 0.3]),
    seed=st.integers(0, 10_000),
)
def test_labels_that_are_hard_to_know_are_not_doubted(classes: int, flatness: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.full(classes, flatness), ROWS)
    assert not random_labels(drawn(shares, random), shares).matters


@settings(max_examples=40)
@given(
    classes=st.integers(4, 20),
    noise=st.sampled_from([0.15, 0.2, 0.3, 0.4]),
    flatness=st.sampled_from([0.005, 0.02]),
    seed=st.integers(0, 10_000),
)
def test_labels_wrong_at_random_are_found_and_counted(classes: int, noise: float, flatness: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    clean = random.dirichlet(np.full(classes, flatness), ROWS)
    true = drawn(clean, random)
    labels = np.where(random.random(ROWS) < noise, random.integers(0, classes, ROWS), true)
    shares = (1 - noise) * clean + noise / classes
    found = random_labels(labels, shares)
    assert found.matters
    assert found.share == pytest.approx(noise, abs=0.13)
    leaving = likely_wrong(labels, shares)
    wrong = np.flatnonzero(labels != true)
    assert len(np.intersect1d(leaving, wrong)) > 0.75 * len(wrong)
    assert len(np.intersect1d(leaving, wrong)) > 0.75 * len(leaving)


@pytest.mark.parametrize("classes", [2, 3])
def test_few_classes_say_too_little(classes: int) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, ROWS)
    shares = np.full((ROWS, classes), 0.01) + (1 - classes * 0.01) * np.eye(classes)[random.integers(0, classes, ROWS)]
    assert random_labels(labels, shares).surest == 0

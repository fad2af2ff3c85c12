"""When a reconcile loop looks again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_ai.core.reconcile import pause_until


@pytest.mark.parametrize(
    ("due_ms", "pause_s"),
    [(1_000_400, 0.4), (1_000_000, 0.01), (0, 0.01), (None, 1.0), (1_060_000, 1.0)],
)
def test_loop_pauses_until_a_row_is_due_and_never_longer_than_its_interval(due_ms: int | None, pause_s: float) -> None:
    assert pause_until(due_ms, 1_000_000, longest_s=1.0) == pytest.approx(pause_s)


@given(due_ms=st.none() | st.integers(0, 2**53), now_ms=st.integers(0, 2**53), longest_s=st.floats(0.05, 60))
def test_loop_neither_spins_nor_sleeps_in(due_ms: int | None, now_ms: int, longest_s: float) -> None:
    assert 0.01 <= pause_until(due_ms, now_ms, longest_s) <= longest_s

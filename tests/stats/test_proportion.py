"""Proportions at and off the ends of the scale."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uderia_bench.stats.proportion import wilson


@given(n=st.integers(1, 500), share=st.floats(0, 1))
def test_wilson_is_scipys(n, share):
    """Wilson's ends are scipy's for every count."""
    from scipy.stats import binomtest

    successes = round(n * share)
    theirs = binomtest(successes, n).proportion_ci(method="wilson")
    ours = wilson(successes, n, level=0.95)
    assert (ours.lo, ours.hi) == pytest.approx((theirs.low, theirs.high), abs=1e-12)

"""The sign-flip test: exact where it can be, valid where it draws."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uderia_bench.stats.permutation import DRAWS, sign_flip_p


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=8))
def test_small_samples_are_exact(differences):
    """Up to eight units the p equals the count over all sign patterns, ties and zeros included."""
    d = np.array(differences, dtype=float)
    extreme = [abs(np.dot(signs, d)) >= abs(d.sum()) for signs in itertools.product((1, -1), repeat=d.size)]
    assert sign_flip_p(d, seed=0) == pytest.approx(np.mean(extreme))


def test_a_drawn_p_is_never_zero_and_nears_the_t_test():
    """Monte Carlo keeps the +1, and agrees with Student's p on well-behaved data."""
    from scipy.stats import ttest_1samp

    rng = np.random.default_rng(1)
    assert sign_flip_p(np.ones(50), seed=0) == pytest.approx(1 / (DRAWS + 1))
    d = rng.normal(0.2, 1, 60)
    assert sign_flip_p(d, seed=0) == pytest.approx(ttest_1samp(d, 0).pvalue, abs=0.02)


def test_one_seed_one_answer():
    """The seed decides the draws, and nothing else does."""
    d = np.random.default_rng(2).normal(0.1, 1, 40)
    assert sign_flip_p(d, seed=5) == sign_flip_p(d, seed=5)
    assert sign_flip_p(d, seed=5) != sign_flip_p(d, seed=6)


def test_no_difference_at_all_is_no_evidence():
    """All zeros give 1, not NaN."""
    assert sign_flip_p(np.zeros(5), seed=0) == 1.0
    assert sign_flip_p(np.zeros(50), seed=0) == 1.0

"""The sign-flip test: exact where it can be, valid where it draws."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uderia_bench.stats.permutation import DRAWS, sign_flip_p, subset_means
from uderia_bench.stats.proportion import sign_test_p


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=8))
def test_small_samples_are_exact(differences):
    """Up to eight units the p equals the count over all sign patterns, ties and zeros included."""
    d = np.array(differences, dtype=float)
    extreme = [abs(np.dot(signs, d)) >= abs(d.sum()) for signs in itertools.product((1, -1), repeat=d.size)]
    assert sign_flip_p(d, seed=0) == pytest.approx(np.mean(extreme))


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=7))
def test_permuted_labels_have_uniform_p(differences):
    """Over all ways to swap the arms of each query, a share of at most x has a p of at most x, and just x where x is a p."""
    d = np.array(differences, dtype=float)
    p = np.array([sign_flip_p(d * signs, seed=0) for signs in itertools.product((1, -1), repeat=d.size)])
    for reached in np.unique(p):
        assert (p <= reached + 1e-12).mean() == pytest.approx(reached)


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


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_the_mid_p_counts_half_of_the_ties(differences):
    """All sign patterns beyond what was seen, and half of those equal to it; below five that differ it stays exact."""
    d = np.array(differences, dtype=float)
    sums = np.abs([np.dot(signs, d) for signs in itertools.product((1, -1), repeat=d.size)])
    beyond, ties = np.mean(sums > abs(d.sum())), np.mean(sums == abs(d.sum()))
    share = 0.5 if np.count_nonzero(d) >= 5 else 1.0
    assert sign_flip_p(d, seed=0, mid=True) == pytest.approx(beyond + share * ties)


def test_what_does_not_differ_changes_no_p():
    """Zeros have no sign: with any number of them the p is that of the rest, counted and not drawn."""
    d = np.array([0.2, 0.4, -0.2, 0.6, 0.2, 0.8, 0.2])
    for mid in (False, True):
        assert sign_flip_p(np.concatenate([d, np.zeros(93)]), seed=3, mid=mid) == sign_flip_p(d, seed=0, mid=mid)


def test_a_drawn_mid_p_nears_the_binomial_one():
    """Twenty equal differences are drawn: within the noise of 9,999 draws that is the binomial's mid-p, and it is never 0."""
    d = np.repeat([0.2, -0.2], [14, 6])
    assert sign_flip_p(d, seed=1, mid=True) == pytest.approx(sign_test_p(14, 6, mid=True), abs=0.01)
    assert sign_flip_p(np.ones(30), seed=1, mid=True) == pytest.approx(0.5 / (DRAWS + 1))


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=9).filter(lambda d: sum(v != 0 for v in d) >= 5))
def test_the_interval_covers_what_the_test_accepts(differences):
    """The inverted test leaves 0 out just when its mid-p at 0 is below 5 %."""
    d = np.array(differences, dtype=float)
    found = subset_means(d, seed=0).interval(0.95)
    assert (found.lo <= 0 <= found.hi) == (sign_flip_p(d, seed=0, mid=True) >= 0.05)


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=30), st.integers(-9, 9), st.integers(1, 7))
def test_the_inverted_interval_moves_with_the_differences(differences, shift, share):
    """Shifted, scaled or mirrored differences have a shifted, scaled or mirrored interval that holds their mean."""
    d = np.array(differences, dtype=float)
    plain, moved = (subset_means(v, seed=4).interval(0.9) for v in (d, d * share + shift))
    if plain.lo is None:
        assert d.size < 4
        return
    assert (moved.lo, moved.hi) == pytest.approx((plain.lo * share + shift, plain.hi * share + shift), abs=1e-9)
    assert plain.lo - 1e-9 <= d.mean() <= plain.hi + 1e-9
    mirrored = subset_means(-d, seed=4).interval(0.9)
    assert (mirrored.lo, mirrored.hi) == pytest.approx((-plain.hi, -plain.lo), abs=1e-9)


def test_subset_means_are_hartigans():
    """Of three values the seven subsets' means are the ends; the median is in the middle of them."""
    found = subset_means(np.array([1.0, 2.0, 6.0]), seed=0)
    assert found.means.tolist() == pytest.approx([1, 1.5, 2, 3, 3.5, 4, 6])
    assert found.below.tolist() == pytest.approx((np.arange(7) + 0.5) / 8)
    assert found.above.tolist() == pytest.approx((np.arange(7) + 1.5) / 8)
    assert (found.interval(0.5).lo, found.interval(0.5).hi) == pytest.approx((1.5, 4))
    assert found.interval(0.95).lo is None

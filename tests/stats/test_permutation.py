"""The sign-flip test: exact where it can be, valid where it draws."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uderia_bench.stats.permutation import DRAWS, EXACT_UNITS, sign_flip_p, sign_flip_test


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=8))
def test_small_samples_are_exact(differences):
    """Up to eight units the p equals the count over all sign patterns, ties and zeros included."""
    d = np.array(differences, dtype=float)
    extreme = [abs(np.dot(signs, d)) >= abs(d.sum()) for signs in itertools.product((1, -1), repeat=d.size)]
    assert sign_flip_p(d, seed=0) == pytest.approx(np.mean(extreme))


@pytest.mark.no_cover
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
    assert sign_flip_p(np.linspace(1, 2, 50), seed=0) == pytest.approx(1 / (DRAWS + 1))
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
    """All sign patterns beyond the data, and half of those equal to them; below five that differ it stays exact."""
    d = np.array(differences, dtype=float)
    sums = np.abs([np.dot(signs, d) for signs in itertools.product((1, -1), repeat=d.size)])
    beyond, ties = np.mean(sums > abs(d.sum())), np.mean(sums == abs(d.sum()))
    share = 0.5 if np.count_nonzero(d) >= 5 and d.sum() else 1.0
    assert sign_flip_p(d, seed=0, mid=True) == pytest.approx(beyond + share * ties)


def test_what_does_not_differ_changes_no_p():
    """Zeros have no sign: with any number of them the p is that of the rest, counted and not drawn."""
    d = np.array([0.2, 0.4, -0.2, 0.6, 0.2, 0.8, 0.2])
    for mid in (False, True):
        assert sign_flip_p(np.concatenate([d, np.zeros(93)]), seed=3, mid=mid) == sign_flip_p(d, seed=0, mid=mid)


def test_fifteen_and_sixteen_units_are_counted():
    """What can be enumerated is not drawn: the seed has no effect up to sixteen units."""
    assert EXACT_UNITS == 16
    d = np.random.default_rng(7).normal(0.3, 1, 17)
    for units in (15, 16):
        assert sign_flip_p(d[:units], seed=1) == sign_flip_p(d[:units], seed=2)
    signs = np.where((np.arange(2**15)[:, None] >> np.arange(15)) & 1, -1, 1)
    exact = np.mean(np.abs(signs @ d[:15]) >= abs(d[:15].sum()) - 1e-12)
    assert sign_flip_p(d[:15], seed=0) == pytest.approx(exact)
    assert sign_flip_p(d, seed=1) != sign_flip_p(d, seed=2)


def test_differences_of_one_size_have_the_binomial_p():
    """McNemar's mid-p is exact at any number, here of twenty; Fagerland et al. 2013 have .039 for 1 and 7."""
    from scipy.stats import binom

    d = np.repeat([0.2, -0.2, 0.0], [14, 6, 30])
    assert sign_flip_p(d, seed=1) == pytest.approx(2 * binom.sf(13, 20, 0.5))
    assert sign_flip_p(d, seed=1, mid=True) == pytest.approx(2 * binom.sf(13, 20, 0.5) - binom.pmf(14, 20, 0.5))
    assert sign_flip_p(np.repeat([1.0, -1.0, 0.0], [1, 7, 13]), seed=1, mid=True) == pytest.approx(0.0390625)
    assert sign_flip_p(np.repeat([1.0, 0.0], [4, 18]), seed=1, mid=True) == 0.125


def test_mcnemar_is_statsmodels():
    """On 0/1 pairs the exact p is statsmodels'."""
    from statsmodels.stats.contingency_tables import mcnemar

    d = np.repeat([1.0, -1.0, 0.0], [9, 2, 35])
    assert sign_flip_p(d, seed=0) == pytest.approx(mcnemar([[30, 9], [2, 5]], exact=True).pvalue)


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=30).filter(any), st.booleans(), st.sampled_from([0.8, 0.9, 0.95]))
def test_the_interval_covers_what_the_test_accepts(differences, mid, level):
    """The inverted test leaves 0 out exactly where its p at 0 is below the level, counted or drawn."""
    d = np.array(differences, dtype=float)
    found = sign_flip_test(d, seed=0, mid=mid).interval(level)
    if found.lo is not None:
        assert (found.lo <= 0 <= found.hi) == (sign_flip_p(d, seed=0, mid=mid) >= 1 - level)


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=30), st.integers(-9, 9), st.integers(1, 7))
def test_the_inverted_interval_moves_with_the_differences(differences, shift, share):
    """Scaled or mirrored differences have a scaled or mirrored interval that holds their mean; shifted ones a shifted one."""
    d = np.array(differences, dtype=float)
    plain, scaled = (sign_flip_test(v, seed=4).interval(0.9) for v in (d, d * share))
    if plain.lo is None:
        assert d.size < 5
        return
    assert (scaled.lo, scaled.hi) == pytest.approx((plain.lo * share, plain.hi * share), abs=1e-9)
    assert plain.lo - 1e-9 <= d.mean() <= plain.hi + 1e-9
    mirrored = sign_flip_test(-d, seed=4).interval(0.9)
    assert (mirrored.lo, mirrored.hi) == pytest.approx((-plain.hi, -plain.lo), abs=1e-9)
    if d.size <= EXACT_UNITS:
        moved = sign_flip_test(d + shift, seed=4).interval(0.9)
        assert (moved.lo, moved.hi) == pytest.approx((plain.lo + shift, plain.hi + shift), abs=1e-9)


def test_subset_means_are_hartigans():
    """Of three values the seven subsets' means are the ends; half of the eight patterns lie on either side of the median."""
    found = sign_flip_test(np.array([1.0, 2.0, 6.0]), seed=0)
    assert found.means.tolist() == pytest.approx([1, 1.5, 2, 3, 3.5, 4, 6])
    assert [found.tails(mean)[0] for mean in (0.5, 1.1, 1.6, 6.1)] == pytest.approx([1 / 8, 2 / 8, 3 / 8, 1])
    assert [found.tails(mean)[1] for mean in (7, 5.9, 3.9, 0.9)] == pytest.approx([1 / 8, 2 / 8, 3 / 8, 1])
    assert (found.interval(0.5).lo, found.interval(0.5).hi) == pytest.approx((1, 6))
    assert found.interval(0.95).lo is None

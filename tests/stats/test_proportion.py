"""Proportions at and off the ends of the scale."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uderia_bench.stats.permutation import sign_flip_p
from uderia_bench.stats.proportion import mcnemar_p, newcombe_paired, wilson


def table(both, only_first, only_other, neither):
    """Build paired 0/1 values from the four counts of a pair table."""
    first = np.repeat([1.0, 1.0, 0.0, 0.0], [both, only_first, only_other, neither])
    other = np.repeat([1.0, 0.0, 1.0, 0.0], [both, only_first, only_other, neither])
    return first, other


@given(n=st.integers(1, 500), share=st.floats(0, 1))
def test_wilson_is_scipys(n, share):
    """Wilson's ends are scipy's for every count."""
    from scipy.stats import binomtest

    successes = round(n * share)
    theirs = binomtest(successes, n).proportion_ci(method="wilson")
    ours = wilson(successes, n, level=0.95)
    assert (ours.lo, ours.hi) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize(("counts", "successes"), [((25, 25, 25, 25), (50, 50)), ((12, 18, 28, 42), (30, 40))])
def test_without_association_pairs_are_as_good_as_unpaired(counts, successes):
    """Newcombe's paired interval is then statsmodels' of two independent proportions."""
    from statsmodels.stats.proportion import confint_proportions_2indep

    ours = newcombe_paired(*table(*counts), level=0.95)
    first, other = successes
    assert (ours.lo, ours.hi) == pytest.approx(confint_proportions_2indep(first, 100, other, 100, method="newcomb"))


def test_paired_association_narrows_the_interval():
    """Strongly associated pairs give a narrower interval than the same margins unpaired."""
    from statsmodels.stats.proportion import confint_proportions_2indep

    paired = newcombe_paired(*table(40, 8, 2, 50), level=0.95)
    lo, hi = confint_proportions_2indep(48, 100, 42, 100, method="newcomb")
    assert lo < paired.lo < 0.06 < paired.hi < hi


@given(st.lists(st.integers(0, 12), min_size=4, max_size=4).filter(any))
def test_the_paired_interval_is_a_bound_whatever_the_table(counts):
    """Every pair table, all-0 and all-1 among them, has finite ends around the difference, and swapping sides mirrors them."""
    first, other = table(*counts)
    interval, mirrored = newcombe_paired(first, other, level=0.95), newcombe_paired(other, first, level=0.95)
    difference = first.mean() - other.mean()
    assert -1 <= interval.lo <= difference + 1e-12
    assert difference - 1e-12 <= interval.hi <= 1
    assert (interval.lo, interval.hi) == pytest.approx((-mirrored.hi, -mirrored.lo))


def test_mcnemar_is_statsmodels():
    """The exact p is statsmodels', and 1 where no pair disagrees."""
    from statsmodels.stats.contingency_tables import mcnemar

    assert mcnemar_p(*table(30, 9, 2, 5)) == pytest.approx(mcnemar([[30, 9], [2, 5]], exact=True).pvalue)
    assert mcnemar_p(*table(30, 0, 0, 5)) == 1.0


def test_the_mid_p_is_the_sign_flips_and_published():
    """On 0/1 pairs McNemar's mid-p is the sign-flip test's in closed form; Fagerland et al. 2013 have .039 for 1 and 7."""
    for b, c in ((1, 7), (3, 3), (0, 5), (2, 9), (4, 4)):
        first, other = table(3, b, c, 4)
        assert mcnemar_p(first, other, mid=True) == pytest.approx(sign_flip_p(first - other, seed=0, mid=True))
    assert mcnemar_p(*table(1, 1, 7, 12), mid=True) == pytest.approx(0.0390625)


def test_four_votes_have_no_mid_p():
    """Below five votes the exact p stays, which is never below 5 %; without votes it is 1."""
    assert mcnemar_p(*table(9, 4, 0, 9), mid=True) == mcnemar_p(*table(9, 4, 0, 9)) == 0.125
    assert mcnemar_p(*table(9, 0, 0, 9), mid=True) == 1.0

"""Means of which most units are alike: sane where a bootstrap is not, and refused where nothing can be said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uderia_bench.stats.difference import mean_test
from uderia_bench.stats.inference import two_sided_p
from uderia_bench.stats.mean import cluster_mean
from uderia_bench.stats.sparse import is_sparse, sparse_mean, two_added_test, without_noise


def amounts(*others, units=30):
    """Make units that are all 0 but for some."""
    return np.array([*others, *[0.0] * (units - len(others))])


def interval_of(differences, *, bounded, may_be_0=None):
    """Bound differences at 95 %."""
    amounts_ = not bounded if may_be_0 is None else may_be_0
    return mean_test(differences, bounded=bounded, may_be_0=amounts_, seed=1).interval(0.95)


def test_sparse_is_more_than_half_alike():
    """Half is not sparse, more is."""
    assert is_sparse(np.array([1.0, 1.0, 2.0]))
    assert not is_sparse(np.array([1.0, 1.0, 2.0, 3.0]))


def test_one_outlier_among_equal_units_has_no_interval():
    """One query of 8,520 tokens among thirty of none: a bootstrap once said ± 4e8; now it is said that nothing can be."""
    found = cluster_mean(amounts(8520.0), np.arange(30), bounded=False, level=0.95, seed=7)
    assert (found.value, found.lo, found.hi) == (284.0, None, None)
    assert found.warnings == ("no interval: 29 of 30 values are equal, and at least 6 others are needed",)


def test_units_that_differ_both_ways_are_bounded():
    """Three up and three down of thirty: Student with one observation of the largest size added on either side."""
    found = sparse_mean(amounts(2.0, 1.0, 2.0, -1.0, -1.0, -3.0), level=0.95)
    values = amounts(2.0, 1.0, 2.0, -1.0, -1.0, -3.0, 3.0, -3.0, units=32)
    half = 2.0395134 * np.sqrt((values**2).mean() / 32)  # t of 31 degrees; the mean is 0
    assert (found.lo, found.hi) == pytest.approx((-half, half))


def test_the_common_value_need_not_be_0():
    """Shifting every unit shifts the interval."""
    values = amounts(2.0, 1.0, 2.0, -1.0, -1.0, -3.0)
    plain, moved = sparse_mean(values, level=0.9), sparse_mean(values + 100, level=0.9)
    assert (moved.lo - 100, moved.hi - 100) == pytest.approx((plain.lo, plain.hi))


def test_clusters_of_unequal_sizes_are_weighed():
    """Six of twenty clusters have one event each; the biggest clusters have none."""
    sizes = np.array([2] * 6 + [4] * 14)
    units = np.repeat(np.arange(20), sizes)
    values = np.zeros(sizes.sum())
    values[:12:2] = 1.0
    found = cluster_mean(values, units, bounded=False, level=0.95, seed=1)
    assert found.value == pytest.approx(6 / sizes.sum())
    assert 0 < found.lo < found.value < found.hi < 0.2


def test_what_was_never_negative_has_no_negative_end():
    """Six of twenty units hold up to 9 events: the interval begins at 0."""
    found = cluster_mean(amounts(1.0, 1.0, 1.0, 2.0, 2.0, 9.0, units=20), np.arange(20), bounded=False, level=0.95, seed=1)
    assert (found.lo, found.value) == (0.0, 0.8)
    assert found.hi > 0.8


def test_a_sparse_rate_of_an_arm_is_wilsons():
    """Two of thirty clusters failed one repeat of three: Wilson over clusters, which no bootstrap widens to .7."""
    values = np.ones(90)
    values[[0, 3]] = 0
    found = cluster_mean(values, np.repeat(np.arange(30), 3), bounded=True, level=0.95, seed=1)
    assert found.method == "Wilson"
    assert 0.85 < found.lo < found.value < found.hi < 1


@pytest.mark.parametrize(
    ("differences", "bounded", "method"),
    [
        ([2.0] * 28, False, "none"),
        ([2.0] * 29, False, "sign-flip inverted"),
        ([1.0, 2.0, 4.0], False, "t"),
        (amounts(1.0, -1.0, 2.0, -2.0, 3.0), False, "none"),
        (amounts(1.0, -1.0, 2.0, -2.0, 3.0, 4.0), False, "sign-flip inverted"),
        (amounts(0.5, 0.5, 0.5, 0.5), True, "two observations added"),
        ([0.5, 0.0, 0.1], True, "two observations added"),
        ([1.0] * 20, True, "two observations added"),
        (amounts(*[0.2] * 5), True, "sign-flip inverted"),
    ],
)
def test_each_kind_of_differences_has_its_method(differences, bounded, method):
    """The table of ``difference``."""
    assert interval_of(np.array(differences), bounded=bounded).method == method


def test_a_rate_that_changes_on_five_queries_is_tested_and_on_four_is_bounded():
    """Five of thirty, all one way: mid-p .031, and an interval that begins above 0; of four there is a bound around it."""
    five, four = amounts(*[0.2] * 5), amounts(*[0.2] * 4)
    assert interval_of(five, bounded=True).lo > 0
    assert two_sided_p(mean_test(five, bounded=True, may_be_0=False, seed=1)) == pytest.approx(1 / 32)
    bound = interval_of(four, bounded=True)
    assert bound.lo < 0 < bound.hi
    assert bound.because == "only 4 of 30 differences are not 0: too few to test, and the range is a worst case"


def test_equal_small_differences_of_rates_are_no_evidence_against_rare_ones():
    """Six queries that all differ by .1: the sign-flip p is .03, and the worst case still holds 0, so p does too."""
    test = mean_test(np.full(6, 0.1), bounded=True, may_be_0=False, seed=1)
    assert test.interval(0.95).lo < 0
    assert two_sided_p(test) > 0.05


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=20), st.integers(10, 40))
def test_a_sparse_interval_is_finite_and_holds_the_mean(others, zeros):
    """Whatever differs: either no interval with its reason, or finite ends around the mean, no wider than what was seen."""
    values = np.array([*others, *[0] * (zeros + len(others))], dtype=float)
    found = sparse_mean(values, level=0.95)
    if found.lo is None:
        assert found.hi is None
        assert "others are needed" in found.because
    else:
        assert found.lo <= values.mean() + 1e-12
        assert values.mean() - 1e-12 <= found.hi
        assert found.hi - found.lo <= 2 * np.abs(values).max()


def test_two_added_is_bonett_and_price_on_pair_tables():
    """On differences of -1, 0 and 1 the estimate is (b - c) / (n + 2), as theirs; ours has Student's quantile for theirs."""
    b, c, n = 4, 1, 40
    values = np.array([1.0] * b + [-1.0] * c + [0.0] * (n - b - c))
    found = two_added_test(values, reach=1.0).interval(0.95)
    p_b, p_c = (b + 1) / (n + 2), (c + 1) / (n + 2)
    assert (found.lo + found.hi) / 2 == pytest.approx(p_b - p_c)
    half = 2.0195410 * np.sqrt((p_b + p_c - (p_b - p_c) ** 2) / (n + 2))  # t of 41 degrees
    assert (found.hi - found.lo) / 2 == pytest.approx(half)


def test_no_difference_in_n_units_is_bounded_near_the_rule_of_three():
    """Thirty units without any difference bound it near 3/30, and more units bound it tighter."""
    interval = interval_of(np.zeros(30), bounded=True)
    assert interval.lo == -interval.hi
    assert interval.hi == pytest.approx(0.1, abs=0.02)
    assert interval_of(np.zeros(300), bounded=True).hi < 0.011


def test_the_largest_difference_is_an_end():
    """All ones reach the end of the scale and not beyond."""
    interval = interval_of(np.ones(20), bounded=True)
    assert interval.hi == 1.0
    assert 0.5 < interval.lo < 1.0


def test_few_equal_differences_bound_nothing():
    """Eight equal amounts have no interval and say why; twenty-nine have one without width."""
    few, many = (interval_of(np.zeros(n), bounded=False) for n in (8, 29))
    assert few.because == "all 8 differences are equal: fewer than 29 could miss a rare one"
    assert (few.lo, many.lo, many.hi, many.because) == (None, 0.0, 0.0, "")


def test_times_that_are_equal_are_equal():
    """What is never 0 is not rare: eight equal ratios are that ratio, with the same doubt; five are too few."""
    found = interval_of(np.zeros(8), bounded=False, may_be_0=False)
    assert (found.lo, found.hi) == (0.0, 0.0)
    assert found.because == "all 8 differences are equal: fewer than 29 could miss a rare one"
    assert interval_of(np.zeros(5), bounded=False, may_be_0=False).lo is None


@pytest.mark.parametrize("noise", [0.0, 1e-9, 0.01, 0.03, 0.05])
@pytest.mark.parametrize("larger", [1, 2, 3, 4, 5])
def test_the_mean_of_nearly_equal_values_ends_within_them(larger, noise):
    """Noise makes little difference: a resample without the few others has no spread, so its t is of no use.

    A mean of $0.0001 once had ±112 % for twelve values of which the largest was twice the smallest.
    """
    values = 0.0001 * (1 + noise * np.random.default_rng(larger).normal(size=16))
    values[:larger] *= 2
    found = cluster_mean(values, np.arange(16), bounded=False, level=0.95, seed=1)
    assert found.value == pytest.approx(values.mean())
    assert found.hi is None or found.hi <= values.max()
    if noise == 0 or found.lo is None:
        equal = "equal" if noise == 0 else "nearly equal"
        assert found.warnings == (f"no interval: {16 - larger} of 16 values are {equal}, and at least 6 others are needed",)


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.03])
def test_nearly_equal_values_with_enough_others_are_bounded_within_reason(noise):
    """The interval lies within what was seen."""
    values = 16_000 * (1 + noise * np.random.default_rng(3).normal(size=24))
    values[:7] *= 2
    found = cluster_mean(values, np.arange(24), bounded=False, level=0.95, seed=1)
    assert values.min() < found.lo < found.value < found.hi < values.max()


@given(st.integers(0, 2**32), st.integers(40, 60), st.sampled_from([0.05, 0.3, 0.8, 1.5]))
def test_a_skewed_body_is_no_noise(seed, size, sd):
    """Values of one distribution stay as they are, however far its tail reaches.

    Small samples are left out: of 8 values, 5 lie within a tenth of each other by chance in one sample of 100.
    """
    values = np.exp(sd * np.random.default_rng(seed).normal(size=size))
    changed = without_noise(values) != values
    assert not changed.any() or sd < 0.1

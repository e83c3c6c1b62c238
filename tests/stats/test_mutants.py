"""Values of the statistics by hand or by scipy, each for a change that no other test noticed in a run of mutation tests."""

import numpy as np
import pytest
from scipy import stats

from uderia_bench.stats.bootstrap import studentised_mean
from uderia_bench.stats.difference import student_test
from uderia_bench.stats.estimate import Interval
from uderia_bench.stats.inference import two_sided_p
from uderia_bench.stats.looks import equal_shares
from uderia_bench.stats.mean import cluster_mean
from uderia_bench.stats.proportion import wilson
from uderia_bench.stats.sequential import repeated_p
from uderia_bench.stats.skew import FEW, lean_right, lognormal_reach
from uderia_bench.stats.slope import serial_correlation


def test_students_p_is_scipys():
    """The two-sided p of a mean against 0, of values on either side of it."""
    values = np.array([0.3, -0.1, 0.8, 0.4, -0.2, 0.9])
    assert two_sided_p(student_test(values)) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert two_sided_p(student_test(-values)) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_students_p_of_equal_values_is_0_or_1():
    """Equal values have no spread: their mean is 0, or certainly is not."""
    assert two_sided_p(student_test(np.zeros(5))) == 1.0
    assert two_sided_p(student_test(np.full(5, 0.2))) == 0.0


def test_few_clusters_of_unequal_size_have_the_interval_of_a_ratio():
    """The mean is total / observations, and its standard error that of a ratio estimator (Cochran 1977, 6.4)."""
    values = np.array([11.0, 13.0, 12.0, 17.0, 18.0, 19.0, 14.0, 16.0])
    units = np.array([0, 0, 1, 2, 2, 2, 3, 3])
    found = cluster_mean(values, units, bounded=False, level=0.95, seed=1)
    sums, sizes = np.array([24.0, 12.0, 54.0, 30.0]), np.array([2.0, 1.0, 3.0, 2.0])
    error = np.std(sums - 15 * sizes, ddof=1) / sizes.mean() / np.sqrt(4)
    half = stats.t.ppf(0.975, 3) * error
    assert found.method == "t"
    assert (found.value, found.lo, found.hi) == pytest.approx((15, 15 - half, 15 + half))


def test_a_p_of_1_stays_1():
    """Looking early cannot make a p larger than 1."""
    assert repeated_p(1.0, look=1, shares=equal_shares(5), shape=0.0) == 1.0
    assert repeated_p(0.4999, look=1, shares=equal_shares(5), shape=0.0) <= 1.0


def test_a_clustered_rate_near_an_end_counts_its_effective_observations():
    """Wilson's interval at p (1 - p) / variance observations, the variance that of a ratio over unequal clusters."""
    sizes = np.array([4.0, 6.0] * 20)
    failures = np.zeros(40)
    failures[[0, 1, 2, 5, 8, 11]] = (3, 3, 2, 1, 1, 1)
    units = np.repeat(np.arange(40), sizes.astype(int))
    values = np.concatenate([[0.0] * int(lost) + [1.0] * int(size - lost) for lost, size in zip(failures, sizes, strict=True)])
    rate = values.mean()
    spread = sizes - failures - rate * sizes
    worth = rate * (1 - rate) / (np.var(spread, ddof=1) / 5**2 / 40)
    assert 40 < worth < 200
    found = cluster_mean(values, units, bounded=True, level=0.95, seed=1)
    expected = wilson(rate * worth, worth, level=0.95)
    assert (found.lo, found.hi) == pytest.approx((expected.lo, expected.hi))


def test_clusters_that_fail_as_a_whole_are_worth_one_observation_each():
    """With repeats that always agree, 40 clusters count as 40 observations and not as fewer."""
    values = np.repeat(np.array([0.0] * 6 + [1.0] * 34), 5)
    found = cluster_mean(values, np.repeat(np.arange(40), 5), bounded=True, level=0.95, seed=1)
    expected = wilson(34, 40, level=0.95)
    assert (found.lo, found.hi) == pytest.approx((expected.lo, expected.hi))


def test_four_unequal_clusters_that_fail_leave_one_observation_per_cluster():
    """Fewer than five clusters that differ say too little about the variance, whatever their sizes."""
    sizes = np.array([4, 6] * 20)
    values = np.ones(sizes.sum())
    values[[0, 4, 10, 14]] = 0
    found = cluster_mean(values, np.repeat(np.arange(40), sizes), bounded=True, level=0.95, seed=1)
    expected = wilson(values.mean() * 40, 40, level=0.95)
    assert (found.lo, found.hi) == pytest.approx((expected.lo, expected.hi))


def test_a_skewed_mean_moves_up_only_for_few_positive_units():
    """The upper end stays from 200 units on, with a unit of 0, and where there is no end."""
    means = np.random.default_rng(0).lognormal(sigma=1.5, size=FEW)
    ones = np.ones_like(means)
    few, many = (studentised_mean(means[:n], sizes=ones[:n], seed=1) for n in (20, FEW))
    short, wide = few.interval(0.95), many.interval(0.95)
    assert lean_right(short, few, means[:20], level=0.95, seed=1).hi > short.hi
    spread = float(np.log(means).std(ddof=1))
    assert many.value + lognormal_reach(FEW, spread=spread, level=0.95, seed=1) * many.standard_error > wide.hi
    assert lean_right(wide, many, means, level=0.95, seed=1) == wide
    assert lean_right(short, few, np.append(means[:19], 0.0), level=0.95, seed=1) == short
    without = Interval.none("no interval")
    assert lean_right(without, few, means[:20], level=0.95, seed=1) == without


def test_serial_correlation_of_two_residuals_and_of_small_ones():
    """Two residuals are enough, and the unit of the residuals does not matter."""
    correlation, p = serial_correlation(np.array([0.1, 0.1]))
    assert (correlation, p) == pytest.approx((0.5, stats.norm.cdf(-0.5 * np.sqrt(2))))
    wave = np.sin(np.arange(30) / 3)
    assert serial_correlation(1e-3 * wave) == pytest.approx(serial_correlation(wave))

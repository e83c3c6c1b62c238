"""Values of the statistics by hand or by scipy, each for a change that no other test noticed in a run of mutation tests."""

import numpy as np
import pytest
from scipy import stats

from uderia_bench.stats.mean import cluster_mean
from uderia_bench.stats.sequential import obrien_fleming, repeated_p, stops
from uderia_bench.stats.student import t_p


def test_students_p_is_scipys():
    """The two-sided p of a mean against 0, of values on either side of it."""
    values = np.array([0.3, -0.1, 0.8, 0.4, -0.2, 0.9])
    assert t_p(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert t_p(-values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_students_p_of_equal_values_is_0_or_1():
    """Equal values have no spread: their mean is 0, or certainly is not."""
    assert t_p(np.zeros(5)) == 1.0
    assert t_p(np.full(5, 0.2)) == 0.0


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


def test_a_p_on_the_boundary_stops():
    """The boundary belongs to the rejection region."""
    boundary = 2 * float(stats.norm.cdf(-obrien_fleming(5, alpha=0.05)[2]))
    assert stops(boundary, look=3, looks=5, alpha=0.05)
    assert not stops(np.nextafter(boundary, 1), look=3, looks=5, alpha=0.05)


def test_a_p_of_1_stays_1():
    """Looking early cannot make a p larger than 1."""
    assert repeated_p(1.0, look=1, looks=5) == 1.0
    assert repeated_p(0.9999, look=1, looks=5) <= 1.0

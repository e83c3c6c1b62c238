"""Cluster means: the choice of the interval, and the warning where no interval exists."""

import numpy as np
import pytest

from uderia_bench.stats.mean import cluster_mean, geometric_mean
from uderia_bench.stats.proportion import wilson


def estimate(values, units, *, bounded=False):
    """Estimate at 95 % with a fixed seed."""
    return cluster_mean(np.array(values, dtype=float), np.array(units), bounded=bounded, level=0.95, seed=1)


def test_clusters_are_the_evidence():
    """Ten copies of each value leave n and the interval as they were."""
    values = np.random.default_rng(1).lognormal(size=20)
    once = estimate(values, np.arange(20))
    copied = estimate(np.repeat(values, 10), np.repeat(np.arange(20), 10))
    assert (copied.n, copied.value) == (20, pytest.approx(once.value))
    assert (copied.lo, copied.hi) == pytest.approx((once.lo, once.hi))
    assert once.method == "bootstrap-t"


def test_unequal_clusters_are_weighed_by_their_observations():
    """The mean is over observations, so that it is what the percentiles describe."""
    assert estimate([1, 1, 1, 5], [0, 0, 0, 1]).value == 2.0


@pytest.mark.parametrize(("value", "ends"), [(0.0, (0.0, 0.161)), (1.0, (0.839, 1.0))])
@pytest.mark.parametrize("repeats", [1, 3])
def test_a_rate_at_an_end_is_bounded_over_clusters(value, ends, repeats):
    """Twenty clusters of nothing but 0, or 1, have Wilson's bound for twenty, however many repeats."""
    found = estimate([value] * 20 * repeats, np.repeat(np.arange(20), repeats), bounded=True)
    assert found.method == "Wilson"
    assert (found.lo, found.hi) == pytest.approx(ends, abs=0.001)


def test_a_clustered_rate_stays_within_its_scale():
    """With repeats the interval is the cluster bootstrap's, cut off at the ends."""
    rng = np.random.default_rng(2)
    found = estimate(rng.binomial(1, np.repeat(rng.beta(4, 1, 30), 4)), np.repeat(np.arange(30), 4), bounded=True)
    assert found.method == "bootstrap-t"
    assert 0 <= found.lo < found.value < found.hi <= 1


def test_few_clusters_have_students_interval_and_one_has_none():
    """Below six clusters a bootstrap has too few resamples; a single one says what is missing."""
    values = [1.0, 2.0, 4.0, 5.0]
    found = estimate(values, np.arange(4))
    assert found.method == "t"
    half = 3.1824463053 * np.std(values, ddof=1) / 2
    assert (found.lo, found.hi) == pytest.approx((3 - half, 3 + half))
    single = estimate([1.0, 2.0], [0, 0])
    assert (single.value, single.lo) == (1.5, None)
    assert "needs 2" in single.warnings[0]


@pytest.mark.parametrize("of", [cluster_mean, geometric_mean])
def test_few_equal_units_have_no_interval(of):
    """A width of 0 would look like certainty; from 29 equal units on, at most one in ten differs."""
    options = {"level": 0.95, "seed": 1, **({"bounded": False} if of is cluster_mean else {})}
    for count in (2, 8, 28):
        few = of(np.full(count, 3.0), np.arange(count), **options)
        assert (few.value, few.lo, few.hi) == (pytest.approx(3.0), None, None)
        assert few.warnings == (f"no interval: all {count} values are equal, and fewer than 29 may miss a rare other value",)
    many = of(np.full(29, 3.0), np.arange(29), **options)
    assert (many.lo, many.value, many.hi) == pytest.approx((3.0, 3.0, 3.0))
    assert of(np.repeat([3.0, 3.0], 50), np.repeat([0, 1], 50), **options).lo is None  # repeats are no evidence


def test_an_estimate_moves_to_another_scale_with_its_ends():
    """The total of eight observations is eight times their mean, and so are its ends; nothing stays nothing."""
    mean = estimate([2.0, 4.0, 2.0, 4.0, 1.0, 5.0, 3.0, 3.0], np.arange(8))
    found = mean.mapped(lambda one: 8 * one)
    assert (found.value, found.lo, found.hi) == pytest.approx((24, 8 * mean.lo, 8 * mean.hi))
    assert estimate([], np.arange(0)).mapped(lambda one: 8 * one).value is None


def test_a_rate_near_an_end_counts_what_its_repeats_are_worth():
    """Of forty clusters five lost one repeat of five: worth more than forty observations; where four did, forty."""
    rate = np.ones(200)
    rate[[0, 5, 10, 15]] = 0
    units = np.repeat(np.arange(40), 5)
    four = estimate(rate, units, bounded=True)
    rate[20] = 0
    five = estimate(rate, units, bounded=True)
    as_forty, as_all = wilson(0.975 * 40, 40, level=0.95), wilson(195, 200, level=0.95)
    assert as_forty.lo < five.lo <= as_all.lo + 1e-12
    assert four.lo == wilson(0.98 * 40, 40, level=0.95).lo

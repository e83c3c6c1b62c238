"""The ratio of two means and Fieller's interval."""

from __future__ import annotations

import numpy as np
import pytest

from uderia_bench.stats.ratio import ratio_of_means


def test_a_constant_denominator_gives_the_interval_of_the_mean():
    """With every denominator 1/2 the ratio is twice the mean, and so are both ends of Student's interval."""
    found = ratio_of_means(np.array([1.0, 2.0, 3.0]), np.full(3, 0.5), level=0.95)
    half = 4.302653 / np.sqrt(3)
    assert (found.value, found.lo, found.hi) == pytest.approx((4.0, 4 - 2 * half, 4 + 2 * half))


def test_no_interval_where_the_denominator_may_be_0():
    """The ratio itself is given, with the reason."""
    found = ratio_of_means(np.array([1.0, 2.0, 3.0]), np.array([-1.0, 0.0, 2.0]), level=0.95)
    assert (found.value, found.lo, found.hi) == (pytest.approx(6.0), None, None)
    assert found.warnings == ("no interval: the mean in the denominator may be 0",)
    assert ratio_of_means(np.ones(3), np.array([-1.0, 0.0, 1.0]), level=0.95).value is None


def test_units_count_by_their_size():
    """A unit of size 2 counts as two equal units for the value."""
    sized = ratio_of_means(np.array([1.0, 4.0]), np.array([1.0, 2.0]), level=0.95, sizes=np.array([2.0, 1.0]))
    assert sized.value == pytest.approx(6 / 4)


def test_the_interval_covers_the_ratio_as_often_as_it_says():
    """400 seeds of 20 units with a mean denominator of 5 standard errors."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        below = rng.normal(1.0, 0.8, 20)
        above = -3.0 * below + rng.normal(0, 1.0, 20)
        found = ratio_of_means(above, below, level=0.95)
        covered += found.lo is None or found.hi is None or found.lo <= -3.0 <= found.hi
    assert 370 <= covered <= 392


def test_a_few_large_values_do_not_make_the_interval_too_narrow():
    """Totals of 100 queries asked once, of which 3 % take six times as long: a bootstrap (BCa) covers 88 % here."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(1000):
        level = rng.normal(0, 0.8, 100)
        first, second = (np.exp(level + rng.normal(0, 0.3, 100)) * np.where(rng.random(100) < 0.03, 6, 1) for _ in range(2))
        found = ratio_of_means(second, first, level=0.95)
        covered += found.lo is None or found.hi is None or found.lo <= 1 <= found.hi
    assert 940 <= covered <= 990


def test_the_answers_per_second_of_a_few_queries_are_covered():
    """14 queries asked twice, whose times vary by half between queries: a percentile bootstrap covers 89 % here."""
    rng = np.random.default_rng(5)
    truth = 0.95 / np.exp(0.5**2 / 2 + 0.3**2 / 2)
    covered = 0
    for _ in range(1000):
        seconds = np.exp(rng.normal(0, 0.5, 14)[:, None] + rng.normal(0, 0.3, (14, 2))).sum(axis=1)
        found = ratio_of_means((rng.random((14, 2)) < 0.95).sum(axis=1).astype(float), seconds, level=0.95)
        covered += found.lo is None or found.hi is None or found.lo <= truth <= found.hi
    assert 910 <= covered <= 970


def test_the_value_is_in_its_interval():
    """Every value is a third larger, so the ends differ from the value only by rounding."""
    below = np.random.default_rng(1).lognormal(0, 1, 50)
    found = ratio_of_means(below * 1.3, below, level=0.95)
    assert found.lo <= found.value <= found.hi
    assert found.hi - found.lo < 1e-6

"""The upper end of a mean of few skewed amounts."""

import numpy as np
import pytest

from uderia_bench.stats.bootstrap import studentised_mean
from uderia_bench.stats.mean import cluster_mean, geometric_mean
from uderia_bench.stats.skew import lean_right, lognormal_reach


def test_without_spread_the_reach_is_students():
    """Log-normal units of next to no spread are normal: t of 19 degrees."""
    assert lognormal_reach(20, spread=1e-3, level=0.95, seed=1) == pytest.approx(2.093, abs=0.15)


def test_spread_reaches_further_and_more_units_less():
    """The more the units lean, and the fewer they are, the further up the mean may be."""
    reaches = [lognormal_reach(n, spread=spread, level=0.95, seed=1) for n, spread in ((20, 0.4), (20, 0.8), (100, 0.8))]
    assert reaches[0] < reaches[1] > reaches[2]


def test_only_the_upper_end_moves_and_only_up():
    """The lower end, and values that are not all positive, keep the bootstrap's interval."""
    values = np.exp(np.random.default_rng(5).normal(0, 0.8, 20))
    studied = studentised_mean(values, seed=1)
    plain = studied.interval(0.95)
    moved = lean_right(plain, studied, values, level=0.95, seed=1)
    assert moved.lo == plain.lo
    assert moved.hi >= plain.hi
    assert lean_right(plain, studied, values - values.min(), level=0.95, seed=1) == plain


def test_scaling_times_scales_their_interval():
    """Seconds or milliseconds: the same interval."""
    values, units = np.exp(np.random.default_rng(6).normal(0, 0.8, 60)), np.repeat(np.arange(20), 3)
    for estimate in (lambda v: cluster_mean(v, units, bounded=False, level=0.95, seed=1), geometric):
        plain, scaled = estimate(values), estimate(1000 * values)
        assert (scaled.value, scaled.lo, scaled.hi) == pytest.approx((1000 * plain.value, 1000 * plain.lo, 1000 * plain.hi))


def geometric(values):
    """Take the geometric mean of three repeats a unit."""
    return geometric_mean(values, np.repeat(np.arange(values.size // 3), 3), level=0.95, seed=1)


def test_a_geometric_mean_is_the_mean_of_logs_and_back():
    """1, 10 and 100 have 10; its interval is the logs'."""
    found = geometric(np.repeat([1.0, 10.0, 100.0] * 4, 3))
    assert found.value == pytest.approx(10)
    assert found.lo * found.hi == pytest.approx(100, rel=0.2)
    assert (found.n, found.method) == (12, "bootstrap-t")

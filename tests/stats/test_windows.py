"""The second kind of dependence: trials of the same time window."""

import numpy as np
import pytest

from uderia_bench.stats.inference import two_sided_p
from uderia_bench.stats.windows import DIFFER_BELOW, FEWEST, Blocks, window_test


def blocks(differences, units, windows):
    """Make blocks of equal weight."""
    differences = np.array(differences, dtype=float)
    return Blocks(
        differences=differences,
        weights=np.full(differences.size, 1 / differences.size),
        units=np.array(units),
        windows=np.array(windows),
    )


def test_the_variance_is_units_plus_windows_less_both():
    """Petersen's panel data, as in statsmodels' tests: the variance of a mean by firm and year is cov_cluster_2groups'."""
    import statsmodels.api as sm
    from statsmodels.stats.sandwich_covariance import cov_cluster_2groups

    rng = np.random.default_rng(2)
    units, windows = np.divmod(np.arange(120), 10)
    y = rng.normal(0, 1, 120) + rng.normal(0, 1, 12)[units] + rng.normal(0, 1, 10)[windows]
    found = window_test(blocks(y, units, windows), float(y.mean()))
    both, by_unit, by_window = cov_cluster_2groups(sm.OLS(y, np.ones(120)).fit(), units, windows, use_correction=False)
    alone = ((y - y.mean()) ** 2).sum() / 120**2
    assert float(by_unit[0, 0] + by_window[0, 0] - both[0, 0]) == pytest.approx(alone)
    expected = by_unit[0, 0] * 12 / 11 + by_window[0, 0] * 10 / 9 - alone * 120 / 119
    assert found.test.error**2 == pytest.approx(float(expected))
    assert found.test.freedom == 9


def test_one_bad_window_of_sixteen_decides_nothing():
    """An outage that hits 30 blocks of one arm in one window: 30 queries say -1, and the window is one observation."""
    differences = np.zeros(480)
    differences[:30] = -1
    found = window_test(blocks(differences, np.arange(480) % 96, np.arange(480) // 30), float(differences.mean()))
    assert found.needed
    assert found.differ_p < 1e-9
    assert two_sided_p(found.test) > 0.3


def test_windows_alike_are_not_needed():
    """Without any shared drift the windows differ by chance, and the second test stays out in most runs."""
    rng = np.random.default_rng(6)
    needed = [
        window_test(blocks(rng.normal(0, 1, 200), np.arange(200) % 40, np.arange(200) // 12), 0.0).needed for _ in range(200)
    ]
    assert np.mean(needed) == pytest.approx(DIFFER_BELOW, abs=0.08)


def test_few_windows_and_one_block_each_say_nothing():
    """Below eight windows, with a window for each block, and with equal differences there is no second test."""
    d = np.random.default_rng(1).normal(0, 1, 40)
    assert window_test(blocks(d, np.arange(40), np.arange(40) % (FEWEST - 1)), 0.0) is None
    assert window_test(blocks(d, np.arange(40), np.arange(40)), 0.0) is None
    assert window_test(blocks(np.ones(40), np.arange(40), np.arange(40) % 10), 1.0) is None

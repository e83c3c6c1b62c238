"""A centre that outliers do not move."""

import numpy as np
import pytest

from uderia_bench.stats.robust import has_outliers, trimmed_mean


def test_the_trimmed_mean_is_scipys_with_yuens_error():
    """Ten values by hand: two from each end are cut, and the interval has five degrees of freedom."""
    from scipy.stats import t, trim_mean
    from scipy.stats.mstats import trimmed_stde

    values = np.array([3.0, 1, 4, 1, 5, 9, 2, 6, 5, 100])
    found = trimmed_mean(values, level=0.95)
    assert found.value == pytest.approx(trim_mean(values, 0.2))
    half = t.ppf(0.975, 5) * float(trimmed_stde(values, limits=(0.2, 0.2)))
    assert found.hi - found.value == pytest.approx(half, rel=0.06)  # scipy divides by n, Yuen by h - 1


def test_a_hanging_trial_is_an_outlier_and_normal_trials_are_not():
    """Five robust standard deviations: 100 normal values stay inside, one at 8 does not."""
    values = np.random.default_rng(1).normal(0, 1, 100)
    assert not has_outliers(values)
    assert has_outliers(np.append(values, 8.0))
    assert not has_outliers(np.array([0.0, 0, 0, 0, 7]))

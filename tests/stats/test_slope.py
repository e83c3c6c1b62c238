"""The within-unit slope is the fixed-effects regression."""

import numpy as np
import pytest

from uderia_bench.stats.slope import resemblance_p, serial_correlation, within_slope


def test_it_is_statsmodels_with_a_dummy_per_unit():
    """Slope and p agree with a regression that has a column for every unit, missing values left out."""
    import statsmodels.api as sm

    rng = np.random.default_rng(1)
    x = rng.normal(size=(8, 4))
    y = 0.3 * x + rng.normal(size=(8, 1)) * 3 + rng.normal(0, 0.5, (8, 4))
    y[2, 1] = np.nan
    kept = np.isfinite(y)
    unit = np.nonzero(kept)[0]
    dummies = (unit[:, None] == np.arange(8)).astype(float)
    fitted = sm.OLS(y[kept], np.column_stack([x[kept], dummies])).fit()
    found = within_slope(y, x)
    assert found.slope == pytest.approx(fitted.params[0])
    assert found.p == pytest.approx(fitted.pvalues[0])
    assert found.residuals[kept] == pytest.approx(fitted.resid)
    assert np.isnan(found.residuals[2, 1])


def test_there_is_no_slope_without_variation():
    """There is no slope with one slot per unit, a constant regressor or constant values."""
    rng = np.random.default_rng(1)
    assert within_slope(rng.normal(size=(9, 1)), rng.normal(size=(9, 1))) is None
    assert within_slope(rng.normal(size=(9, 3)), np.ones((9, 3))) is None
    assert within_slope(np.ones((9, 3)), rng.normal(size=(9, 3))) is None


def test_serial_correlation_sees_a_wave_and_no_noise():
    """A slow wave correlates with itself; noise and nothing do not."""
    correlation, p = serial_correlation(np.sin(np.arange(100) / 10))
    assert correlation > 0.9
    assert p < 1e-6
    assert serial_correlation(np.random.default_rng(0).normal(size=200))[1] > 0.01
    assert serial_correlation(np.zeros(5)) == (0.0, 1.0)


def test_repeats_that_follow_a_drift_resemble_what_was_near_them():
    """Finds an AR(1) drift as large as the noise, white noise at the rate p, and nothing in one repeat."""
    rng = np.random.default_rng(5)
    order = np.argsort(rng.random(200)).reshape(50, 4).astype(float)
    walk = np.zeros(200)
    for place in range(1, 200):
        walk[place] = 0.92 * walk[place - 1] + rng.normal(0, 0.39)
    drifting = rng.normal(0, 1, (50, 4)) + walk[order.astype(int)]
    assert resemblance_p(drifting, order) < 1e-6
    white = [resemblance_p(rng.normal(0, 1, (50, 4)), order) for _ in range(300)]
    assert np.mean(np.array(white) < 0.05) == pytest.approx(0.05, abs=0.035)
    assert resemblance_p(rng.normal(0, 1, (50, 1)), order[:, :1]) is None
    assert resemblance_p(np.ones((50, 4)), order) is None

"""The cluster bootstrap: shapes, determinism, degenerate data, and agreement with resampling by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uderia_bench.stats.bootstrap import (
    bca_interval,
    bootstrap_intervals,
    resample_counts,
    studentised_mean,
    weighted_sums,
)


def test_resamples_are_whole_and_reproducible():
    """Every resample draws as many units as there are, and a seed fixes them."""
    counts = resample_counts(30, 500, 3)
    assert counts.shape == (500, 30)
    assert (counts.sum(axis=1) == 30).all()
    resample_counts.cache_clear()
    assert (resample_counts(30, 500, 3) == counts).all()
    assert (resample_counts(30, 500, 4) != counts).any()


def test_resamples_cannot_be_changed_by_a_caller():
    """The draws are shared, so they are read-only."""
    with pytest.raises(ValueError, match="read-only"):
        resample_counts(10, 5, 0)[0, 0] = 1


def test_sums_over_chunks_are_sums():
    """Products made in pieces equal the product made at once."""
    counts, columns = resample_counts(7, 3_000, 1), np.random.default_rng(0).normal(size=(7, 3))
    assert weighted_sums(counts, columns) == pytest.approx(counts.astype(float) @ columns)


def test_the_t_statistics_are_those_of_resamples_made_by_hand():
    """Vectorised t statistics equal those computed from each resample's own values."""
    values = np.random.default_rng(1).lognormal(size=12)
    studied = studentised_mean(values, seed=2, draws=200)
    by_hand = []
    for row in resample_counts(12, 200, 2):
        drawn = np.repeat(values, row)
        by_hand.append((drawn.mean() - values.mean()) / (drawn.std(ddof=1) / np.sqrt(12)))
    assert studied.t_draws == pytest.approx(np.sort(by_hand))
    assert studied.standard_error == pytest.approx(values.std(ddof=1) / np.sqrt(12))


def test_equal_clusters_are_as_good_as_their_means():
    """Sums with equal sizes give the interval of the plain means."""
    values = np.random.default_rng(1).normal(5, 1, 20)
    plain = studentised_mean(values, seed=1).interval(0.95)
    clustered = studentised_mean(values * 4, sizes=np.full(20, 4.0), seed=1).interval(0.95)
    assert (clustered.lo, clustered.hi) == pytest.approx((plain.lo, plain.hi))


def test_rare_events_are_not_trusted_to_a_bootstrap():
    """Where many resamples hold no event, the studentised interval says it cannot be trusted; with many events it can."""
    rare, common = np.zeros(40), np.zeros(40)
    rare[:2], common[:15] = 1, 1
    assert not studentised_mean(rare, seed=1).trusted(0.95)
    assert studentised_mean(common, seed=1).trusted(0.95)
    assert not studentised_mean(np.ones(40), seed=1).trusted(0.95)


def test_the_interval_of_leaning_data_leans():
    """The upper end of log-normal data is farther from the mean than the lower one."""
    studied = studentised_mean(np.random.default_rng(5).lognormal(size=30), seed=1)
    leaning = studied.interval(0.95)
    assert leaning.hi - studied.value > 1.2 * (studied.value - leaning.lo)


def test_one_unit_that_carries_all_the_spread_has_no_interval():
    """A million among values between 0 and 1: resamples without it would bound the mean at 1e10."""
    values = np.random.default_rng(6).random(30)
    values[3] = 1e6
    studied = studentised_mean(values, seed=1)
    interval = studied.interval(0.95)
    assert (interval.lo, interval.hi) == (None, None)
    assert "a few units have almost all of the spread" in interval.because


@given(shift=st.floats(-1e3, 1e3), scale=st.floats(1e-3, 1e3))
def test_the_interval_moves_with_the_data(shift, scale):
    """Shifting and scaling the data shifts and scales the interval."""
    values = np.random.default_rng(3).normal(size=15)
    interval = studentised_mean(values, seed=1, draws=300).interval(0.9)
    moved = studentised_mean(values * scale + shift, seed=1, draws=300).interval(0.9)
    tolerance = 1e-9 * (abs(shift) + scale)
    assert moved.lo == pytest.approx(interval.lo * scale + shift, abs=tolerance, rel=1e-6)
    assert moved.hi == pytest.approx(interval.hi * scale + shift, abs=tolerance, rel=1e-6)


def test_a_higher_level_is_never_narrower():
    """The 95 % interval holds the 90 % interval."""
    studied = studentised_mean(np.random.default_rng(3).lognormal(size=15), seed=1)
    wide, narrow = studied.interval(0.95), studied.interval(0.9)
    assert wide.lo <= narrow.lo <= studied.value <= narrow.hi <= wide.hi


def test_bca_is_scipys():
    """With the same number of draws our BCa agrees with scipy's to the noise of resampling."""
    from scipy.stats import bootstrap

    values = np.random.default_rng(2).lognormal(size=60)
    (ours,) = bootstrap_intervals(
        lambda counts: weighted_sums(counts, values[:, None]) / counts.sum(axis=1, keepdims=True),
        values=np.array([values.mean()]),
        units=60,
        level=0.95,
        seed=1,
        draws=20_000,
    )
    theirs = bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(1)).confidence_interval
    assert ours.method == "BCa bootstrap"
    assert (ours.lo, ours.hi) == pytest.approx((theirs.low, theirs.high), rel=0.02)


def test_small_samples_get_no_bca():
    """Below its floor the interval is the percentile one, because BCa is worse there."""
    values = np.random.default_rng(2).normal(size=20)
    (interval,) = bootstrap_intervals(
        lambda counts: weighted_sums(counts, values[:, None]),
        values=np.array([values.sum()]),
        units=20,
        level=0.95,
        seed=1,
        draws=99,
    )
    assert interval.method == "percentile bootstrap"


def test_bca_of_data_without_spread_is_a_point():
    """Equal draws and an equal jackknife have no correction and no NaN."""
    interval = bca_interval(np.ones(100), value=1.0, jackknife=np.ones(5), level=0.95)
    assert (interval.lo, interval.hi) == (1.0, 1.0)

"""Percentiles over clusters: right ranks in every resample, floors, ties."""

import numpy as np
import pytest

from uderia_bench.stats.bootstrap import resample_counts
from uderia_bench.stats.percentile import PERCENTS, _Ordered, floor, percentile_ratios, percentiles


@pytest.mark.parametrize("q", [0.0, 0.5, 0.9, 0.95, 0.99, 1.0])
@pytest.mark.parametrize(("units", "repeats"), [(7, 1), (30, 10), (129, 3)])
def test_resampled_quantiles_are_those_of_resampled_data(units, repeats, q):
    """The histogram shortcut finds exactly numpy's quantile of the observations each resample holds, ties included."""
    values = np.random.default_rng(1).lognormal(size=units * repeats).round(1)
    owners = np.repeat(np.arange(units), repeats)
    counts = resample_counts(units, 60, 5)
    expected = [np.quantile(np.repeat(values, np.repeat(row, repeats)), q) for row in counts]
    assert _Ordered(values, owners, units).quantiles(counts, np.array([q]))[:, 0] == pytest.approx(expected, abs=1e-12)


def test_the_value_is_numpys():
    """Point estimates are numpy's over all observations, whatever the clusters."""
    values = np.random.default_rng(1).lognormal(size=80)
    found = percentiles(values, np.repeat(np.arange(20), 4), level=0.95, seed=1)
    assert [found[percent].value for percent in PERCENTS] == pytest.approx(np.percentile(values, PERCENTS).tolist())


def test_below_the_floor_there_is_no_interval_and_a_count_of_what_is_missing():
    """With 20 clusters p50 has an interval; p90, p95 and p99 have none and say how many more they need."""
    found = percentiles(np.arange(200.0), np.repeat(np.arange(20), 10), level=0.95, seed=1)
    assert found[50].lo is not None
    assert [found[percent].lo for percent in (90, 95, 99)] == [None, None, None]
    assert found[90].warnings == ("p90 needs 29 queries for a 95% interval; this has 20",)
    assert found[99].warnings == ("p99 needs 299 queries for a 95% interval; this has 20",)


def test_repeats_do_not_count_as_independent():
    """Ten times the repeats leave n, and the floor, where they were."""
    found = percentiles(np.arange(300.0), np.repeat(np.arange(30), 10), level=0.95, seed=1)
    assert found[50].n == 30
    assert found[95].lo is None


def test_floors_fall_with_the_level():
    """A lower level needs fewer observations, and low percentiles need what high ones do."""
    assert floor(90, 0.90) < floor(90, 0.95) < floor(90, 0.99)
    assert floor(10, 0.95) == floor(90, 0.95)


def test_no_observation_is_no_value():
    """Nothing observed is None, with what is missing counted."""
    found = percentiles(np.array([]), np.array([], dtype=np.intp), level=0.95, seed=1, missing=7)
    assert found[50].value is None
    assert found[50].missing == 7


def test_below_every_floor_there_are_values_and_no_interval():
    """Four observations have percentiles, and no interval for any of them."""
    found = percentiles(np.arange(4.0), np.arange(4), level=0.95, seed=1)
    assert found[50].value == 1.5
    assert [estimate.lo for estimate in found.values()] == [None] * 4


def test_clusters_that_agree_widen_the_interval():
    """Observations that repeat their cluster's value say less than independent ones: the interval is wider."""
    rng = np.random.default_rng(4)
    own = rng.normal(size=400)
    shared = np.repeat(rng.normal(size=40), 10)
    owners = np.repeat(np.arange(40), 10)
    width = {
        name: found[50].hi - found[50].lo
        for name, found in (
            ("own", percentiles(own, owners, level=0.95, seed=1)),
            ("shared", percentiles(shared, owners, level=0.95, seed=1)),
        )
    }
    assert width["shared"] > 1.5 * width["own"]


def test_the_ratio_of_a_percentile_is_paired_by_unit():
    """Twice as slow on every query is exactly 2 at every percentile, although the queries differ a hundredfold."""
    level = np.exp(np.random.default_rng(3).normal(0, 1, 80))
    units = np.arange(80)
    found = percentile_ratios(((level, units), (2 * level, units)), (50, 90, 95), level=0.95, seed=1)
    for percent in (50, 90, 95):
        assert (found[percent].value, found[percent].lo, found[percent].hi) == pytest.approx((2, 2, 2))


def test_a_ratio_of_percentiles_has_the_floor_of_the_percentile():
    """Twenty queries bound the median's ratio and not the p95's."""
    rng = np.random.default_rng(4)
    sides = tuple((np.exp(rng.normal(0, 0.3, 60)), np.repeat(np.arange(20), 3)) for _ in range(2))
    found = percentile_ratios(sides, (50, 95), level=0.95, seed=1)
    assert found[50].lo < found[50].value < found[50].hi
    assert (found[95].lo, found[95].n) == (None, 20)
    assert found[95].value == pytest.approx(np.quantile(sides[1][0], 0.95) / np.quantile(sides[0][0], 0.95))

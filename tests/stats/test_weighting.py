"""Observations that do not all count the same: sums one can check in the head."""

import numpy as np
import polars as pl
import pytest

from uderia_bench.analysis.notebook import compare
from uderia_bench.analysis.summary import summarise
from uderia_bench.analysis.trials import measured
from uderia_bench.errors import UsageError
from uderia_bench.reading.metrics import BUILT_IN
from uderia_bench.stats.mean import cluster_mean
from uderia_bench.stats.percentile import percentiles
from uderia_bench.stats.weighting import effective, repeated


def frame(weights, *, ratios=None, queries=20):
    """Return trials of two arms, and on each query the ratio of OPTIM to IDEAT."""
    ratios = [1.2] * queries if ratios is None else ratios
    rows = [
        {"query_id": f"q{number:02}", "arm": arm, "repeat": 1, "outcome": "answered", "latency_s": value, "weight": weight}
        for number, (ratio, weight) in enumerate(zip(ratios, weights, strict=True))
        for arm, value in (("IDEAT", 1.0 + number), ("OPTIM", (1.0 + number) * ratio))
    ]
    return pl.DataFrame(rows, schema_overrides={"weight": pl.Float64})


def compared(found):
    """Compare OPTIM with IDEAT on latency."""
    return compare(found, baseline="IDEAT", candidate="OPTIM", metrics=["latency_s"], margins={"latency_s": 0.1}, seed=1)[0]


def test_a_weighted_effect_speaks_of_the_queries_that_count():
    """Ten queries with a ratio of 2 count three times as much as ten with a ratio of 1: 2^(3/4)."""
    found = compared(frame([3.0] * 10 + [1.0] * 10, ratios=[2.0] * 10 + [1.0] * 10))
    assert found.effect.value == pytest.approx(2**0.75)
    assert found.effect.lo < 2**0.75 < found.effect.hi


def test_weights_of_no_value_are_no_trouble():
    """A metric that one arm lacks has no pair to weight, and no percentile."""
    lacking = frame([3.0] * 20).with_columns(latency_s=pl.when(pl.col("arm") == "IDEAT").then(pl.col("latency_s")))
    found = compared(lacking)
    assert (found.effect.value, found.n_pairs) == (None, 0)
    (latency,) = (one for one in BUILT_IN if one.name == "latency_s")
    assert summarise(measured(lacking), "OPTIM", metrics=(latency,), confidence=0.95, seed=7).metrics["latency_s"].n == 0


def test_equal_weights_and_none_are_the_same():
    """A column of equal weights changes nothing, whatever the number."""
    rng = np.random.default_rng(1)
    ratios = np.exp(rng.normal(0.1, 0.2, 20)).tolist()
    plain = compared(frame([None] * 20, ratios=ratios))
    assert compared(frame([5.0] * 20, ratios=ratios)) == plain
    assert compared(frame([None] * 20, ratios=ratios).drop("weight")) == plain


def test_a_weight_must_be_positive():
    """The error names the column."""
    with pytest.raises(UsageError, match="column 'weight'"):
        compared(frame([0.0] + [1.0] * 19))


def test_totals_percentiles_and_means_of_an_arm_are_weighted():
    """The slowest query counts as much as all others: half of the traffic takes its time."""
    weights = [1.0] * 19 + [19.0]
    latency = tuple(metric for metric in BUILT_IN if metric.name == "latency_s")
    found = summarise(measured(frame(weights)), "IDEAT", metrics=latency, confidence=0.95, seed=1).metrics["latency_s"]
    mean = (sum(range(1, 20)) + 19 * 20) / 38
    assert found.mean.value == pytest.approx(mean)
    assert found.total.value == pytest.approx(mean * 20)
    assert found.percentiles[90].value == 20
    assert found.geometric_mean.value == pytest.approx(np.exp(np.average(np.log(np.arange(1, 21)), weights=weights)))


def test_a_weighted_rate_has_the_interval_of_what_it_is_worth():
    """One query that counts as much as nine others makes a rate less certain."""
    units = np.arange(10)
    values = np.array([1.0, 0, 1, 0, 1, 0, 1, 0, 1, 0])
    plain, heavy = (
        cluster_mean(values, units, bounded=True, level=0.95, seed=1, weights=weights)
        for weights in (None, np.array([9.0, *[1.0] * 9]))
    )
    assert heavy.value == pytest.approx(13 / 18)
    assert heavy.hi - heavy.lo > plain.hi - plain.lo


def test_copies_stand_for_weights():
    """Weights of 1 and 3 are 10 and 30 copies; no observation is lost."""
    values, units = repeated(np.array([1.0, 2.0]), np.array([0, 1]), np.array([1.0, 3.0]))
    assert np.bincount(units).tolist() == [10, 30]
    assert (values[units == 1] == 2).all()
    assert percentiles(values, units, level=0.95, seed=1)[50].value == 2
    assert set(repeated(np.arange(2.0), np.arange(2), np.array([1e-9, 1.0]))[1]) == {0, 1}
    assert effective(np.ones(7)) == 7
    assert effective(np.array([1.0, 0.0])) == 1

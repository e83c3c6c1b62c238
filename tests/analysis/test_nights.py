"""The variation between nights in a comparison of two runs."""

from math import hypot, sqrt

import numpy as np
import pytest
from frames import BASELINE, CANDIDATE, LATENCY, grid, metric, noisy

from uderia_bench.analysis.effects import measure
from uderia_bench.analysis.nights import across_nights
from uderia_bench.analysis.pairs import pair, side
from uderia_bench.analysis.trials import measured
from uderia_bench.reading.metrics.metric import Assumption

CORRECTIONS = metric("corrections", assumption=Assumption.AMOUNT)


def judged(frame, of, arms=(BASELINE, CANDIDATE)):
    """Compare two arms as two runs without a history."""
    trials = measured(frame)
    pairs = pair(*(side(trials, of, arm, where=trials.asked) for arm in arms), of)
    return across_nights(measure(pairs, of, confidence=0.95, seed=1), pairs, of, None, confidence=0.95)


@pytest.mark.parametrize("arms", [(BASELINE, CANDIDATE), (CANDIDATE, BASELINE)])
def test_an_amount_that_one_run_does_not_have_varies_too(arms):
    """5 % of a level of 0 is 0. The other run's level of 2 varies by .1, so both have a mean variance of .005."""
    frame = grid(queries=40, column="corrections", value=lambda q, arm, _: 4 * (q % 2) * (arm == CANDIDATE))
    assert judged(frame, CORRECTIONS, arms).beside["between_nights_sd"] == pytest.approx(sqrt(0.005))


def test_queries_that_count_more_make_the_difference_less_certain():
    """Its standard error is that of the weighted mean: (sum of squared weighted distances from it, over n (n - 1))."""
    weight = np.where(np.arange(30) < 3, 20.0, 1.0)
    frame = grid(queries=30, value=noisy(seed=5), weight=lambda q, *_: weight[q])
    times = frame.pivot("arm", index="query_id", values="latency_s").sort("query_id")
    d = np.log(times[CANDIDATE].to_numpy() / times[BASELINE].to_numpy())
    w = weight / weight.mean()
    within = sqrt(((w * (d - np.average(d, weights=w))) ** 2).sum() / 29 / 30)
    _, nights = judged(frame, LATENCY).inference.tests
    assert nights.test.error == pytest.approx(hypot(within, sqrt(2) * 0.05))
    assert within > 1.5 * d.std(ddof=1) / sqrt(30)

"""Timeouts as what they are: times known only to exceed every answer. Medians and ranks survive them, means do not.

The comparison of complete pairs leaves a query out when an arm never answered it; here a timed-out repeat counts as slower
than any answer, each query votes with the medians of its two arms, and the votes are counted (sign test). Two medians that
are both timeouts are no vote.
"""

from __future__ import annotations

import numpy as np

from uderia_bench.analysis.trials import Mask, Trials
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.stats.arrays import Floats
from uderia_bench.stats.proportion import sign_test_p
from uderia_bench.trial import Outcome

WHOLE_ANSWER = ("latency_s", "answer_wall_s", "task_s")  # the times that a deadline cuts off


def with_timeouts(
    trials: Trials, metric: Metric, *, baseline: str, candidate: str, where: Mask
) -> tuple[dict[str, float | None], tuple[str, ...]]:
    """Compare medians with timeouts counted as slowest; nothing where the metric is no such time or nothing timed out."""
    timed_out = where & trials.mask(trials.frame["outcome"] == Outcome.TIMED_OUT)
    arms = [trials.arm(baseline), trials.arm(candidate)]
    if metric.name not in WHOLE_ANSWER or not timed_out[:, arms].any():
        return {}, ()
    times = np.where(timed_out, np.inf, np.where(where, trials.values(metric), np.nan))
    first, second = (_medians(times[:, arm]) for arm in arms)
    faster, slower = int(np.count_nonzero(second < first)), int(np.count_nonzero(second > first))
    beside: dict[str, float | None] = {
        "censored_queries_won": faster / (faster + slower) if faster + slower else None,
        "censored_sign_p": sign_test_p(faster, slower),
    }
    late = timed_out[:, arms].sum(axis=(0, 2))
    note = (
        f"timed out: {late[0]} on {baseline}, {late[1]} on {candidate}; with a timeout as slower than any answer, "
        f"{candidate} is faster on {faster} queries and slower on {slower} (sign test p {beside['censored_sign_p']:.2g})"
    )
    return beside, (note,)


def _medians(times: Floats) -> Floats:
    """Return each query's lower median, which is an observation; NaN where nothing was observed or timed out."""
    ordered = np.sort(times, axis=1)  # NaN last
    count = np.count_nonzero(~np.isnan(times), axis=1)
    medians: Floats = np.where(count > 0, ordered[np.arange(times.shape[0]), np.maximum((count - 1) // 2, 0)], np.nan)
    return medians

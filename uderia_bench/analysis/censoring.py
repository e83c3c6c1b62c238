"""Compare times with timed-out trials counted as their time limit.

A timed-out trial took at least its limit. Leaving timeouts out makes the arm that times out more
look faster. A trial's limit is how long it was waited for, the median of all that timed out. Where
the trials do not say when they were sent and ended, the slowest answer of the two arms stands for
the limit. The true limit is then higher, so an arm that times out more is never called faster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from uderia_bench.analysis.flights import DONE, SENT, flights
from uderia_bench.analysis.trials import Trials
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.stats.arrays import Floats, Mask
from uderia_bench.trial import Outcome

WHOLE_ANSWER = ("latency_s", "answer_wall_s", "task_s")  # the times that a time limit cuts off


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Penalised:
    """The observations of a metric with timed-out trials at ``limit_s``; ``known`` where the trials say what that is.

    ``timed_out`` counts them on the baseline and on the candidate.
    """

    values: Floats
    limit_s: float
    known: bool
    timed_out: tuple[int, int]


def with_timeouts(trials: Trials, metric: Metric, *, baseline: str, candidate: str, where: Mask) -> Penalised | None:
    """Count timed-out trials as their time limit; None where the metric is no such time or nothing timed out."""
    late = where & trials.mask(trials.frame["outcome"] == Outcome.TIMED_OUT)
    arms = [trials.arm(baseline), trials.arm(candidate)]
    if metric.name not in WHOLE_ANSWER or not late[:, arms].any():
        return None
    values = trials.values(metric)
    answered = values[:, arms][where[:, arms] & np.isfinite(values[:, arms])]
    waited = _waited_s(trials)
    slowest = float(answered.max()) if answered.size else 0.0
    limit = waited if waited is not None else slowest
    if limit <= 0:
        return None
    return Penalised(
        values=np.where(late, max(limit, slowest), values),
        limit_s=max(limit, slowest),
        known=waited is not None,
        timed_out=(int(late[:, arms[0]].sum()), int(late[:, arms[1]].sum())),
    )


def _waited_s(trials: Trials) -> float | None:
    """Return the median wait for timed-out trials; None where no trial records it."""
    timed = flights(trials.frame.filter(pl.col("outcome") == Outcome.TIMED_OUT))
    if timed is None or timed.is_empty():
        return None
    seconds = (timed[DONE] - timed[SENT]).dt.total_microseconds().median()
    return float(seconds) / 1e6 if isinstance(seconds, float | int) else None

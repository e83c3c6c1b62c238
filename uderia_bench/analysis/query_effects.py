"""The effect of each query, shrunk towards the corpus, and which queries changed.

The noise of one query comes from the spread of its repeats, pooled over the queries of an arm. With one
repeat it cannot be told from the spread between queries, so there are no effects of single queries.
"""

from __future__ import annotations

from math import exp

import numpy as np

from uderia_bench.analysis.pairs import side
from uderia_bench.analysis.trials import Trials
from uderia_bench.analysis.values import QueryEffect, QueryEffects
from uderia_bench.printable import count_of
from uderia_bench.reading.metrics.metric import Assumption, Metric
from uderia_bench.stats.arrays import Floats, Mask
from uderia_bench.stats.shrinkage import FEWEST, shrink

FALSE_RATE = 0.10
"""Of the queries that are said to have changed, at most this share has not, on average."""


def query_effects(
    trials: Trials, metric: Metric, baseline: str, candidate: str, *, confidence: float, where: Mask | None = None
) -> QueryEffects | str:
    """Return the shrunk effect of every query with both arms, the largest first, or why there are none."""
    where = trials.asked if where is None else where
    sides = [side(trials, metric, arm, where=where).judged for arm in (baseline, candidate)]
    ratio = metric.assumption is Assumption.POSITIVE
    sides = [np.log(values) for values in sides] if ratio else sides
    counts = [np.isfinite(values).sum(axis=1) for values in sides]
    there = (counts[0] > 0) & (counts[1] > 0)
    if (both := int(np.count_nonzero(there))) < FEWEST:
        return f"{count_of(both, 'query has', 'queries have')} both arms, and {FEWEST} are needed"
    within = [_pooled_variance(values[there]) for values in sides]
    if within[0] is None or within[1] is None:
        return "effects of single queries need repeats"
    means = [np.nanmean(values[there], axis=1) for values in sides]
    noise = within[0] / counts[0][there] + within[1] / counts[1][there]
    raw = means[1] - means[0]
    found = shrink(raw, noise, level=confidence)
    changed = found.changed(FALSE_RATE)
    back = exp if ratio else float
    names = [query for query, present in zip(trials.queries, there, strict=True) if present]
    order = np.argsort(-np.abs(found.values), kind="stable")
    return QueryEffects(
        baseline=baseline,
        candidate=candidate,
        metric=metric.name,
        kind="ratio" if ratio else "difference",
        false_rate=FALSE_RATE,
        queries=tuple(
            QueryEffect(
                query=names[place],
                raw=back(float(raw[place])),
                value=back(float(found.values[place])),
                lo=back(float(found.lo[place])),
                hi=back(float(found.hi[place])),
                false_sign=float(found.false_sign[place]),
                changed=bool(changed[place]),
            )
            for place in order.tolist()
        ),
    )


def _pooled_variance(values: Floats) -> float | None:
    """Return the variance of one observation within its query, over all queries; None without repeats."""
    counts = np.isfinite(values).sum(axis=1)
    freedom = int((counts - 1).clip(0).sum())
    if freedom == 0:
        return None
    means = np.nanmean(values, axis=1, keepdims=True)
    return float(np.nansum((values - means) ** 2)) / freedom

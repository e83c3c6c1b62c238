"""Observations that do not all count the same, such as queries that users ask often, or that were drawn rarely.

A mean becomes ``sum(weight · value) / sum(weight)`` (Hájek, in *Foundations of Statistical Inference*,
1971). Weights only matter in proportion to each other.
"""

from __future__ import annotations

import numpy as np

from uderia_bench.stats.arrays import Codes, Floats

_COPIES = 20  # of an observation of mean weight: a percentile then moves by less than its own noise
_MOST = 400_000  # observations, so that a percentile of a large run stays quick


def repeated(values: Floats, units: Codes, weights: Floats | None) -> tuple[Floats, Codes]:
    """Return the observations with their units, each as often as it counts, for statistics without weights.

    Percentiles of the result are those of the weighted observations. Resampling whole units stays
    valid, because copies have the same unit.
    """
    if weights is None or not weights.size:
        return values, units
    times = copies(weights)
    return np.repeat(values, times), np.repeat(units, times)


def copies(weights: Floats) -> Codes:
    """Return how often each of one or more observations is repeated, so that the copies count as the weights say."""
    each = max(min(_COPIES, _MOST // weights.size), 1)
    times: Codes = np.maximum(np.rint(weights / weights.mean() * each).astype(np.intp), 1)
    return times


def effective(weights: Floats) -> float:
    """Return how many equally weighted observations are as precise (Kish, *Survey Sampling*, 1965, 11.7)."""
    return float(weights.sum() ** 2 / (weights**2).sum())

"""Percentiles of clustered observations with a cluster bootstrap interval, and no interval where none exists.

Speed comes from never sorting twice: the observations are sorted once, a histogram of units x blocks of neighbours is
multiplied by the resample counts, and only the block that holds the wanted rank is looked at closely.
"""

from __future__ import annotations

from math import log

import numpy as np
import numpy.typing as npt

from uderia_bench.stats.arrays import Counts, Floats, is_flat
from uderia_bench.stats.bootstrap import QUANTILE_DRAWS, bootstrap_interval, weighted_sums
from uderia_bench.stats.estimate import Estimate

PERCENTS = (50, 90, 95, 99)
_BLOCK = 64  # observations looked at closely per resample


def floor(percent: int, level: float) -> int:
    """Return the fewest independent observations with a two-sided interval for this percentile at ``level``.

    Even from the smallest to the largest value the interval holds the percentile q with probability 1 - q^n - (1 - q)^n
    only (order statistics; David & Nagaraja, *Order Statistics*, 2003, 7.1): 6, 29, 59 and 299 for p50, p90, p95 and p99
    at 95 %.
    """
    q = max(percent, 100 - percent) / 100
    n = max(int(log(1 - level) / log(q)), 1)
    while 1 - q**n - (1 - q) ** n < level:
        n += 1
    return n


def percentiles(
    values: Floats, units: npt.NDArray[np.intp], *, level: float, seed: int, missing: int = 0
) -> dict[int, Estimate]:
    """Estimate every percentile of ``PERCENTS`` over observations ``values``.

    ``units`` (same shape) says which unit each belongs to: codes from 0, none skipped. The value is numpy's default
    (linear interpolation) over all observations; the interval resamples whole units.
    """
    n_units = int(units.max()) + 1 if values.size else 0
    ordered = _Ordered(values, units, n_units)
    return {percent: _percentile(ordered, percent, level=level, seed=seed, missing=missing) for percent in PERCENTS}


def _percentile(ordered: _Ordered, percent: int, *, level: float, seed: int, missing: int) -> Estimate:
    n = ordered.n_units
    if n == 0:
        return Estimate(value=None, lo=None, hi=None, level=level, n=0, missing=missing)
    value = float(np.percentile(ordered.values, percent))
    needed = floor(percent, level)
    if n < needed:
        advice = f"p{percent} has no {level:.0%} interval below {needed} independent observations: {needed - n} more needed"
        return Estimate(value=value, lo=None, hi=None, level=level, n=n, missing=missing, warnings=(advice,))
    if is_flat(ordered.values):
        return Estimate(value=value, lo=value, hi=value, level=level, n=n, missing=missing, method="all values equal")
    interval = bootstrap_interval(
        lambda counts: ordered.quantile(counts, percent / 100),
        value=value,
        units=n,
        level=level,
        seed=seed,
        draws=QUANTILE_DRAWS,
    )
    return Estimate(
        value=value, lo=interval.lo, hi=interval.hi, level=level, n=n, missing=missing, method=f"cluster {interval.method}"
    )


class _Ordered:
    """Observations in ascending order, with the histogram that makes their resampled ranks a matrix product."""

    def __init__(self, values: Floats, units: npt.NDArray[np.intp], n_units: int) -> None:
        order = np.lexsort((units, values))
        self.values = values[order]
        self.n_units = n_units
        self._units = units[order]
        blocks = -(-values.size // _BLOCK)
        self._histogram = np.zeros((n_units, blocks))
        np.add.at(self._histogram, (self._units, np.arange(values.size) // _BLOCK), 1.0)

    def quantile(self, counts: Counts, q: float) -> Floats:
        """Return the linearly interpolated quantile of each resample: shape ``(draws,)``."""
        ends = weighted_sums(counts, self._histogram).cumsum(axis=1)
        position = q * (ends[:, -1] - 1)
        rank = np.floor(position + 1e-9)
        low = self._at_rank(counts, ends, rank)
        high = self._at_rank(counts, ends, np.minimum(rank + 1, ends[:, -1] - 1))
        return low + (position - rank).clip(0) * (high - low)

    def _at_rank(self, counts: Counts, ends: Floats, rank: Floats) -> Floats:
        """Return the value at each resample's ``rank``, from 0."""
        rows = np.arange(rank.size)
        block = (ends > rank[:, None]).argmax(axis=1)
        before = np.where(block > 0, ends[rows, block - 1], 0.0)
        position = np.minimum(block[:, None] * _BLOCK + np.arange(_BLOCK), self.values.size - 1)
        weights = counts[rows[:, None], self._units[position]].astype(np.float64).cumsum(axis=1)
        inside = (weights > (rank - before)[:, None]).argmax(axis=1)
        found: Floats = self.values[position[rows, inside]]
        return found

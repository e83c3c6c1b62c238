"""The cluster bootstrap: whole units drawn with replacement, as a matrix product.

A resample is a row of counts: how often each unit was drawn. Without copies of the data, the mean of a
metric over 9,999 resamples is one product. Several metrics over the same units share the draws.
Means use the studentised method (bootstrap-t). It holds its level from 8 units on, where percentile and
BCa reject 11-12 % (docs/explanation/statistics.md, "Intervals"). Statistics without a standard error
(quantiles, ratios of totals) use percentile and BCa.

The studentised interval is equal-tailed: it leans the way the data lean. It is for the mean of one
arm.

Sources: Efron & Tibshirani, *An Introduction to the Bootstrap* (1993), 12.5 (bootstrap-t), 14.3
(BCa, jackknife acceleration); Davison & Hinkley, *Bootstrap Methods* (1997), 3.8 (resampling
clusters whole).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from uderia_bench.stats.arrays import ROUNDING, Counts, Floats, Mask, is_flat
from uderia_bench.stats.estimate import Interval

# docs/explanation/statistics.md, "Continuous metrics"; odd by one so that quantiles of the draws
# fall on draws
MEAN_DRAWS = 9_999
QUANTILE_DRAWS = 2_000  # the quantile's own noise exceeds that of 2,000 draws
UNITS_FLOOR = 6  # below, most resamples repeat each other, and t statistics of two distinct values run wild
BCA_FLOOR = 50  # units; below it BCa rejects 7 % and more of true nulls (docs/explanation/statistics.md, "Intervals")

# A resample in which all drawn units agree has no standard error. While such resamples are rarer
# than a tenth of the tail they cannot move the quantile that bounds it; from there on the
# studentised interval is an artefact of the ties.
FLAT_SHARE_OF_TAIL = 0.1

# A resampled t beyond this many times Student's means that one unit carries the spread and
# resamples without it have next to none: the end is an artefact of who was drawn. Simulated, 8 to
# 50 log-normal units whose logs have sd 1 stay below 27 times; one large value among small ones
# reaches 10^8 times.
WILD = 30.0

_Precision = TypeVar("_Precision", np.float32, np.float64)

_CHUNK = 256  # rows of counts turned to floats at a time: 1 MB for 500 units stays in the cache, twice as fast as 4 MB


@lru_cache(maxsize=4)
def resample_counts(units: int, draws: int, seed: int) -> Counts:
    """How often each unit is drawn in each resample: shape ``(draws, units)``, every row summing to ``units``. Read-only.

    Kept for the next caller with the same arguments, because every metric over the same units wants
    the same draws.
    """
    rng = np.random.default_rng([seed, units, draws])
    counts = np.empty((draws, units), dtype=np.uint16)
    for start in range(0, draws, _CHUNK):
        rows = min(_CHUNK, draws - start)
        drawn = rng.integers(0, units, size=(rows, units))
        drawn += np.arange(rows)[:, None] * units
        counts[start : start + rows] = np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units)
    counts.setflags(write=False)
    return counts


def weighted_sums(counts: Counts | Mask, columns: npt.NDArray[_Precision]) -> npt.NDArray[_Precision]:
    """Return ``counts @ columns``, ``(draws, units) @ (units, k)``, without ever holding all counts as floats.

    The product has the columns' own precision: whole numbers below 2^24 are exact, and twice as
    fast, in single.
    """
    sums = np.empty((counts.shape[0], columns.shape[1]), dtype=columns.dtype)
    for start in range(0, counts.shape[0], _CHUNK):
        np.matmul(counts[start : start + _CHUNK].astype(columns.dtype), columns, out=sums[start : start + _CHUNK])
    return sums


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudentisedMean:
    """A mean over units, its standard error, and the bootstrap draws of its t statistic (sorted, may hold infinities).

    ``flat_share`` is the share of resamples without any spread. Intervals of any level come from
    the same draws.
    """

    value: float
    standard_error: float
    units: int
    t_draws: Floats
    flat_share: float

    def trusted(self, level: float) -> bool:
        """Whether resamples without spread are too rare to bound the interval at ``level``."""
        return self.standard_error > 0 and self.flat_share <= FLAT_SHARE_OF_TAIL * (1 - level) / 2

    def interval(self, level: float) -> Interval:
        """Return the equal-tailed interval; none where a few units have almost all of the spread. Ask ``trusted`` first."""
        from scipy.special import stdtrit  # noqa: PLC0415 - scipy costs start-up time

        low_t, high_t = np.quantile(self.t_draws, [(1 - level) / 2, (1 + level) / 2]).tolist()
        if max(-low_t, high_t) > WILD * stdtrit(self.units - 1, (1 + level) / 2):
            return Interval.none("no interval: a few units have almost all of the spread")
        lo, hi = (self.value - t * self.standard_error for t in (high_t, low_t))
        return Interval(lo=lo, hi=hi, method="bootstrap-t")


def studentised_mean(values: Floats, *, seed: int, sizes: Floats | None = None, draws: int = MEAN_DRAWS) -> StudentisedMean:
    """Study the mean of one value a unit (shape ``(units,)``, at least 2), or of clusters given as sums and ``sizes``.

    With sizes the estimate is total / size, and its standard error the linearised one of a ratio of
    sums over clusters (Cochran, *Sampling Techniques*, 1977, 6.4); with all sizes equal both are
    those of a plain mean.
    """
    if sizes is not None and np.ptp(sizes) == 0:  # a plain mean, at less than half the work
        values, sizes = values / sizes, None
    weights = np.ones_like(values) if sizes is None else sizes
    units = values.size
    centre = values.sum() / weights.sum()
    # Around the centre the sums of squares lose no digits to a large common mean.
    residuals = values - centre * weights
    columns = [residuals, residuals**2]
    if sizes is not None:
        columns += [weights, residuals * weights, weights**2]
    total, squares, *of_sizes = weighted_sums(resample_counts(units, draws, seed), np.column_stack(columns)).T
    if sizes is None:
        size: Floats | float = float(units)
        shift = total / size
        spread = squares - shift * total
    else:
        size, mixed, size_squares = of_sizes
        shift = total / size
        spread = squares - 2 * shift * mixed + shift**2 * size_squares
    correction = units / (units - 1)
    error = 0.0 if is_flat(values / weights) else float(np.sqrt(correction * (residuals**2).sum()) / weights.sum())
    flat = spread <= ROUNDING * squares
    with np.errstate(divide="ignore", invalid="ignore"):
        t_draws = np.where(
            flat,
            np.where(np.abs(shift) <= ROUNDING * error, 0.0, np.sign(shift) * np.inf),
            shift * size / np.sqrt(correction * np.where(flat, 1.0, spread)),
        )
    t_draws.sort()
    return StudentisedMean(
        value=float(centre), standard_error=error, units=units, t_draws=t_draws, flat_share=float(flat.mean())
    )


def percentile_interval(draws: Floats, level: float) -> Interval:
    """Take the central ``level`` of the bootstrap draws."""
    lo, hi = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(lo=float(lo), hi=float(hi), method="percentile bootstrap")


def bca_interval(draws: Floats, *, value: float, jackknife: Floats, level: float) -> Interval:
    """Bias-corrected and accelerated: ``jackknife`` holds the statistic with each unit left out in turn.

    Where all draws or all jackknife values agree there is nothing to correct, and it is the
    percentile interval. Draws equal to the estimate count half towards the bias, or ties (a
    quantile of few values) would pass for bias.
    """
    from scipy.special import ndtr, ndtri  # noqa: PLC0415 - scipy costs start-up time

    below = (np.count_nonzero(draws < value) + 0.5 * np.count_nonzero(draws == value)) / draws.size
    if is_flat(jackknife) or not 0 < below < 1:
        return percentile_interval(draws, level)
    bias = ndtri(below)
    leverage = jackknife.mean() - jackknife
    acceleration = (leverage**3).sum() / (6 * (leverage**2).sum() ** 1.5)
    z = ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    lo, hi = np.quantile(draws, ndtr(bias + (bias + z) / (1 - acceleration * (bias + z))))
    return Interval(lo=float(lo), hi=float(hi), method="BCa bootstrap")


def bootstrap_intervals(
    statistics: Callable[[Counts], Floats], *, values: Floats, units: int, level: float, seed: int, draws: int
) -> tuple[Interval, ...]:
    """Bound any statistics of resample counts: BCa from ``BCA_FLOOR`` units on, percentile below.

    ``statistics`` maps counts ``(draws, units)`` to ``(draws, k)``; ``values`` are the k estimates
    from the data themselves.
    """
    drawn = statistics(resample_counts(units, draws, seed))
    if units < BCA_FLOOR:
        return tuple(percentile_interval(column, level) for column in drawn.T)
    left_out = statistics(1 - np.eye(units, dtype=np.uint16))  # each unit left out in turn
    return tuple(
        bca_interval(column, value=float(value), jackknife=jackknife, level=level)
        for column, value, jackknife in zip(drawn.T, values, left_out.T, strict=True)
    )

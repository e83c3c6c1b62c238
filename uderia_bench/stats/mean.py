"""The mean of clustered observations with an interval that counts clusters, not observations, as evidence."""

from __future__ import annotations

from math import exp, inf

import numpy as np

from uderia_bench.stats.arrays import Codes, Floats, is_flat, mode
from uderia_bench.stats.bootstrap import UNITS_FLOOR, studentised_mean
from uderia_bench.stats.difference import EQUAL_FLOOR, student_test
from uderia_bench.stats.estimate import Estimate, Interval
from uderia_bench.stats.proportion import wilson
from uderia_bench.stats.skew import lean_right
from uderia_bench.stats.sparse import is_sparse, others, sparse_mean, without_noise
from uderia_bench.stats.weighting import effective

# Simulated with rates of .6 to .99 on 8 to 200 clusters of 3 to 10 observations: from five on 94.2 to 99.7 % are covered, from
# one on 91.9 to 97, counting one observation a cluster 97 to 100.
EFFECTIVE_FLOOR = 5


def cluster_mean(
    values: Floats,
    units: Codes,
    *,
    bounded: bool,
    level: float,
    seed: int,
    missing: int = 0,
    weights: Floats | None = None,
) -> Estimate:
    """Estimate the mean of all ``values``; ``units`` (same shape) are their clusters, as codes from 0, none skipped.

    ``weights`` (same shape) is how much each value counts; all the same without them.
    ``bounded`` values lie in 0..1: their interval stays there, and where a bootstrap cannot work (one 0 or 1 a cluster, most
    equal, too few clusters) it is Wilson's. An amount that was never negative has no negative end.
    """
    if values.size == 0:
        return Estimate(value=None, lo=None, hi=None, level=level, n=0, missing=missing)
    sums, sizes = _by_unit(values, units, weights)
    value = float(sums.sum() / sizes.sum())
    if bounded:
        least = sums.size if weights is None else effective(sizes)  # observations that the clusters are worth, at least
        binary = bool(np.all(sizes == 1)) and bool(np.all((values == 0) | (values == 1)))
        interval = (
            wilson(value * sums.size, sums.size, level=level)
            if binary
            else _proportion(value, sums, sizes, least=least, level=level, seed=seed)
        )
    else:
        interval = _amount(sums, sizes, level=level, seed=seed, leans=True)
        interval = interval.within(0.0 if values.min() >= 0 else -inf, inf)
    return interval.about(value, level=level, n=sums.size, missing=missing)


def geometric_mean(
    values: Floats,
    units: Codes,
    *,
    level: float,
    seed: int,
    missing: int = 0,
    weights: Floats | None = None,
) -> Estimate:
    """Estimate the geometric mean of positive ``values``, at least 1, clusters as of ``cluster_mean``."""
    logs = np.log(values)
    sums, sizes = _by_unit(logs, units, weights)
    value = float(sums.sum() / sizes.sum())
    interval = _amount(sums, sizes, level=level, seed=seed, leans=False)
    return interval.about(value, level=level, n=sums.size, missing=missing).mapped(exp)


def _by_unit(values: Floats, units: Codes, weights: Floats | None) -> tuple[Floats, Floats]:
    """Return the weighted sum of each cluster, and how much it counts: on average as many as it has observations."""
    counts = np.ones(values.size) if weights is None else weights / weights.mean()
    sums, sizes = (np.bincount(units, weights=each).astype(np.float64) for each in (values * counts, counts))
    return sums, sizes


def _proportion(value: float, sums: Floats, sizes: Floats, *, least: float, level: float, seed: int) -> Interval:
    if sums.size >= UNITS_FLOOR and not is_sparse(sums / sizes):
        studied = studentised_mean(sums, sizes=sizes, seed=seed)
        if studied.trusted(level) and (interval := studied.interval(level)).lo is not None:
            return interval.within(0.0, 1.0)
    n = _effective(value, sums, sizes, least=least)
    return wilson(value * n, n, level=level)


def _effective(value: float, sums: Floats, sizes: Floats, *, least: float) -> float:
    """Return how many independent observations the clusters are worth (Kish's design effect), at least ``least``.

    Wilson's interval of that number: Franco, Little, Louis & Slud, *J. Surv. Stat. Methodol.* 7 (2019)
    334-364. If fewer than ``EFFECTIVE_FLOOR`` clusters deviate from the most common value, their variance
    is not usable, and ``least`` is the answer.
    """
    if others(sums / sizes) < EFFECTIVE_FLOOR:
        return least
    variance = float((sums - value * sizes).var(ddof=1)) / sizes.mean() ** 2 / sums.size
    return float(np.clip(value * (1 - value) / variance, least, sizes.sum()))


def _amount(sums: Floats, sizes: Floats, *, level: float, seed: int, leans: bool) -> Interval:
    """Bound a mean of amounts; those that ``leans`` to the right have an upper end of their own (``skew``)."""
    if sums.size == 1:
        return Interval.none("one unit has no spread: an interval needs 2 or more")
    means = sums / sizes
    value = float(sums.sum() / sizes.sum())
    if is_flat(means):
        return _of_equal(value, sums.size)
    if is_sparse(means):
        return _sparse(means, sizes, level=level)
    studied = studentised_mean(sums, sizes=sizes, seed=seed)
    if sums.size < UNITS_FLOOR or not studied.trusted(level):
        return student_test(means, sizes=sizes).interval(level)
    interval = studied.interval(level)
    if interval.hi is not None and interval.hi > means.max() and is_sparse(quiet := without_noise(means, logs=not leans)):
        return _sparse(quiet, sizes, level=level, equal="nearly equal")  # the resamples have almost no spread
    return lean_right(interval, studied, means, level=level, seed=seed) if leans else interval


def _of_equal(value: float, n: int) -> Interval:
    """Return an interval without width where so many equal units show that others are rare, else none."""
    if n < EQUAL_FLOOR:
        return Interval.none(f"no interval: all {n} values are equal, and fewer than {EQUAL_FLOOR} may miss a rare other value")
    return Interval(lo=value, hi=value, method="all units equal")


def _sparse(means: Floats, sizes: Floats, *, level: float, equal: str = "equal") -> Interval:
    common, _ = mode(means)
    return sparse_mean(common + (means - common) * sizes / sizes.mean(), level=level, equal=equal)

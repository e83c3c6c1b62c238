"""The mean of clustered observations with an interval that counts clusters, not observations, as evidence."""

from __future__ import annotations

from math import inf

import numpy as np
import numpy.typing as npt

from uderia_bench.stats.arrays import Floats, is_flat, mode
from uderia_bench.stats.bootstrap import UNITS_FLOOR, studentised_mean
from uderia_bench.stats.estimate import Estimate, Interval
from uderia_bench.stats.proportion import wilson
from uderia_bench.stats.sparse import is_sparse, sparse_mean
from uderia_bench.stats.student import t_interval


def cluster_mean(
    values: Floats, units: npt.NDArray[np.intp], *, bounded: bool, level: float, seed: int, missing: int = 0
) -> Estimate:
    """Estimate the mean of all ``values``; ``units`` (same shape) are their clusters, as codes from 0, none skipped.

    ``bounded`` values lie in 0..1: their interval stays there, and where a bootstrap cannot work (one 0 or 1 a cluster, most
    equal, too few clusters) it is Wilson's over clusters. An amount that was never negative has no negative end.
    """
    if values.size == 0:
        return Estimate(value=None, lo=None, hi=None, level=level, n=0, missing=missing)
    sums, sizes = np.bincount(units, weights=values).astype(np.float64), np.bincount(units).astype(np.float64)
    value, n = float(values.mean()), sums.size
    if bounded:
        binary = bool(np.all(sizes == 1)) and bool(np.all((values == 0) | (values == 1)))
        interval = wilson(value * n, n, level=level) if binary else _proportion(value, sums, sizes, level=level, seed=seed)
    elif n == 1:
        interval = Interval.none("one unit has no spread: an interval needs 2 or more")
    else:
        interval = _amount(sums, sizes, level=level, seed=seed).within(0.0 if values.min() >= 0 else -inf, inf)
    return Estimate(
        value=value,
        lo=interval.lo,
        hi=interval.hi,
        level=level,
        n=n,
        missing=missing,
        method=interval.method,
        warnings=(interval.because,) if interval.because else (),
    )


def _proportion(value: float, sums: Floats, sizes: Floats, *, level: float, seed: int) -> Interval:
    if sums.size >= UNITS_FLOOR and not is_sparse(sums / sizes):
        studied = studentised_mean(sums, sizes=sizes, seed=seed)
        if studied.trusted(level) and (interval := studied.interval(level)).lo is not None:
            return interval.within(0.0, 1.0)
    return wilson(value * sums.size, sums.size, level=level)


def _amount(sums: Floats, sizes: Floats, *, level: float, seed: int) -> Interval:
    means = sums / sizes
    value = float(sums.sum() / sizes.sum())
    if is_flat(means):
        return Interval(lo=value, hi=value, method="all units equal")
    if is_sparse(means):
        common, _ = mode(means)
        return sparse_mean(common + (sums - common * sizes) / sizes.mean(), level=level)
    if sums.size < UNITS_FLOOR:
        return _student(value, sums, sizes, level=level)
    studied = studentised_mean(sums, sizes=sizes, seed=seed)
    return studied.interval(level) if studied.trusted(level) else _student(value, sums, sizes, level=level)


def _student(value: float, sums: Floats, sizes: Floats, *, level: float) -> Interval:
    """Take Student's interval of the linearised contributions, whose plain mean is total / size."""
    return t_interval(value + (sums - value * sizes) / sizes.mean(), level=level)

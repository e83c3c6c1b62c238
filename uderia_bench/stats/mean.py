"""The mean of clustered observations with an interval that counts clusters, not observations, as evidence."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from uderia_bench.stats.arrays import Floats, is_flat
from uderia_bench.stats.bootstrap import UNITS_FLOOR, StudentisedMean, studentised_mean
from uderia_bench.stats.estimate import Estimate, Interval
from uderia_bench.stats.proportion import wilson


def cluster_mean(
    values: Floats, units: npt.NDArray[np.intp], *, bounded: bool, level: float, seed: int, missing: int = 0
) -> Estimate:
    """Estimate the mean of all ``values``; ``units`` (same shape) are their clusters, as codes from 0, none skipped.

    ``bounded`` values lie in 0..1: their interval stays there, and where a bootstrap cannot work (one 0 or 1 a cluster, all
    equal, too few clusters) it is Wilson's over clusters.
    """
    if values.size == 0:
        return Estimate(value=None, lo=None, hi=None, level=level, n=0, missing=missing)
    sums, sizes = np.bincount(units, weights=values).astype(np.float64), np.bincount(units).astype(np.float64)
    value, n = float(values.mean()), sums.size
    warnings: tuple[str, ...] = ()
    if bounded:
        binary = bool(np.all(sizes == 1)) and bool(np.all((values == 0) | (values == 1)))
        interval = wilson(value * n, n, level=level) if binary else _proportion(value, sums, sizes, level=level, seed=seed)
    elif n == 1:
        interval, warnings = Interval(lo=None, hi=None, method="none"), ("one unit has no spread: an interval needs 2 or more",)
    else:
        interval = _amount(sums, sizes, level=level, seed=seed)
    return Estimate(
        value=value,
        lo=interval.lo,
        hi=interval.hi,
        level=level,
        n=n,
        missing=missing,
        method=interval.method,
        warnings=warnings,
    )


def _proportion(value: float, sums: Floats, sizes: Floats, *, level: float, seed: int) -> Interval:
    if sums.size >= UNITS_FLOOR:
        studied = studentised_mean(sums, sizes=sizes, seed=seed)
        if studied.trusted(level):
            return studied.interval(level).within(0.0, 1.0)
    return wilson(value * sums.size, sums.size, level=level)


def _amount(sums: Floats, sizes: Floats, *, level: float, seed: int) -> Interval:
    if is_flat(sums / sizes):
        value = float(sums.sum() / sizes.sum())
        return Interval(lo=value, hi=value, method="all units equal")
    studied = studentised_mean(sums, sizes=sizes, seed=seed)
    if sums.size >= UNITS_FLOOR and studied.trusted(level):
        return studied.interval(level)
    return _student(studied, level=level)


def _student(studied: StudentisedMean, *, level: float) -> Interval:
    """Take Student's quantile with the cluster standard error."""
    from scipy.special import stdtrit  # noqa: PLC0415 - scipy costs start-up time

    half = float(stdtrit(studied.units - 1, (1 + level) / 2)) * studied.standard_error
    return Interval(lo=studied.value - half, hi=studied.value + half, method="t")

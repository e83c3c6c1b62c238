"""Student's t for a mean of units: the cross-check beside the bootstrap, and two one-sided tests for equivalence."""

from __future__ import annotations

from math import sqrt

from uderia_bench.stats.arrays import Floats, is_flat
from uderia_bench.stats.estimate import Interval


def standard_error(values: Floats) -> float:
    """Return the standard error of the mean of at least 2 values."""
    return float(values.std(ddof=1)) / sqrt(values.size)


def t_p(values: Floats) -> float:
    """Return the two-sided p of the mean of at least 2 values against 0; of equal values it is 1 or 0."""
    from scipy.special import stdtr  # noqa: PLC0415 - scipy costs start-up time

    error, mean = standard_error(values), float(values.mean())
    if is_flat(values):
        return 0.0 if mean else 1.0
    return 2 * float(stdtr(values.size - 1, -abs(mean) / error))


def t_interval(values: Floats, *, level: float) -> Interval:
    """Return the t interval for the mean of at least 2 values."""
    from scipy.special import stdtrit  # noqa: PLC0415 - scipy costs start-up time

    half = float(stdtrit(values.size - 1, (1 + level) / 2)) * standard_error(values)
    return Interval(lo=float(values.mean()) - half, hi=float(values.mean()) + half, method="t")

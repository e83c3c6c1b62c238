"""Proportions and their paired differences, with the ends of the scale as ordinary data: bounds, never NaN.

Newcombe, *Stat. Med.* 17 (1998): 857-872 (one proportion), 2635-2650 (paired difference).
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from uderia_bench.stats.arrays import Floats
from uderia_bench.stats.estimate import Interval
from uderia_bench.stats.permutation import MID_P_FLOOR


def wilson(successes: float, n: float, *, level: float) -> Interval:
    """Return Wilson's score interval.

    Both may be fractional: a mean of values in 0..1 varies no more than a proportion does, and clustered observations count for
    fewer independent ones.
    """
    from scipy.special import ndtri  # noqa: PLC0415 - scipy costs start-up time

    z = float(ndtri((1 + level) / 2))
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(max(share * (1 - share) / n + z * z / (4 * n * n), 0.0))
    lo = 0.0 if share <= 0 else max(centre - half, 0.0)  # exactly: rounding must not move the end of the scale
    hi = 1.0 if share >= 1 else min(centre + half, 1.0)
    return Interval(lo=lo, hi=hi, method="Wilson")


def newcombe_paired(first: Floats, other: Floats, *, level: float) -> Interval:
    """Bound the difference of two paired proportions, first - other, from 0/1 values of equal shape (paired method 10)."""
    n = first.size
    both = float(np.sum(first * other))
    only_first, only_other = float(first.sum()) - both, float(other.sum()) - both
    neither = n - both - only_first - only_other
    margins = (both + only_first) * (only_other + neither) * (both + only_other) * (only_first + neither)
    correlation = 0.0
    if margins > 0:
        determinant = both * neither - only_first * only_other
        # Continuity correction for positive association only, down to 0 and not below.
        correlation = (max(determinant - n / 2, 0.0) if determinant > 0 else determinant) / sqrt(margins)
    return _square_and_add(
        float(first.mean()),
        wilson(float(first.sum()), n, level=level),
        float(other.mean()),
        wilson(float(other.sum()), n, level=level),
        correlation=correlation,
        method="Newcombe paired",
    )


def _square_and_add(
    first: float, first_ends: Interval, other: float, other_ends: Interval, *, correlation: float, method: str
) -> Interval:
    """Combine two Wilson intervals into one for the difference; without correlation that of independent proportions."""
    assert first_ends.lo is not None
    assert first_ends.hi is not None
    assert other_ends.lo is not None
    assert other_ends.hi is not None

    def distance(one: float, two: float) -> float:
        return sqrt(max(one * one - 2 * correlation * one * two + two * two, 0.0))

    difference = first - other
    return Interval(
        lo=max(difference - distance(first - first_ends.lo, other_ends.hi - other), -1.0),
        hi=min(difference + distance(first_ends.hi - first, other - other_ends.lo), 1.0),
        method=method,
    )


def mcnemar_p(first: Floats, other: Floats, *, mid: bool = False) -> float:
    """Return McNemar's two-sided p for paired 0/1 values, exact or ``mid``; 1 where no pair disagrees."""
    return sign_test_p(int(np.sum((first == 1) & (other == 0))), int(np.sum((first == 0) & (other == 1))), mid=mid)


def sign_test_p(one_way: int, other_way: int, *, mid: bool = False) -> float:
    """Return the two-sided p of votes that are as likely either way; 1 without votes.

    ``mid`` asks for the mid-p, which is given from ``MID_P_FLOOR`` votes on: the sign-flip test's, in closed form
    (``permutation`` says why there is one).
    """
    from scipy.stats import binom  # noqa: PLC0415 - scipy costs start-up time

    votes, fewer = one_way + other_way, min(one_way, other_way)
    if votes == 0:
        return 1.0
    p = min(2 * float(binom.cdf(fewer, votes, 0.5)), 1.0)
    if not mid or votes < MID_P_FLOOR:
        return p
    return p - float(binom.pmf(fewer, votes, 0.5)) if one_way != other_way else 1 - float(binom.pmf(fewer, votes, 0.5)) / 2

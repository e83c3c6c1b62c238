"""Means of which most units show the same value: counts of rare things, rates near an end, differences that are mostly 0.

A bootstrap of them counts how often the few others were drawn, and its t statistics mean little. Here two observations are
added, one as far from the common value as anything seen (or as the scale allows) on either side, and Student's interval of all
is taken. For paired 0/1 data that is Bonett & Price's interval (*J. Educ. Behav. Stat.* 37, 2012, 479-488).
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from uderia_bench.stats.arrays import Floats, mode
from uderia_bench.stats.estimate import Interval

# Simulated with amounts that are 0 on 65 to 95 % of 20 to 200 units, differences of two such, and rates that change on a
# quarter of 30 queries: bootstrap-t covers 84 to 98 % and is at times endless, Student 84 to 100 %, two added 89 to 100 %.
SPARSE = 0.5

# Of fewer units that differ, all one way, nobody can say what a rarer and larger one would be: any interval of such an amount
# covers 52 to 90 %. Nor is their sign-flip p ever below .05 (2 / 2^5 = .0625), so no verdict goes without an interval for it.
ONE_WAY_FLOOR = 6


def is_sparse(values: Floats) -> bool:
    """Whether more than half of the units show the same value."""
    return mode(values)[1] > SPARSE


def two_added(values: Floats, *, reach: float, level: float, common: float = 0.0) -> Interval:
    """Bound the mean with two observations added at ``common`` ± ``reach``, by Student's t, which keeps small n honest.

    With no difference at all in n units the mean is bounded at about ±2.8 reach / n, close to the rule of three.
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - scipy costs start-up time

    n = values.size + 2
    away = values - common
    mean = float(away.sum() / n)
    variance = float((away**2).sum() + 2 * reach**2) / n - mean**2
    half = float(stdtrit(n - 1, (1 + level) / 2)) * sqrt(variance / n)
    return Interval(lo=common + mean - half, hi=common + mean + half, method="two observations added")


def bounded_difference(differences: Floats, *, level: float) -> Interval:
    """Bound the mean of differences that lie in -1..1."""
    return two_added(differences, reach=1.0, level=level).within(-1.0, 1.0)


def sparse_mean(values: Floats, *, level: float) -> Interval:
    """Bound the mean of a sparse amount; none where fewer than ``ONE_WAY_FLOOR`` units differ from the rest, all one way."""
    common, share = mode(values)
    away = values - common
    others = round((1 - share) * values.size)
    if others < ONE_WAY_FLOOR and (np.all(away >= 0) or np.all(away <= 0)):
        return Interval.none(
            f"only {others} of {values.size} units differ from the rest, all one way: an interval needs {ONE_WAY_FLOOR} of them"
        )
    return two_added(values, reach=float(np.abs(away).max()), level=level, common=common)

"""The ratio of two means of paired values, with Fieller's interval (*Suppl. J. R. Stat. Soc.* 7, 1940, 1-64)."""

from __future__ import annotations

from math import sqrt

import numpy as np

from uderia_bench.stats.arrays import Floats
from uderia_bench.stats.estimate import Estimate, Interval


def ratio_of_means(numerators: Floats, denominators: Floats, *, level: float, sizes: Floats | None = None) -> Estimate:
    """Estimate mean(numerators) / mean(denominators) of units, at least 2; ``sizes`` is how much each unit counts.

    The ends are the ratios that Student's t test of numerator - ratio x denominator does not reject. There
    are none where the mean denominator may be 0.
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - scipy costs start-up time

    n = numerators.size
    weights = np.ones(n) if sizes is None else sizes / sizes.mean()
    top, bottom = float((numerators * weights).mean()), float((denominators * weights).mean())
    above, below = (numerators - top) * weights, (denominators - bottom) * weights
    reach = float(stdtrit(n - 1, (1 + level) / 2)) ** 2 / (n - 1) / n
    a = bottom**2 - reach * float(below @ below)
    b = top * bottom - reach * float(above @ below)
    c = top**2 - reach * float(above @ above)
    if bottom == 0 or a <= 0:
        interval = Interval.none("no interval: the mean in the denominator may be 0")
        return interval.about(None if bottom == 0 else top / bottom, level=level, n=n)
    half, value = sqrt(max(b**2 - a * c, 0.0)), top / bottom
    lo, hi = min((b - half) / a, value), max((b + half) / a, value)  # rounding must not exclude the value itself
    return Interval(lo=lo, hi=hi, method="Fieller").about(value, level=level, n=n)

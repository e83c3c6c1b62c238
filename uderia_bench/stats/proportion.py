"""The interval of one proportion, also where all or none of the observations are 1. ``difference`` tests two rates.

Newcombe, *Stat. Med.* 17 (1998): 857-872.
"""

from __future__ import annotations

from math import sqrt

from uderia_bench.stats.estimate import Interval


def wilson(successes: float, n: float, *, level: float) -> Interval:
    """Return Wilson's score interval.

    Both may be fractional: a mean of values in 0..1 varies no more than a proportion does, and
    clustered observations count for fewer independent ones.
    """
    from scipy.special import ndtri  # noqa: PLC0415 - scipy costs start-up time

    z = float(ndtri((1 + level) / 2))
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(max(share * (1 - share) / n + z * z / (4 * n * n), 0.0))
    lo = 0.0 if share <= 0 else max(centre - half, 0.0)  # exactly: rounding must not move the end of the scale
    hi = 1.0 if share >= 1 else min(centre + half, 1.0)
    return Interval(lo=lo, hi=hi, method="Wilson")

"""Tests of equivalence that join the two one-sided tests: against skewed differences, and for a margin that is a share."""

from __future__ import annotations

from math import sqrt

import numpy as np

from uderia_bench.stats.arrays import Floats, is_flat
from uderia_bench.stats.difference import mean_test


def skewed_p(differences: Floats, limit: float, *, sizes: Floats | None = None) -> float:
    """Return the p of "the mean lies outside ± ``limit``", corrected for the skewness of the differences; 0 without spread.

    A one-sided test of a mean errs more on the side of the long tail: TOST of exponential differences calls 6.1 % of
    true differences of the margin equivalent at 200 units. Hall's transformation (*JRSS B* 54, 1992, 221-228)
    removes the skewness from t. ``sizes`` are the weights of the units.
    """
    from scipy.special import stdtr  # noqa: PLC0415 - scipy costs start-up time

    n = differences.size
    weights = np.ones(n) if sizes is None else sizes / sizes.mean()
    mean = float((differences * weights).mean())
    away = (differences - mean) * weights
    if n < 2 or is_flat(away):
        return 0.0
    spread = sqrt(float((away**2).mean()))
    skewness = float((away**3).mean()) / spread**3 / sqrt(n)
    beyond = [(mean + limit) * sqrt(n - 1) / spread, (mean - limit) * sqrt(n - 1) / spread]
    low, high = (t + skewness * (2 * t * t + 1) / 6 + skewness**2 * t**3 / 27 for t in beyond)
    return max(float(stdtr(n - 1, -low)), float(stdtr(n - 1, high)))


def within_share_p(baseline: Floats, candidate: Floats, share: float, *, seed: int, sizes: Floats | None = None) -> float:
    """Return the p of "one mean is more than ``1 + share`` times the other", from at least 2 units.

    A margin that is a share of what was seen is itself uncertain. So each end is tested on the
    differences from the scaled mean, unit by unit (Sasabuchi's test; Berger & Hsu, *Stat. Sci.* 11,
    1996, 4.2). Treating the margin as known calls 6 to 7 % of true differences of that size
    equivalent. Both arms are treated alike, so swapping them changes nothing.
    """
    return max(
        mean_test(larger - (1 + share) * smaller, bounded=False, may_be_0=True, seed=seed, sizes=sizes).tails(0.0)[1]
        for larger, smaller in ((candidate, baseline), (baseline, candidate))
    )

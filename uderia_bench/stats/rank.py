"""Rank methods for paired differences: Wilcoxon's signed-rank test and the Hodges-Lehmann shift with its exact interval.

Hollander & Wolfe, *Nonparametric Statistical Methods* (1999), 3.1-3.3; Hodges & Lehmann, *Ann. Math. Stat.* 34 (1963).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from uderia_bench.stats.arrays import DIGITS, Floats
from uderia_bench.stats.estimate import Estimate
from uderia_bench.stats.permutation import EXACT_UNITS, sign_flip_p

_EXACT_UNITS = 50  # where the normal approximation of the signed-rank distribution is good to the rank (scipy's own limit)


def wilcoxon_p(differences: Floats) -> float:
    """Return the two-sided p of the signed-rank test; zeros are dropped, and where nothing else is left it is 1.

    Exact up to ``EXACT_UNITS`` with ties too, as the sign-flip test of the signed ranks: scipy enumerates that case in Python,
    a thousand times slower. Beyond, scipy decides (exact to 50 without ties, else normal with the correction for ties).
    """
    from scipy.stats import rankdata, wilcoxon  # noqa: PLC0415 - scipy costs start-up time

    if not np.any(differences):
        return 1.0
    # Differences that are equal but for rounding are ties.
    scaled = np.round(differences / np.abs(differences).max(), DIGITS)
    nonzero = scaled[scaled != 0]
    if nonzero.size <= EXACT_UNITS:
        return sign_flip_p(np.copysign(rankdata(np.abs(nonzero)), nonzero), seed=0)  # exact: no draw depends on the seed
    return float(wilcoxon(nonzero).pvalue)


@lru_cache(maxsize=64)
def _lower_rank(units: int, level: float) -> int | None:
    """Return the ``alpha / 2`` quantile of the signed-rank statistic, at least 1, or None where the extremes miss ``level``.

    With it as C, the C-th smallest and C-th largest Walsh average bound the shift at a confidence of at least ``level``.
    """
    tail = (1 - level) / 2
    if units <= _EXACT_UNITS:
        ways = np.ones(1)
        for rank in range(1, units + 1):  # each rank is positive or not: multiply by (1 + x^rank)
            ways = np.concatenate([ways, np.zeros(rank)]) + np.concatenate([np.zeros(rank), ways])
        cumulative = np.cumsum(ways) / 2.0**units
        if cumulative[0] > tail:
            return None
        return max(int(np.searchsorted(cumulative, tail)), 1)
    from scipy.special import ndtri  # noqa: PLC0415 - scipy costs start-up time

    mean = units * (units + 1) / 4
    deviation = float(np.sqrt(units * (units + 1) * (2 * units + 1) / 24))
    return int(np.floor(mean + ndtri(tail) * deviation))


def hodges_lehmann(differences: Floats, *, level: float) -> Estimate:
    """Estimate the shift: the median Walsh average of ``differences`` (shape ``(units,)``, at least 1), distribution-free."""
    units = differences.size
    first, second = np.triu_indices(units)
    walsh = np.sort((differences[first] + differences[second]) / 2)
    rank = _lower_rank(units, level)
    return Estimate(
        value=float(np.median(walsh)),
        lo=None if rank is None else float(walsh[rank - 1]),
        hi=None if rank is None else float(walsh[-rank]),
        level=level,
        n=units,
        method="Hodges-Lehmann",
    )

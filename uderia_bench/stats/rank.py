"""Rank methods for paired differences: Wilcoxon's signed-rank test and the Hodges-Lehmann shift with its exact interval.

Hollander & Wolfe, *Nonparametric Statistical Methods* (1999), 3.1-3.3; Hodges & Lehmann, *Ann. Math. Stat.* 34 (1963).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from uderia_bench.stats.arrays import DIGITS, Floats
from uderia_bench.stats.estimate import Estimate
from uderia_bench.stats.permutation import EXACT_UNITS, sign_flip_p

_ALL_PAIRS = 1_000  # units whose pairs are all computed: 4 MB
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
    pairs = units * (units + 1) // 2
    walsh = _Walsh(np.sort(differences))
    rank = _lower_rank(units, level)
    return Estimate(
        value=(walsh.at((pairs - 1) // 2) + walsh.at(pairs // 2)) / 2,
        lo=None if rank is None else walsh.at(rank - 1),
        hi=None if rank is None else walsh.at(pairs - rank),
        level=level,
        n=units,
        method="Hodges-Lehmann",
    )


class _Walsh:
    """The means of all pairs of ascending values, each with itself included, in ascending order.

    Their number grows with the square of the units: for 20,000 they would take 1.6 GB. So beyond ``all_pairs``
    units the wanted one is found by bisection, which counts the pairs below a sum.
    """

    def __init__(self, ordered: Floats, *, all_pairs: int = _ALL_PAIRS) -> None:
        self._ordered = ordered
        self._all: Floats | None = None
        if ordered.size <= all_pairs:
            first, second = np.triu_indices(ordered.size)
            self._all = np.sort((ordered[first] + ordered[second]) / 2)

    def at(self, place: int) -> float:
        """Return the mean at a place, from 0."""
        if self._all is not None:
            return float(self._all[place])
        low, high = 2 * float(self._ordered[0]), 2 * float(self._ordered[-1])
        while low < (middle := (low + high) / 2) < high:
            if self._up_to(middle) > place:
                high = middle
            else:
                low = middle
        partner = np.searchsorted(self._ordered, high - self._ordered)
        near = np.stack([self._ordered[(partner + step).clip(0, self._ordered.size - 1)] for step in (-1, 0)]) + self._ordered
        return float(near.flat[np.abs(near - high).argmin()]) / 2

    def _up_to(self, total: float) -> int:
        """Count the pairs whose sum is at most ``total``."""
        partners = np.searchsorted(self._ordered, total - self._ordered, side="right")
        return int((partners - np.arange(partners.size)).clip(0).sum())

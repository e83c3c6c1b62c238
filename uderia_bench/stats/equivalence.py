"""Equivalence of two means within a margin that is a share of the means themselves."""

from __future__ import annotations

from uderia_bench.stats.arrays import Floats
from uderia_bench.stats.difference import mean_test


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

"""Where a series of nights moved to stay: steps by PELT (Killick et al. 2012), each confirmed, none for a single odd night.

Why two stages: PELT finds where to cut at the least cost but knows nothing of how sure a cut is with few nights. Its penalty
is the chi-square quantile at which a quiet series of n nights would be cut with probability ``FALSE_STEPS`` in all (Bonferroni
over the n - 1 places); then a cut must hold against the spread of the nights on its two sides, which includes what the server
does from night to night and no single run can see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from uderia_bench.stats.arrays import Floats

FALSE_STEPS = 0.01  # probability that a quiet series is said to have a step
SHORTEST = 2  # nights on each side: one odd night is no step
FEWEST = 5  # nights: with fewer there is no spread to hold a step against
_MAD_TO_SD = 1.4826  # of normal noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step that began on night ``at`` (0-based): ``size`` on the scale of the levels, and how likely noise alone makes it."""

    at: int
    size: float
    p: float


def steps(values: Floats, errors: Floats, *, least: float) -> tuple[Step, ...]:
    """Return the steps of at least ``least`` in a series of nightly levels; nights without a level are passed over.

    ``errors`` are the levels' standard errors within their nights, the least that the noise can be.
    """
    known = np.flatnonzero(np.isfinite(values))
    series = values[known]
    if series.size < FEWEST:
        return ()
    cuts = _cuts(series, _noise(series, errors[known]))
    while cuts:
        found = _confirmed(series, cuts)
        weakest = max(found, key=lambda step: (step.p, -abs(step.size)))
        if weakest.p * (series.size - 1) < FALSE_STEPS and all(abs(step.size) >= least for step in found):
            return tuple(Step(at=int(known[step.at]), size=step.size, p=min(1.0, step.p * (series.size - 1))) for step in found)
        smallest = min(found, key=lambda step: abs(step.size))
        cuts.remove((weakest if weakest.p * (series.size - 1) >= FALSE_STEPS else smallest).at)
    return ()


def _cuts(series: Floats, noise: float) -> list[int]:
    """Return where PELT cuts the series, scaled to unit noise."""
    import ruptures  # noqa: PLC0415 - more than a second to import
    from scipy.special import chdtri  # noqa: PLC0415 - scipy costs start-up time

    if noise <= 0:
        return []
    penalty = float(chdtri(1, FALSE_STEPS / (series.size - 1)))
    fitted = ruptures.Pelt(model="l2", min_size=SHORTEST, jump=1).fit((series / noise).reshape(-1, 1))
    return [int(cut) for cut in fitted.predict(pen=penalty)[:-1]]


def _noise(series: Floats, errors: Floats) -> float:
    """Estimate the noise of a level: what neighbouring nights differ by, robustly, and never less than within a night."""
    between = _MAD_TO_SD * float(np.median(np.abs(np.diff(series)))) / 2**0.5
    within = errors[np.isfinite(errors)]
    return max(between, float(np.median(within)) if within.size else 0.0)


def _confirmed(series: Floats, cuts: Sequence[int]) -> list[Step]:
    """Test every cut by Student's t on the nights of its two sides, the spread pooled over all pieces."""
    from scipy.special import stdtr  # noqa: PLC0415 - scipy costs start-up time

    ends = [0, *cuts, series.size]
    pieces = [series[start:end] for start, end in pairwise(ends)]
    freedom = series.size - len(pieces)
    spread = (sum(float(((piece - piece.mean()) ** 2).sum()) for piece in pieces) / freedom) ** 0.5
    found = []
    for cut, (before, after) in zip(cuts, pairwise(pieces), strict=True):
        size = float(after.mean() - before.mean())
        error = spread * (1 / before.size + 1 / after.size) ** 0.5
        p = 2 * float(stdtr(freedom, -abs(size) / error)) if error > 0 else 0.0
        found.append(Step(at=cut, size=size, p=p))
    return found

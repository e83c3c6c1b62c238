"""Variance components of a paired difference: between units, and between the repeats of a unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uderia_bench.stats.arrays import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """The variance of one unit's mean difference, ``[ω² + σ²_A / R + σ²_B / R]`` at R repeats.

    Source: docs/explanation/statistics.md, "Planning and stopping".

    ``seen`` is that variance as the data have it; ``between`` is ω², ``within`` σ²_A and σ²_B. Without repeats the two cannot
    be told apart: both are None.
    """

    seen: float
    between: float | None
    within: tuple[float, float] | None

    @property
    def repeat_variance(self) -> float | None:
        """σ²_A + σ²_B, the part that more repeats make smaller."""
        return None if self.within is None else sum(self.within)

    def at(self, repeats: float) -> float | None:
        """Return the variance of a unit's mean difference at a number of repeats; None where that is not known."""
        if self.between is None or self.within is None:
            return None
        return self.between + sum(self.within) / repeats


def variance_components(first: Floats, second: Floats, *, seen: float | None = None) -> Components | None:
    """Split the variance of ``second - first``, both ``(unit, slot)`` with NaN for missing; None below 2 units.

    ``seen`` replaces the variance of the differences where units are not independent, as in groups.

    By moments: a unit's difference has variance ω² + σ²_A / R_A + σ²_B / R_B, so ω² is what the differences vary beyond the
    share that their repeats explain, and 0 where they vary less.
    """
    means, shares, within = [], [], []
    for side in (first, second):
        present = np.isfinite(side)
        counts = present.sum(axis=1)
        mean = np.where(present, side, 0.0).sum(axis=1) / counts
        freedom = int((counts - 1).clip(0).sum())
        squares = float((np.where(present, side - mean[:, None], 0.0) ** 2).sum())
        means.append(mean)
        shares.append(float((1 / counts).mean()) if counts.size else 0.0)
        within.append(squares / freedom if freedom else None)
    if means[0].size < 2:
        return None
    seen = float((means[1] - means[0]).var(ddof=1)) if seen is None else seen
    if within[0] is None or within[1] is None:
        return Components(seen=seen, between=None, within=None)
    explained = within[0] * shares[0] + within[1] * shares[1]
    return Components(seen=seen, between=max(seen - explained, 0.0), within=(within[0], within[1]))

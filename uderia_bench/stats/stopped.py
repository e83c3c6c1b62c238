"""The estimate of a difference after a run that could stop early, without the bias of stopping.

A run stops where its estimate is far from 0 (or close to 0, when it looks for equivalence), so the
plain estimate of a stopped run is on average too far out (or too close). The median unbiased estimate
is the effect under which a stopped estimate at least as large has a probability of one half. Outcomes
are ordered by the estimate at the stop, whatever the look (the sample mean ordering; Emerson &
Fleming, *Biometrika* 77, 1990, 875-892), because a rule that also stops close to 0 has no order of
looks.

The sums move by independent normal steps of known variance. Their densities are computed once, for an
effect of the plain estimate ``e``. Another effect ``theta`` multiplies the density of a sum ``s`` at
information ``i`` by ``exp((theta - e) · s - (theta² - e²) · i / 2)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from uderia_bench.stats.arrays import Floats
from uderia_bench.stats.sequential import REACH, between, boundaries, normal

_FARTHEST = 4.0  # standard errors from the plain estimate: the corrected one is looked for up to there

Ends = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingRule:
    """When a look stops: an estimate certainly different from 0 and beyond ``margin``, or certainly within it.

    ``tail`` is the one-sided chance of a false difference over all looks, 0 where a difference does not
    stop. ``equivalence_tail`` is that of a false equivalence, None where equivalence does not stop.
    ``shares`` and ``shape`` are as in ``sequential``.
    """

    shares: tuple[float, ...]
    shape: float
    margin: float
    tail: float
    equivalence_tail: float | None = None

    def goes_on(self, look: int, error: float) -> tuple[Ends, ...]:
        """Return the estimates at a look (from 1), with the standard error ``error``, after which the run goes on."""
        outer = inf
        if self.tail > 0:
            outer = max(boundaries(self.shares, shape=self.shape, tail=self.tail)[look - 1] * error, self.margin)
        inner = -inf
        if self.equivalence_tail is not None:
            bounds = boundaries(self.shares, shape=self.shape, tail=self.equivalence_tail)
            inner = self.margin - bounds[look - 1] * error
        return ((-outer, outer),) if inner <= 0 else ((-outer, -inner), (inner, outer))


def median_unbiased(estimate: float, error: float, *, look: int, rule: StoppingRule) -> float:
    """Return the median unbiased estimate of a run that stopped at ``look`` (from 1), or reached the last one.

    ``error`` is the standard error of the plain ``estimate`` at that look.
    """
    from scipy.optimize import brentq  # noqa: PLC0415 - scipy costs start-up time

    if len(rule.shares) == 1 or error <= 0:
        return estimate
    amounts = [share / rule.shares[look - 1] / error**2 for share in rule.shares]
    lo, hi = estimate - _FARTHEST * error, estimate + _FARTHEST * error
    parts = _stopped_above(estimate, amounts, rule, farthest=_FARTHEST * error)

    def excess(theta: float) -> float:
        """Return the probability of a stop at the estimate or above, less one half."""
        shift, half = theta - estimate, (theta + estimate) / 2
        return sum(float(mass @ np.exp(shift * (sums - half * amount))) for sums, mass, amount in parts) - 0.5

    if excess(lo) >= 0 or excess(hi) <= 0:
        return estimate
    return float(brentq(excess, lo, hi, xtol=1e-6 * error))


def _stopped_above(
    estimate: float, amounts: Sequence[float], rule: StoppingRule, *, farthest: float
) -> list[tuple[Floats, Floats, float]]:
    """Return sums, their probability, and the information, of all stops at ``estimate`` or above.

    The probability is for an effect of ``estimate``; ``farthest`` is how far another effect may lie from it.
    """
    nodes, density = np.zeros(1), np.ones(1)  # of the paths that have not stopped; weights included
    before = 0.0
    parts: list[tuple[Floats, Floats, float]] = []
    for look, amount in enumerate(amounts, start=1):
        step, drift = sqrt(amount - before), estimate * (amount - before)
        half = farthest * amount + REACH * sqrt(amount)
        reach = estimate * amount - half, estimate * amount + half
        last = look == len(amounts)
        goes_on = [] if last else [_within(ends, reach, amount) for ends in rule.goes_on(look, 1 / sqrt(amount))]
        stops = [(max(lo, estimate * amount), hi) for lo, hi in _gaps(goes_on, reach)]
        for lo, hi in stops:
            there, weights = between(lo, hi, step=step)
            parts.append((there, weights * (normal(there[:, None] - nodes - drift, step) @ density), amount))
        if last:
            break
        kept = [between(lo, hi, step=step) for lo, hi in goes_on]
        there, weights = (np.concatenate(arrays) for arrays in zip(*kept, strict=True))
        density = weights * (normal(there[:, None] - nodes - drift, step) @ density)
        nodes, before = there, amount
    return parts


def _within(ends: Ends, reach: Ends, amount: float) -> Ends:
    """Return an interval of estimates as one of sums, inside ``reach``."""
    lo, hi = (min(max(end * amount, reach[0]), reach[1]) for end in ends)
    return lo, hi


def _gaps(intervals: Sequence[Ends], reach: Ends) -> list[Ends]:
    """Return what lies between ascending intervals, inside ``reach``."""
    ends = [reach[0], *(end for interval in intervals for end in interval), reach[1]]
    return [(lo, hi) for lo, hi in zip(ends[::2], ends[1::2], strict=True) if lo < hi]

"""Interim looks at growing data, planned in advance, that keep the chance of an error.

The boundaries are Wang and Tsiatis's (*Biometrics* 43, 1987, 193-199): at a look with the share t of
all information, Z must reach C · t^(shape - 1/2). A shape of 0 is O'Brien and Fleming's boundary
(*Biometrics* 35, 1979, 549-556), and 1/2 is Pocock's. The looks may lie at any shares. C comes from
recursive numerical integration over exactly these shares (Armitage, McPherson & Rowe, *J. R. Stat.
Soc. A* 132, 1969, 235-244; Jennison & Turnbull, *Group Sequential Methods*, 2000, 19.2).

``Repeated`` turns any test of a mean into one that is valid at every look: its p-values are repeated
p-values, and its interval is the repeated interval (Jennison & Turnbull, chapter 9). So better, worse
and equivalent each have a separate chance of error, and it does not matter which of them ends the run.
Without boundaries, a look at each tenth of 100 values rejects 19.5 % of true nulls
(docs/explanation/statistics.md, "Interim looks").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import ceil, sqrt

import numpy as np

from uderia_bench.stats.arrays import Floats
from uderia_bench.stats.estimate import Interval
from uderia_bench.stats.inference import MeanTest

REACH = 8.0
"""Standard errors beyond which a normal density counts as 0: 6e-16 of it lies there."""

_WIDEST = 10.0  # the largest constant that is looked for: no alpha above 1e-20 needs more


def crossing_probability(constant: float, shares: Sequence[float], shape: float) -> float:
    """Return the probability that Z reaches ``constant`` · share^(shape - 1/2) at any look without an effect.

    ``shares`` are the looks' shares of the information, ascending. The sum S = Z · sqrt(share) moves
    by independent normal steps. ``density`` is the density of the paths that have not crossed.
    """
    from scipy.special import ndtr  # noqa: PLC0415 - scipy costs start-up time

    bounds = [constant * share**shape for share in shares]  # of S
    crossed = float(ndtr(-bounds[0] / sqrt(shares[0])))
    nodes, weights = between(-REACH * sqrt(shares[0]), bounds[0], step=_narrowest(shares, 0))
    density = normal(nodes, sqrt(shares[0]))
    for look, (before, share) in enumerate(pairwise(shares), start=1):
        step = sqrt(share - before)
        crossed += float(weights @ (density * ndtr((nodes - bounds[look]) / step)))
        if look + 1 == len(shares):
            break
        there, next_weights = between(-REACH * sqrt(share), bounds[look], step=_narrowest(shares, look))
        density = normal(there[:, None] - nodes, step) @ (weights * density)
        nodes, weights = there, next_weights
    return crossed


def _narrowest(shares: Sequence[float], look: int) -> float:
    """Return the smaller of the standard deviations of the steps to and from a look."""
    around = [0.0, *shares][look : look + 3]
    return min(sqrt(after - before) for before, after in pairwise(around))


def between(lo: float, hi: float, *, step: float) -> tuple[Floats, Floats]:
    """Return points and weights that integrate from ``lo`` to ``hi`` densities of standard deviation ``step`` or more."""
    if hi <= lo:
        return np.zeros(1), np.zeros(1)
    nodes, weights = _gauss_legendre(min(24 + 8 * ceil((hi - lo) / step / 4), 600))
    half = (hi - lo) / 2
    return lo + half * (1 + nodes), half * weights


@lru_cache(maxsize=128)
def _gauss_legendre(count: int) -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return nodes, weights


def normal(values: Floats, sd: float) -> Floats:
    """Return the density of a normal distribution around 0."""
    density: Floats = np.exp(-((values / sd) ** 2) / 2) / (sd * sqrt(2 * np.pi))
    return density


@lru_cache(maxsize=256)
def boundaries(shares: tuple[float, ...], *, shape: float, tail: float) -> tuple[float, ...]:
    """Return the Z that each look must reach, for a one-sided chance ``tail`` of a false alarm over all looks."""
    from scipy.optimize import brentq  # noqa: PLC0415 - scipy costs start-up time

    constant = float(brentq(lambda c: crossing_probability(c, shares, shape) - tail, 0.0, _WIDEST, xtol=1e-9))
    return tuple(constant * share ** (shape - 0.5) for share in shares)


def repeated_p(p: float, *, look: int, shares: tuple[float, ...], shape: float) -> float:
    """Return the one-sided p that allows for all looks: the smallest chance of error at which ``look`` (from 1) stops.

    ``p`` is the one-sided p of the data at that look. The result is valid at any look (Jennison &
    Turnbull, 9.5).
    """
    from scipy.special import ndtri  # noqa: PLC0415 - scipy costs start-up time

    if p >= 0.5:  # Z of 0 or less: the boundary of a chance of one half or more is of no use
        return 1.0
    z = -float(ndtri(max(p, np.finfo(np.float64).tiny)))
    constant = z * shares[look - 1] ** (0.5 - shape)
    return min(max(crossing_probability(min(constant, 2 * _WIDEST), shares, shape), p), 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """A test of a mean at one of several planned looks, made valid at all of them; a ``MeanTest``.

    ``test`` is the test of the data at ``look`` (from 1).
    """

    test: MeanTest
    look: int
    shares: tuple[float, ...]
    shape: float

    @property
    def name(self) -> str:
        """See ``MeanTest``."""
        return f"{self.test.name}, look {self.look} of {len(self.shares)}"

    def tails(self, mean: float) -> tuple[float, float]:
        """See ``MeanTest``."""
        above, below = map(self.paid, self.test.tails(mean))
        return above, below

    def paid(self, p: float) -> float:
        """Return what a one-sided p at this look is worth over all looks."""
        return repeated_p(p, look=self.look, shares=self.shares, shape=self.shape)

    def interval(self, level: float) -> Interval:
        """See ``MeanTest``."""
        from scipy.special import ndtr  # noqa: PLC0415 - scipy costs start-up time

        bound = boundaries(self.shares, shape=self.shape, tail=(1 - level) / 2)[self.look - 1]
        return self.test.interval(1 - 2 * float(ndtr(-bound)))


def information(blocks: int, units: int, *, within: float = 8.0) -> float:
    """Return how much the first ``blocks`` of a plan say, when it asks all ``units`` once before any of them again.

    ``within`` is the variance of one repeat of a difference, as a multiple of the variance between
    units. With one repeat the information is proportional to the blocks, whatever ``within`` is. The
    default has the spreads of docs/explanation/statistics.md: .15² between, .3² + .3² within.
    """
    passes, rest = divmod(blocks, units)
    if passes == 0:
        return blocks / (1 + within)
    mean_within = within * (rest / (passes + 1) + (units - rest) / passes) / units
    return units / (1 + mean_within)

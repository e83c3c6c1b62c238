"""Interim looks at growing data, planned in advance, that keep the chance of a false alarm.

O'Brien & Fleming's boundaries (*Biometrics* 35, 1979, 549-556): |Z| at a look with the share t of all
information must reach C / sqrt(t). C comes from recursive numerical integration (Armitage, McPherson &
Rowe, *J. R. Stat. Soc. A* 132, 1969, 235-244; Jennison & Turnbull, *Group Sequential Methods*, 2000,
19.2). Without boundaries, a look at each tenth of 100 values rejects 19.5 % of true nulls
(docs/explanation/statistics.md, "Planning and stopping").
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import sqrt

import numpy as np

from uderia_bench.stats.arrays import Floats

_NODES = 96  # Gauss-Legendre points: the boundaries of 20 looks are stable to the fifth digit
_REACH = 9.0  # standard errors; further out the normal density is 0 in double precision


def crossing_probability(constant: float, shares: Sequence[float]) -> float:
    """Return the probability that |Z| reaches ``constant`` / sqrt(share) at any look without an effect.

    ``shares`` are the looks' shares of the information, ascending to 1. For the sum S = Z sqrt(t) the
    boundary is the same at every look, and S moves by independent normal steps. ``density`` is the
    density of the paths that have not crossed it.
    """
    from scipy.special import ndtr  # noqa: PLC0415 - scipy costs start-up time

    nodes, weights = _gauss_legendre()
    reach = min(constant, _REACH)
    nodes, weights = nodes * reach, weights * reach
    density = np.exp(-(nodes**2) / (2 * shares[0])) / sqrt(2 * np.pi * shares[0])
    crossed = 2 * float(ndtr(-constant / sqrt(shares[0])))
    for before, share in pairwise(shares):
        step = sqrt(share - before)
        leaves = ndtr((-constant - nodes) / step) + ndtr((nodes - constant) / step)
        crossed += float(weights @ (density * leaves))
        moves = np.exp(-(((nodes[:, None] - nodes) / step) ** 2) / 2) / (step * sqrt(2 * np.pi))
        density = moves @ (weights * density)
    return crossed


@lru_cache(maxsize=1)
def _gauss_legendre() -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return nodes, weights


def equal_shares(looks: int) -> tuple[float, ...]:
    """Return the shares of ``looks`` equally spaced looks."""
    return tuple((number + 1) / looks for number in range(looks))


@lru_cache(maxsize=16)
def obrien_fleming(looks: int, *, alpha: float) -> tuple[float, ...]:
    """Return the |Z| that each of ``looks`` equally spaced looks must reach, for two-sided ``alpha`` over all of them."""
    from scipy.optimize import brentq  # noqa: PLC0415 - scipy costs start-up time

    shares = equal_shares(looks)
    constant = float(brentq(lambda c: crossing_probability(c, shares) - alpha, 0.1, _REACH, xtol=1e-10))
    return tuple(constant / sqrt(share) for share in shares)


def repeated_p(p: float, *, look: int, looks: int) -> float:
    """Return the p-value that allows for all looks: the smallest alpha at which ``look`` (from 1) would stop.

    ``p`` is the two-sided p of the data at that look. The result is valid at any look (Jennison &
    Turnbull, 9.5).
    """
    from scipy.special import ndtri  # noqa: PLC0415 - scipy costs start-up time

    if p >= 1:
        return 1.0
    constant = -float(ndtri(max(p, np.finfo(np.float64).tiny) / 2)) * sqrt(look / looks)
    return min(max(crossing_probability(constant, equal_shares(looks)), p), 1.0)


def nominal_alpha(*, look: int, looks: int, alpha: float) -> float:
    """Return the largest two-sided p at which ``look`` (from 1) of ``looks`` stops.

    The interval at the level 1 minus this is the repeated interval (Jennison & Turnbull, 9.2): at
    every look it excludes 0 exactly where ``repeated_p`` is at most ``alpha``.
    """
    from scipy.special import ndtr  # noqa: PLC0415 - scipy costs start-up time

    return 2 * float(ndtr(-obrien_fleming(looks, alpha=alpha)[look - 1]))


def stops(p: float, *, look: int, looks: int, alpha: float) -> bool:
    """Return whether the two-sided ``p`` of ``look`` (from 1) of ``looks`` ends the run."""
    return p <= nominal_alpha(look=look, looks=looks, alpha=alpha)

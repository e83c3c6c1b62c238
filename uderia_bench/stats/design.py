"""The chance that a design ends with a verdict, and how much of it is asked until then, before any trial.

A verdict needs more than a small p: the estimate beyond the margin, or the interval within it, for
every planned metric. With interim looks there is no formula for that, so paths of estimates are drawn
and stopped by the boundaries of the looks. The same draws serve every size of a design. So a larger
design never looks worse by chance, and the smallest sufficient one is found by bisection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import numpy as np

from uderia_bench.stats.arrays import Floats, Mask
from uderia_bench.stats.sequential import boundaries

DRAWS = 4_000  # a rate of 80 % has a standard error of 0.6 points
_SEED = 7  # one seed for all designs, so that their rates differ by the design and not by the draw

# Where time windows differ by chance, a stricter test joins (``stats.windows``). Simulated with the
# product's looks on 346 and 310 x 2 queries without drift, intervals are wider by this factor on average.
WINDOWS_WIDEN = 1.06


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The looks of a design: their shares of the information and of the trials, and the chances of error.

    ``alpha`` is the chance of a false alarm over all metrics. ``difference`` and ``equivalence`` say
    which verdicts end the run.
    """

    shares: tuple[float, ...]
    asked: tuple[float, ...]
    shape: float
    alpha: float
    difference: bool = True
    equivalence: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What is assumed of one metric: its margin and the variance of a query's difference, on the scale of differences.

    ``freedom`` are the degrees of freedom of an estimated variance, None where it is assumed.
    """

    margin: float
    variance: float
    freedom: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """How often a design ends with the right verdict on all metrics, and the share of its trials it asks on average."""

    rate: float
    asked: float


def expect(rule: Rule, spreads: Sequence[Spread], *, effect: float, queries: int) -> Expected:
    """Return how a design of so many queries ends where the difference of every metric is ``effect``.

    The right verdict is "equivalent" for an effect of 0, else a difference of the same sign.
    """
    rng = np.random.default_rng([_SEED, len(spreads)])
    looks = len(rule.shares)
    steps = _steps(looks, len(spreads)) * np.sqrt(np.diff([0.0, *rule.shares]))[:, None]
    shares = np.array(rule.shares)[:, None]
    noise = steps.cumsum(axis=1) / shares
    errors = np.stack([_errors(spread, queries, rng) for spread in spreads], axis=-1)[:, None, :]
    estimates = effect + errors * noise
    seen = errors * WINDOWS_WIDEN / np.sqrt(shares)
    margins = np.array([spread.margin for spread in spreads])
    different = _all_rejected(np.abs(estimates) / seen, rule, rule.alpha / 2) & (np.abs(estimates) > margins).all(axis=2)
    within = _all_rejected((margins - np.abs(estimates)) / seen, rule, rule.alpha)
    decided = (different & rule.difference) | (within & rule.equivalence)
    last = np.where(decided.any(axis=1), decided.argmax(axis=1), looks - 1)
    rows = np.arange(DRAWS)
    sign = (np.sign(estimates) == np.sign(effect)).all(axis=2)
    right = within if effect == 0 else different & sign
    return Expected(rate=float(right[rows, last].mean()), asked=float(np.array(rule.asked)[last].mean()))


@lru_cache(maxsize=4)
def _steps(looks: int, metrics: int) -> Floats:
    """Return standard normal steps ``(draw, look, metric)``, the same for every size of a design."""
    return np.random.default_rng(_SEED).standard_normal((DRAWS, looks, metrics))


def _errors(spread: Spread, queries: int, rng: np.random.Generator) -> Floats:
    """Return the standard error of the mean over all queries in each draw: an estimated variance is itself uncertain."""
    error = sqrt(spread.variance / queries)
    if spread.freedom is None:
        return np.full(DRAWS, error)
    drawn: Floats = error * np.sqrt(spread.freedom / rng.chisquare(spread.freedom, DRAWS))
    return drawn


def _all_rejected(z: Floats, rule: Rule, tail: float) -> Mask:
    """Return at which looks all metrics reject, by Holm's method: the j-th smallest Z has the level ``tail`` / j."""
    ordered = np.sort(z, axis=2)
    found = np.ones(z.shape[:2], dtype=np.bool_)
    for place in range(z.shape[2]):
        bounds = boundaries(rule.shares, shape=rule.shape, tail=tail / (place + 1))
        found &= ordered[:, :, place] >= np.array(bounds)
    return found


def fewest(reaches: Callable[[int], bool], *, least: int, most: int) -> int | None:
    """Return the smallest number from ``least`` to ``most`` that reaches what is wanted; None where none does.

    ``reaches`` must stay true once it is.
    """
    low, high = least, least
    while not reaches(high):
        if high >= most:
            return None
        low, high = high + 1, min(2 * high, most)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle + 1, high)
    return low

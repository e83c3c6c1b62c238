"""The paired sign-flip test: under no difference, every unit's difference could as well have had the other sign.

Exact up to ``EXACT_UNITS`` units that differ, else Monte Carlo with the +1 correction that keeps the p-value valid and never 0
(Phipson & Smyth, *Stat. Appl. Genet. Mol. Biol.* 9(1), 2010). Fisher, *The Design of Experiments* (1935), 21.

Why there is a mid-p beside the exact one: differences of rates are multiples of one over the repeats, many sign patterns tie
with what was seen, and an exact test that counts every tie as extreme rejects 1 to 3 % of true nulls at 5 %. The mid-p counts
half of them (Lancaster, *JASA* 56, 1961, 223-234; for pairs Fagerland, Lydersen & Laake, *BMC Med. Res. Methodol.* 13:91, 2013,
who recommend it over the exact McNemar test). The level does not bound it; ``tests/calibration`` shows how far it goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from uderia_bench.stats.arrays import DIGITS, ROUNDING, Floats, is_not, scale
from uderia_bench.stats.bootstrap import weighted_sums
from uderia_bench.stats.estimate import Interval

# 2^14 sign patterns: where counting them all costs no more than drawing
# (docs/explanation/statistics.md, "Continuous metrics")
EXACT_UNITS = 14
DRAWS = 9_999
_CHUNK = 1_024

# Units that do not differ have no sign to flip. Of k that do the exact p is at least 2 / 2^k and the mid-p 1 / 2^k: .0625 and
# .031 of 5, .125 and .0625 of 4. With fewer than these nothing can be shown at 5 %.
DIFFERING_FLOOR, MID_P_FLOOR = 6, 5


@lru_cache(maxsize=4)
def _signs(units: int, seed: int, draws: int) -> npt.NDArray[np.int8]:
    """Return sign patterns, ``(patterns, units)`` of ±1: all of them, or drawn. Read-only, shared by metrics."""
    if units <= EXACT_UNITS:
        negative = (np.arange(2**units)[:, None] >> np.arange(units)) & 1 == 1
    else:
        packed = np.random.default_rng([seed, units, draws]).bytes(draws * -(-units // 8))
        bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8).reshape(draws, -1), axis=1)
        negative = bits[:, :units] == 1
    signs = np.where(negative, np.int8(-1), np.int8(1))
    signs.setflags(write=False)
    return signs


def differing(differences: Floats) -> int:
    """Count the units that differ at all."""
    return int(np.count_nonzero(is_not(differences, 0.0)))


def sign_flip_p(differences: Floats, *, seed: int, mid: bool = False) -> float:
    """Return the two-sided p of the mean difference (shape ``(units,)``, at least 1) against 0.

    ``mid`` asks for the mid-p, which is given from ``MID_P_FLOOR`` units on that differ; below it stays the exact p.
    """
    return float(sign_flip_ps(differences[:, None], seed=seed, mid=mid)[0])


def sign_flip_ps(differences: Floats, *, seed: int, draws: int = DRAWS, mid: bool = False) -> Floats:
    """Return the two-sided p of several mean differences over the same units, a column each: shape ``(units, k)``."""
    p = np.empty(differences.shape[1])
    moved = [is_not(column, 0.0) for column in differences.T]
    few = np.array([np.count_nonzero(mask) <= EXACT_UNITS for mask in moved], dtype=np.bool_)
    for at in np.flatnonzero(few):  # what does not differ flips into itself: leave it out and count instead of drawing
        own = differences[moved[at], at]
        p[at] = _ps(own[:, None], seed=seed, draws=draws, mid=mid and own.size >= MID_P_FLOOR)[0]
    if not few.all():
        p[~few] = _ps(differences[:, ~few], seed=seed, draws=draws, mid=mid)
    return p


def _ps(differences: Floats, *, seed: int, draws: int, mid: bool) -> Floats:
    """Return the p of every column, by all sign patterns of its units or by drawn ones."""
    signs = _signs(differences.shape[0], seed, draws)
    slack = ROUNDING * np.abs(differences).sum(axis=0)  # an equal sum reached in another order of addition is equal
    observed = np.abs(differences.sum(axis=0))
    at_least, beyond = np.zeros(differences.shape[1]), np.zeros(differences.shape[1])
    for start in range(0, signs.shape[0], _CHUNK):
        flipped = np.abs(signs[start : start + _CHUNK].astype(np.float64) @ differences)
        at_least += np.count_nonzero(flipped >= observed - slack, axis=0)
        beyond += np.count_nonzero(flipped > observed + slack, axis=0) if mid else 0
    drawn = differences.shape[0] > EXACT_UNITS  # what was seen counts as one of the draws, a tie with itself
    extreme = (at_least + drawn + beyond) / 2 if mid else at_least + drawn
    p: Floats = extreme / (signs.shape[0] + drawn)
    return p


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SubsetMeans:
    """The mid-p sign-flip test turned round: which means it would not reject, for differences that lie evenly about theirs.

    Flipping the units of a subset about a supposed mean gives a smaller sum just when the subset's own mean is below it, so the
    means of random subsets are the ends of one-sided intervals (Hartigan, *JASA* 64, 1969, 1303-1317, "typical values").
    ``means`` are distinct and ascending; ``below`` and ``above`` are the one-sided mid-p just beside each: the share
    of subsets with a smaller mean, the empty one counted half. At a mean itself it is their middle.
    """

    means: Floats
    below: Floats
    above: Floats

    def interval(self, level: float) -> Interval:
        """Return the means not rejected at ``level``; where the end itself is rejected, the next number inside."""
        tail = (1 - level) / 2
        if tail < self.below[0]:
            return Interval.none(f"so few units have no {level:.0%} interval: no pattern of their signs is rare enough")
        at = (self.below + self.above) / 2
        first, last = int(np.argmax(self.above >= tail)), int(np.flatnonzero(self.below <= 1 - tail)[-1])
        lo = self.means[first] if at[first] >= tail else np.nextafter(self.means[first], np.inf)
        hi = self.means[last] if at[last] <= 1 - tail else np.nextafter(self.means[last], -np.inf)
        return Interval(lo=float(lo), hi=float(hi), method="sign-flip inverted")


def subset_means(differences: Floats, *, seed: int, draws: int = DRAWS) -> SubsetMeans:
    """Study the mean of one difference a unit (shape ``(units,)``, at least 2) by the patterns that test it."""
    sums, sizes = weighted_sums(
        _signs(differences.size, seed, draws) < 0, np.column_stack([differences, np.ones(differences.size)])
    ).T
    means = sums[sizes > 0] / sizes[sizes > 0]
    # Equal means reached by another order of addition are equal.
    distinct, counts = np.unique(np.round(means / scale(differences), DIGITS), return_counts=True)
    above = (counts.cumsum() + 0.5) / (counts.sum() + 1)
    return SubsetMeans(means=distinct * scale(differences), below=above - counts / (counts.sum() + 1), above=above)

"""The paired sign-flip test and its inversion.

Under no difference, each unit's difference could as well have the other sign. The test is exact up
to ``EXACT_UNITS`` units. Beyond, it draws sign patterns, and the +1 correction keeps the p-value
valid and above 0 (Phipson & Smyth, *Stat. Appl. Genet. Mol. Biol.* 9(1), 2010). Fisher, *The Design
of Experiments* (1935), 21.

Its interval uses the means of subsets. Flipping the units of a subset about a supposed mean gives a
smaller sum exactly where the subset's own mean is below it. So the means of all subsets are the
ends of one-sided intervals (Hartigan, *JASA* 64, 1969, 1303-1317, "typical values"), and one sorted
list of them gives the p-value of every supposed mean.

Rates use the mid-p. Differences of rates are multiples of one over the repeats, so many sign
patterns tie with the data. An exact test counts each tie as extreme and rejects 1 to 3 % of true
nulls at 5 %. The mid-p counts half of them (Lancaster, *JASA* 56, 1961, 223-234; recommended for
pairs by Fagerland, Lydersen & Laake, *BMC Med. Res. Methodol.* 13:91, 2013). Its level is not
guaranteed; ``tests/calibration`` measures it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from uderia_bench.stats.arrays import DIGITS, Floats, Mask, is_flat, is_not_zero, scale
from uderia_bench.stats.bootstrap import weighted_sums
from uderia_bench.stats.estimate import Interval
from uderia_bench.stats.inference import two_sided_p

EXACT_UNITS = 16  # 2^16 subsets are summed in 1 ms by doubling, faster than 9,999 patterns are drawn
DRAWS = 9_999
_EMPTY = 1e-9  # a subset of this weight or less is empty, and has no mean

# Units that do not differ have no sign to flip. With k that do, the exact p is at least 2 / 2^k and
# the mid-p 1 / 2^k: .0625 and .031 for 5, .125 and .0625 for 4. With fewer than these, no test can
# reject at 5 %.
DIFFERING_FLOOR, MID_P_FLOOR = 6, 5


def differing(differences: Floats) -> int:
    """Count the units that differ at all."""
    return int(np.count_nonzero(is_not_zero(differences))) if differences.size else 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SignFlipTest:
    """The sign-flip test of a mean, for differences that lie evenly about theirs; a ``MeanTest``.

    ``means`` are the distinct means of subsets, ascending; ``up_to`` counts the subsets at or below
    each and ``subsets`` all, the empty one apart. ``ties`` is the weight of a tie: 1, or 0.5 for
    the mid-p. ``at_zero`` holds both one-sided p-values of "the mean is 0" where they are known
    exactly although ``means`` are drawn.
    """

    means: Floats
    up_to: npt.NDArray[np.int64]
    ties: float
    at_zero: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        """See ``inference.MeanTest``."""
        return "paired sign-flip" if self.ties == 1 else "paired sign-flip mid-p"

    @property
    def subsets(self) -> int:
        """The number of subsets counted, without the empty one."""
        return int(self.up_to[-1])

    def tails(self, mean: float) -> tuple[float, float]:
        """See ``inference.MeanTest``."""
        if mean == 0 and self.at_zero is not None:
            return self.at_zero
        places = [int(np.searchsorted(self.means, mean, side=side)) for side in ("left", "right")]
        below, up_to = (int(self.up_to[place - 1]) if place else 0 for place in places)
        return self._p(below, up_to - below), self._p(self.subsets - up_to, up_to - below)

    def interval(self, level: float) -> Interval:
        """See ``inference.MeanTest``. Where an end itself is rejected, the next number inside is the end."""
        tail = (1 - level) / 2
        if self._p(0, 0) >= tail:
            return Interval.none(f"no {100 * level:.4g}% interval: too few units for a sign-flip test")
        first = int(np.argmax((self.ties + self.up_to) / (self.subsets + 1) >= tail))
        left = self.subsets - np.concatenate([[0], self.up_to[:-1]])  # subsets at or above each mean
        last = int(np.flatnonzero((self.ties + left) / (self.subsets + 1) >= tail)[-1])
        lo, hi = float(self.means[first]), float(self.means[last])
        if self.ties < 1:
            lo = lo if self.tails(lo)[0] >= tail else float(np.nextafter(lo, np.inf))
            hi = hi if self.tails(hi)[1] >= tail else float(np.nextafter(hi, -np.inf))
        if self.at_zero is not None:
            lo, hi = self._agreeing(lo, hi, tail)
        return Interval(lo=lo, hi=hi, method="sign-flip inverted")

    def _p(self, beyond: int, tied: int) -> float:
        """Return the share of subsets that are as extreme as the empty one, which stands for the data themselves."""
        return (beyond + self.ties * (tied + 1)) / (self.subsets + 1)

    def _agreeing(self, lo: float, hi: float, tail: float) -> tuple[float, float]:
        """Move an end to the side of 0 that the exact p at 0 says: drawn means alone could miss it by their own noise."""
        assert self.at_zero is not None
        above, below = self.at_zero
        if min(above, below) >= tail:
            return min(lo, 0.0), max(hi, 0.0)
        if above < below:
            return max(lo, float(np.nextafter(0.0, 1.0))), hi
        return lo, min(hi, float(np.nextafter(0.0, -1.0)))


def sign_flip_test(
    differences: Floats, *, seed: int, mid: bool = False, sizes: Floats | None = None, draws: int = DRAWS
) -> SignFlipTest:
    """Study the mean of one difference a unit (shape ``(units,)``, at least 1).

    ``sizes`` are the weights of the units: the mean is then ``sum(sizes * differences) /
    sum(sizes)``. ``mid`` asks for the mid-p, which is given from ``MID_P_FLOOR`` units on that
    differ.
    """
    weights = np.ones(differences.size) if sizes is None else sizes / sizes.mean()  # 1 on average
    sums = differences * weights
    moved = is_not_zero(differences)
    few = int(np.count_nonzero(moved))
    ties = 0.5 if mid and few >= MID_P_FLOOR else 1.0
    if differences.size <= EXACT_UNITS:
        means, up_to = _distinct(_all_subsets(sums, weights), scale(differences))
        return SignFlipTest(means=means, up_to=up_to, ties=ties)
    at_zero = None
    own = np.abs(sums[moved])
    if few and is_flat(own):  # differences of one size: the number of positive ones is binomial
        at_zero = _binomial_tails(int(np.count_nonzero(sums[moved] > 0)), few, ties)
    elif 0 < few <= EXACT_UNITS:
        # Units without a difference flip into themselves: at a mean of 0 they only multiply every
        # count.
        means, up_to = _distinct(_all_subsets(sums[moved], weights[moved]), scale(differences))
        at_zero = SignFlipTest(means=means, up_to=up_to, ties=ties).tails(0.0)
    drawn = _drawn_subsets(sums, None if sizes is None else weights, seed=seed, draws=draws)
    means, up_to = _distinct(drawn, scale(differences))
    return SignFlipTest(means=means, up_to=up_to, ties=ties, at_zero=at_zero)


def sign_flip_p(differences: Floats, *, seed: int, mid: bool = False) -> float:
    """Return the two-sided sign-flip p of the mean difference (shape ``(units,)``, at least 1) against 0."""
    return two_sided_p(sign_flip_test(differences, seed=seed, mid=mid))


def _binomial_tails(positive: int, count: int, ties: float) -> tuple[float, float]:
    """Return both one-sided p-values of a sign test with ``positive`` of ``count`` signs, each as likely either way."""
    from scipy.special import bdtr  # noqa: PLC0415 - scipy costs start-up time

    def tail(at_least: int) -> float:
        beyond = float(bdtr(count - at_least - 1, count, 0.5)) if at_least < count else 0.0
        return beyond + ties * (float(bdtr(count - at_least, count, 0.5)) - beyond)

    return tail(positive), tail(count - positive)


def _all_subsets(sums: Floats, weights: Floats) -> Floats:
    """Return the mean of every subset but the empty one, by doubling: each unit is in or out."""
    total, size = np.zeros(1), np.zeros(1)
    for one, weight in zip(sums, weights, strict=True):
        total, size = np.concatenate([total, total + one]), np.concatenate([size, size + weight])
    means: Floats = total[1:] / size[1:]
    return means


@lru_cache(maxsize=4)
def _members(units: int, seed: int, draws: int) -> tuple[Mask, Floats]:
    """Return drawn subsets ``(draws, units)`` and their sizes. Read-only; every metric over the same units shares them."""
    packed = np.random.default_rng([seed, units, draws]).bytes(draws * -(-units // 8))
    bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8).reshape(draws, -1), axis=1)
    members = bits[:, :units] == 1
    members.setflags(write=False)
    return members, members.sum(axis=1, dtype=np.float64)


def _drawn_subsets(sums: Floats, weights: Floats | None, *, seed: int, draws: int) -> Floats:
    """Return the means of drawn subsets, of their complements, and of all units.

    A subset and its complement are one sign pattern and its opposite, so both one-sided p-values
    use every draw.
    """
    members, counts = _members(sums.size, seed, draws)
    columns = sums[:, None] if weights is None else np.column_stack([sums, weights])
    found = weighted_sums(members, columns)
    total, size = found[:, 0], counts if weights is None else found[:, 1]
    whole, all_of_it = float(sums.sum()), float(sums.size if weights is None else weights.sum())
    totals = np.concatenate([total, whole - total, [whole]])
    sizes = np.concatenate([size, all_of_it - size, [all_of_it]])
    there = sizes > _EMPTY
    means: Floats = totals[there] / sizes[there]
    return means


def _distinct(means: Floats, largest: float) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Sort the means; those that are equal but for rounding (another order of addition) become one."""
    distinct, counts = np.unique(np.round(means / largest, DIGITS), return_counts=True)
    return distinct * largest, counts.cumsum()

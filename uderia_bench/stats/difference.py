"""The interval of a mean paired difference: which method for which differences, in one place.

======================================  ==============================================
differences                             interval
======================================  ==============================================
one                                     none
of rates, fewer than six differ         a bound: two observations added at the ends of the scale
of rates                                the mid-p sign-flip test inverted
all equal                               that value; of amounts that may be 0 none below ``EQUAL_FLOOR`` units
mostly equal                            two-part, or none where fewer than 6 differ from the rest
fewer than ``UNITS_FLOOR``              Student's: too few different resamples
else                                    symmetric bootstrap-t
======================================  ==============================================

5 and 6 are ``permutation``'s floors. What few distinct values differences of rates and of rare amounts have makes a bootstrap-t
cover 97 to 100 % of true nulls at 20 queries; the test inverted covers what the test accepts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from uderia_bench.stats.arrays import Floats, is_flat
from uderia_bench.stats.bootstrap import UNITS_FLOOR, StudentisedMean
from uderia_bench.stats.estimate import Interval
from uderia_bench.stats.permutation import DIFFERING_FLOOR, MID_P_FLOOR, SubsetMeans, differing
from uderia_bench.stats.sparse import bounded_difference, is_sparse, others, too_few, two_part
from uderia_bench.stats.student import t_interval

# That many equal differences show, at 95 %, that fewer than one unit in ten differs (.9^29 < .05; the floor of p90 in
# docs/explanation/statistics.md, "Intervals"). Of fewer, what goes unseen may be as large as anything.
EQUAL_FLOOR = 29


def difference_interval(
    differences: Floats,
    *,
    bounded: bool,
    may_be_0: bool,
    studied: Callable[[], StudentisedMean],
    flipped: Callable[[], SubsetMeans],
) -> Callable[[float], Interval]:
    """Choose the interval for differences of one unit each (shape ``(units,)``, at least 1); the result answers at any level.

    ``bounded`` differences lie in -1..1, as those of rates do; ``may_be_0``: of amounts that few units have. ``studied`` and
    ``flipped`` are called where the bootstrap or the inverted test is wanted, once.
    """
    if differences.size == 1:
        return _none("one pair has no spread: an interval needs 2 or more")
    if bounded:
        return _bound(differences) if _seldom(differences) < MID_P_FLOOR else flipped().interval
    if is_flat(differences):
        return _of_equal(differences, may_be_0=may_be_0)
    if is_sparse(differences):
        few = others(differences) < DIFFERING_FLOOR
        return _none(too_few(differences)) if few else lambda level: two_part(differences, level=level)
    if differences.size < UNITS_FLOOR:
        return lambda level: t_interval(differences, level=level)
    resampled = studied()
    return lambda level: resampled.symmetric(level) if resampled.trusted(level) else t_interval(differences, level=level)


def _seldom(differences: Floats) -> int:
    """Count the units that differ, or where most differ by the same, those that do not by that."""
    return others(differences) if is_sparse(differences) else differing(differences)


def _bound(differences: Floats) -> Callable[[float], Interval]:
    count = _seldom(differences)
    because = f"only {count} of {differences.size} units differ: the interval is a bound, and no test decides" if count else ""
    return lambda level: replace(bounded_difference(differences, level=level), because=because)


def _of_equal(differences: Floats, *, may_be_0: bool) -> Callable[[float], Interval]:
    few = differences.size < EQUAL_FLOOR
    because = f"all {differences.size} differences are equal: below {EQUAL_FLOOR} a rarer one may be unseen" if few else ""
    if few and may_be_0:
        return _none(because)
    value = float(differences.mean())
    return lambda _: Interval(lo=value, hi=value, method="all differences equal", because=because)


def _none(because: str) -> Callable[[float], Interval]:
    return lambda _: Interval.none(because)

"""The choice of the test of a mean paired difference.

The interval is the test inverted.

======================================  ==============================================
differences                             test and interval
======================================  ==============================================
fewer than ``UNITS_FLOOR``              Student's t: sign patterns are too few for an interval
of rates, fewer than five differ        the stricter of sign-flip and two observations added
of rates                                sign-flip with mid-p
of amounts, all equal                   sign-flip, no interval below ``EQUAL_FLOOR`` units
mostly equal, fewer than six differ     sign-flip, no interval
else                                    sign-flip
======================================  ==============================================

Five and six are ``permutation``'s floors.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from uderia_bench.stats.arrays import Floats, is_flat
from uderia_bench.stats.bootstrap import UNITS_FLOOR
from uderia_bench.stats.inference import MeanTest, StrictestTest, StudentTest, WithNote
from uderia_bench.stats.permutation import DIFFERING_FLOOR, DRAWS, MID_P_FLOOR, differing, sign_flip_test
from uderia_bench.stats.sparse import is_sparse, others, too_few, two_added_test

# That many equal differences show, at 95 %, that fewer than one unit in ten differs (.9^29 < .05;
# the floor of p90 in docs/explanation/statistics.md, "Intervals"). With fewer, a difference too
# rare to be seen could have any size.
EQUAL_FLOOR = 29


def mean_test(
    differences: Floats, *, bounded: bool, may_be_0: bool, seed: int, sizes: Floats | None = None, draws: int = DRAWS
) -> MeanTest:
    """Choose the test for differences of one unit each (shape ``(units,)``, at least 2).

    ``bounded``: the differences lie in -1..1, as those of rates do. ``may_be_0``: amounts that few
    units have. ``sizes`` are the weights of the units, such as the number of queries in a group.
    """
    flips = sign_flip_test(differences, seed=seed, mid=bounded, sizes=sizes, draws=draws)
    n = differences.size
    if bounded:
        return _of_rates(differences, flips)
    if is_flat(differences):
        because = f"all {n} differences are equal: fewer than {EQUAL_FLOOR} could miss a rare one" if n < EQUAL_FLOOR else ""
        return WithNote(test=flips, because=because, bare=bool(because) and (may_be_0 or n < UNITS_FLOOR))
    if n < UNITS_FLOOR:
        return student_test(differences, sizes=sizes)
    if is_sparse(differences) and others(differences) < DIFFERING_FLOOR:
        return WithNote(test=flips, because=too_few(differences), bare=True)
    return flips


def student_test(differences: Floats, *, sizes: Floats | None = None) -> StudentTest:
    """Return Student's t test of the mean of at least 2 units; with ``sizes`` of the ratio of sums, linearised."""
    weights = np.ones(differences.size) if sizes is None else sizes / sizes.mean()
    value = float((differences * weights).mean())
    away = (differences - value) * weights
    error = 0.0 if is_flat(differences) else sqrt(float((away**2).sum()) / (differences.size - 1) / differences.size)
    return StudentTest(value=value, error=error, freedom=differences.size - 1)


def _of_rates(differences: Floats, flips: MeanTest) -> MeanTest:
    """Choose for rates. Where few units differ, no pattern of signs is rare enough, and a bound takes the interval's place."""
    count = others(differences) if is_sparse(differences) else differing(differences)
    if count >= MID_P_FLOOR and differences.size >= UNITS_FLOOR:
        return WithNote(test=flips, ends=(-1.0, 1.0))
    bound = two_added_test(differences, reach=1.0)
    few = f"only {count} of {differences.size} differences are not 0"
    because = f"{few}: too few to test, and the range is a worst case" if count else ""
    strictest = StrictestTest(tests=(flips, bound)) if differences.size >= UNITS_FLOOR else bound
    return WithNote(test=strictest, because=because, ends=(-1.0, 1.0))

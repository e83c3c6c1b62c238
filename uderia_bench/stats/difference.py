"""The interval of a mean paired difference: which method for which differences, in one place.

======================================  ==============================================
differences                             interval
======================================  ==============================================
one                                     none
of rates, few or mostly equal           two observations added at the ends of the scale
all equal                               that value
mostly equal                            two observations added, or none (``sparse``)
fewer than ``UNITS_FLOOR``              Student's: too few different resamples
else                                    symmetric bootstrap-t
======================================  ==============================================
"""

from __future__ import annotations

from collections.abc import Callable

from uderia_bench.stats.arrays import Floats, is_flat
from uderia_bench.stats.bootstrap import UNITS_FLOOR, StudentisedMean
from uderia_bench.stats.estimate import Interval
from uderia_bench.stats.sparse import bounded_difference, is_sparse, sparse_mean
from uderia_bench.stats.student import t_interval

# What happens to one unit in five goes unseen among 20 in 1 % of cases, among 8 in 17 %: below, "all equal" carries a warning.
FEW = 20


def difference_interval(
    differences: Floats, *, bounded: bool, studied: Callable[[], StudentisedMean]
) -> Callable[[float], Interval]:
    """Choose the interval for differences of one unit each (shape ``(units,)``, at least 1); the result answers at any level.

    ``bounded`` differences lie in -1..1, as those of rates do. ``studied`` is called where the bootstrap is wanted, once.
    """
    if differences.size == 1:
        return lambda _: Interval.none("one pair has no spread: an interval needs 2 or more")
    sparse = is_sparse(differences)
    if bounded and (sparse or differences.size < UNITS_FLOOR):
        return lambda level: bounded_difference(differences, level=level)
    if is_flat(differences):
        value = float(differences.mean())
        unseen = f"all {differences.size} differences are equal: a rarer one may be unseen" if differences.size < FEW else ""
        return lambda _: Interval(lo=value, hi=value, method="all differences equal", because=unseen)
    if sparse:
        return lambda level: sparse_mean(differences, level=level)
    if differences.size < UNITS_FLOOR:
        return lambda level: t_interval(differences, level=level)
    resampled = studied()

    def interval(level: float) -> Interval:
        found = resampled.symmetric(level) if resampled.trusted(level) else t_interval(differences, level=level)
        return found.within(-1.0, 1.0) if bounded else found

    return interval

"""Means of values that are mostly equal: counts of rare things, rates near an end.

A bootstrap of such values counts how often the few others were drawn, so its t statistics mean
little. Two observations are added instead, one as far from the common value as anything seen on
either side, and Student's t of all is taken. For a difference of rates, which lies in -1..1, the
two lie at the ends of the scale. For paired 0/1 data that is Bonett & Price's interval (*J. Educ.
Behav. Stat.* 37, 2012, 479-488). It is a good bound where almost nothing differs, and far too wide
elsewhere.
"""

from __future__ import annotations

from math import ceil, sqrt

import numpy as np

from uderia_bench.printable import count_of
from uderia_bench.stats.arrays import Floats, mode
from uderia_bench.stats.estimate import Interval
from uderia_bench.stats.inference import StudentTest, equivalence_p
from uderia_bench.stats.permutation import DIFFERING_FLOOR

# Simulated with amounts that are 0 on 65 to 95 % of 20 to 200 units: bootstrap-t covers 84 to 98 %
# and is at times endless, Student 84 to 100 %, two added 89 to 100 %.
SPARSE = 0.5

NOISE = 0.1  # of the value: more than half of nearly equal values lie within this
NOISE_REACH = 6.0  # widths of that half: a value within this of its centre is nearly equal too

TWO_ADDED = "two observations added"  # the name of the method


def is_sparse(values: Floats) -> bool:
    """Whether more than half of the units show the same value."""
    return mode(values)[1] > SPARSE


def without_noise(values: Floats, *, logs: bool = False) -> Floats:
    """Set values that are nearly equal to one value where they are more than half and the others lie far from them.

    Costs and tokens are often alike up to a few percent, and a few are two or three times as large. A
    resample without those has almost no spread, so the ends of a bootstrap-t lie at several times the
    mean. Without the noise, such values are sparse as exact ones are. ``logs``: the values are logarithms.
    """
    half = values.size // 2 + 1
    ordered = np.sort(values)
    widths = ordered[half - 1 :] - ordered[: values.size - half + 1]
    centre = float(np.median(ordered[widths.argmin() :][:half]))
    noise = NOISE * (1.0 if logs else abs(centre))
    near = np.abs(values - centre) <= max(NOISE_REACH * widths.min(), noise)
    if widths.min() > noise or near.all():
        return values
    equal: Floats = np.where(near, centre, values)
    return equal


def two_added_test(values: Floats, *, reach: float, common: float = 0.0) -> StudentTest:
    """Return the t test of the mean with two observations added at ``common`` ± ``reach``.

    With no difference at all in n units its interval ends at about ±2.8 reach / n, close to the
    rule of three.
    """
    n = values.size + 2
    away = values - common
    mean = float(away.sum() / n)
    variance = float((away**2).sum() + 2 * reach**2) / n - mean**2
    return StudentTest(value=common + mean, error=sqrt(variance / n), freedom=n - 1, name=TWO_ADDED, method=TWO_ADDED)


def spread_with_two_added(differences: Floats) -> float:
    """Return the standard deviation of differences of rates with two more, as large as the largest seen, or 1 without any.

    Where few units differ, their spread is usually seen too small, and so is a number of units that is planned with
    it (docs/explanation/statistics.md, "Planning and stopping").
    """
    test = two_added_test(differences, reach=float(np.abs(differences).max()) or 1.0)
    return test.error * sqrt(differences.size + 2)


def units_without_difference(limit: float, *, alpha: float) -> int:
    """Return the fewest units that show, if each has equal rates, a difference below ``limit`` at the level ``alpha``."""
    from scipy.special import ndtri  # noqa: PLC0415 - scipy costs start-up time

    by_normal = ceil(sqrt(2) * float(ndtri(1 - alpha)) / limit) - 2
    units = max(by_normal, 2)  # Student's t needs a few more
    while equivalence_p(two_added_test(np.zeros(units), reach=1.0), -limit, limit) >= alpha:
        units += 1
    return units


def others(values: Floats) -> int:
    """Count the units that do not have the most common value."""
    return round((1 - mode(values)[1]) * values.size)


def too_few(values: Floats, equal: str = "equal") -> str:
    """Return why mostly equal values with fewer than ``DIFFERING_FLOOR`` others have no interval.

    A rarer and larger value could exist unseen: simulated as above, any interval of such an amount
    covers 52 to 90 %.
    """
    alike = f"{values.size - others(values)} of {count_of(values.size, 'value')} are {equal}"
    return f"no interval: {alike}, and at least {DIFFERING_FLOOR} others are needed"


def sparse_mean(values: Floats, *, level: float, equal: str = "equal") -> Interval:
    """Bound the mean of a sparse amount where at least ``DIFFERING_FLOOR`` units have an uncommon value.

    ``equal`` is how alike the common values are, for the reason where there is no interval.
    """
    if others(values) < DIFFERING_FLOOR:
        return Interval.none(too_few(values, equal))
    common, _ = mode(values)
    return two_added_test(values, reach=float(np.abs(values - common).max()), common=common).interval(level)

"""Prediction-powered inference: a mean from many judged and few labelled queries.

A judge's mean is precise and may be wrong. Labels are right and few. The estimate is the mean of the
labels, moved by what the judge says about the queries without labels::

    mean of labels + weight x (judge's mean over all queries - judge's mean over the labelled ones)

The weight that makes the variance smallest is 1 for a perfect judge and 0 for a useless one, so a bad
judge costs width and no bias. It needs labelled queries that were drawn at random. Sources:
Angelopoulos et al., *Science* 382 (2023); Angelopoulos, Duchi and Zrnic, arXiv:2311.01453 (2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, sqrt

import numpy as np

from uderia_bench.stats.arrays import Floats, mode
from uderia_bench.stats.inference import StudentTest
from uderia_bench.stats.permutation import MID_P_FLOOR
from uderia_bench.stats.sparse import others, two_added_test

FEWEST_LABELLED = 30
"""Labelled queries below which there is no verdict: the weight and the spread would be too uncertain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """A mean corrected by labels. ``test`` gives its p-values and intervals.

    ``effective`` is how many labelled queries without a judge would be as precise. ``to_halve`` is how
    many labelled queries would halve the interval, None where labels of all queries would not.
    ``judged`` is the judge's own mean, and ``labels`` that of the labels.
    """

    value: float
    weight: float
    labelled: int
    queries: int
    effective: float
    to_halve: int | None
    judged: float
    labels: float
    test: StudentTest


def corrected(labels: Floats, judged: Floats, everywhere: Floats, *, weight: float | None = None) -> Corrected | None:
    """Return the corrected mean over queries; None below three labelled queries.

    All arrays have one value per query. ``labels`` is NaN where a query has no label. ``judged`` is the
    judge's value of the labelled answers of a query, and ``everywhere`` its value of all answers, such
    as those of all repeats. They lie in -1 to 1. ``weight`` replaces the best weight.
    """
    there = np.isfinite(labels)
    own, same, whole = labels[there], judged[there], everywhere[there]
    n, total = own.size, everywhere.size
    if n < 3:
        return None
    moved = same / n - whole / total  # what a labelled query adds to the correction
    rest = (total - n) * _variance(everywhere) / total**2
    estimated = (n - 1) / max(n - 2, 1)  # the mean and the weight
    if weight is None:
        below = estimated * n * _variance(moved) + rest
        weight = estimated * float(np.cov(moved, own)[0, 1]) / below if below > 0 else 0.0
    rectified = own - weight * n * moved
    inside = estimated * _variance(rectified) / n
    if others(rectified) < MID_P_FLOOR:  # too few deviate to show how much a query without a label might
        inside = max(inside, two_added_test(rectified, reach=1.0, common=mode(rectified)[0]).error ** 2)
    outside = weight**2 * rest
    variance = inside + outside
    value = float(own.mean() - weight * (same.mean() - everywhere.mean()))
    return Corrected(
        value=value,
        weight=weight,
        labelled=n,
        queries=total,
        effective=_variance(own) / variance if _variance(own) > 0 else float(n),
        to_halve=_to_halve(own, same, total, variance=variance),
        judged=float(everywhere.mean()),
        labels=float(own.mean()),
        test=StudentTest(
            value=value,
            error=sqrt(variance),
            freedom=_freedom((inside, n - 2), (outside, total - n - 1)),
            name="prediction-powered t",
            method="prediction-powered",
        ),
    )


def _variance(values: Floats) -> float:
    return float(np.var(values, ddof=1))


def _freedom(*parts: tuple[float, int]) -> float:
    """Return the degrees of freedom of a sum of variances (Satterthwaite)."""
    total = sum(variance for variance, _ in parts)
    if total <= 0:
        return float(parts[0][1])
    return total**2 / sum(variance**2 / max(freedom, 1) for variance, freedom in parts)


def _to_halve(own: Floats, same: Floats, total: int, *, variance: float) -> int | None:
    """Return how many labelled queries would halve the interval, at the correlation of labels and judge that is seen."""
    spread = _variance(own)
    both = spread * _variance(same)
    explained = float(np.cov(own, same)[0, 1]) ** 2 / both if both > 0 else 0.0
    left = variance / 4 - explained * spread / total
    needed = (1 - explained) * spread / left if left > 0 else inf
    return ceil(needed) if needed <= total else None

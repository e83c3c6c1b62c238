"""Agreement of raters beyond chance: Cohen's kappa and Krippendorff's alpha, with intervals clustered by query.

Both are functions of a table of counts that is a sum over clusters. So an interval resamples
clusters and adds their tables. Sources: Cohen, *Educ. Psychol. Meas.* 20 (1960); Krippendorff,
*Content Analysis*, 4th ed. (2018), ch. 12.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from uderia_bench.stats.arrays import Codes, Floats, is_flat
from uderia_bench.stats.bootstrap import UNITS_FLOOR
from uderia_bench.stats.estimate import Estimate

DRAWS = 2_000
MISSING = -1  # code of an item that a rater did not rate


def kappa(first: Codes, second: Codes, clusters: Codes, *, categories: int, level: float, seed: int) -> Estimate:
    """Return Cohen's kappa of two raters over the items that both rated.

    ``first`` and ``second`` are codes from 0, ``MISSING`` where an item was not rated. The value is
    None where only one category occurs, because chance alone then explains every agreement.
    """
    both = (first != MISSING) & (second != MISSING)
    tables = _by_cluster(first[both], second[both], clusters[both], np.ones(int(both.sum())), categories)
    return _estimate(tables, _kappa, items=int(both.sum()), missing=int((~both).sum()), level=level, seed=seed)


def alpha(ratings: Codes, clusters: Codes, *, categories: int, level: float, seed: int) -> Estimate:
    """Return Krippendorff's alpha for nominal data. ``ratings`` is ``(rater, item)``, with ``MISSING`` for no rating.

    Items with fewer than two ratings say nothing about agreement and are left out.
    """
    rated = ratings != MISSING
    counts = rated.sum(axis=0)
    pairable = counts > 1
    first, second, cluster, weight = [], [], [], []
    for one in range(ratings.shape[0]):
        for other in range(ratings.shape[0]):
            here = rated[one] & rated[other] & pairable
            if one != other and here.any():
                first.append(ratings[one, here])
                second.append(ratings[other, here])
                cluster.append(clusters[here])
                weight.append(1 / (counts[here] - 1))
    if not first:
        return Estimate(value=None, lo=None, hi=None, level=level, n=0, missing=int(ratings.shape[1]))
    joined = np.concatenate(first), np.concatenate(second), np.concatenate(cluster)
    tables = _by_cluster(*joined, np.concatenate(weight), categories)
    return _estimate(tables, _alpha, items=int(pairable.sum()), missing=int((~pairable).sum()), level=level, seed=seed)


def _by_cluster(first: Codes, second: Codes, clusters: Codes, weights: Floats, categories: int) -> Floats:
    """Return the table of counts of each cluster, ``(cluster, category, category)``."""
    names, cluster = np.unique(clusters, return_inverse=True)
    tables = np.zeros((names.size, categories, categories))
    np.add.at(tables, (cluster, first, second), weights)
    return tables


def _kappa(tables: Floats) -> Floats:
    """Return kappa of tables ``(…, category, category)``, NaN where it is not defined."""
    total = tables.sum(axis=(-2, -1))
    observed = np.trace(tables, axis1=-2, axis2=-1)
    chance = (tables.sum(axis=-1) * tables.sum(axis=-2)).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((observed * total - chance) / (total * total - chance))


def _alpha(tables: Floats) -> Floats:
    """Return alpha of coincidence tables ``(…, category, category)``, NaN where it is not defined."""
    sums = tables.sum(axis=-1)
    total = sums.sum(axis=-1)
    disagreement = total - np.trace(tables, axis1=-2, axis2=-1)
    expected = total * total - (sums * sums).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - (total - 1) * disagreement / expected)


def _estimate(
    tables: Floats, statistic: Callable[[Floats], Floats], *, items: int, missing: int, level: float, seed: int
) -> Estimate:
    """Return the statistic of all clusters with a percentile interval from resampled clusters."""
    found = float(statistic(tables.sum(axis=0)))
    clusters = tables.shape[0]
    made = {"level": level, "n": clusters, "missing": missing, "method": "cluster bootstrap"}
    if not np.isfinite(found):
        return Estimate(value=None, lo=None, hi=None, **made, warnings=("only one category occurs",) if items else ())
    if clusters < UNITS_FLOOR:
        few = f"an interval needs {UNITS_FLOOR} queries; this has {clusters}"
        return Estimate(value=found, lo=None, hi=None, **made, warnings=(few,))
    drawn = np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), size=DRAWS)
    values = statistic(np.tensordot(drawn.astype(np.float64), tables, axes=1))
    values = values[np.isfinite(values)]
    if is_flat(values):  # all agree, or one rater gave one answer throughout: resamples show no other table
        alike = f"no interval: the {clusters} queries are too much alike, so every resample of them has the same value"
        return Estimate(value=found, lo=None, hi=None, **made, warnings=(alike,))
    lo, hi = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value=found, lo=float(lo), hi=float(hi), **made)

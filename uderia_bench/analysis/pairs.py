"""One metric of two arms, paired: one difference per unit of inference.

The unit is the query; its repeats are averaged first (logs for positive metrics), because repeats of one query are not
independent evidence about queries. Only where exactly one query was asked is the unit the repeat, and every number says
so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uderia_bench.analysis.trials import Mask, Trials
from uderia_bench.reading.metrics.metric import Assumption, Metric
from uderia_bench.stats.arrays import Floats
from uderia_bench.stats.components import Components, variance_components

ONE_QUERY = "this query only: the unit is the repeat, so nothing is said about other queries"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """Units that have both sides, in the order of the queries.

    ``baseline`` and ``candidate`` are each unit's means of observations; ``differences`` are candidate minus baseline, of
    mean logs where ``kind`` is ``ratio`` and of means where it is ``difference``. ``binary``: one observation of 0 or 1 a
    cell, so the pair tables of McNemar and Newcombe apply. ``components`` say where the variance of the differences comes
    from, None below 2 units. ``observed`` counts the observations of either side before pairing, those that may not be
    judged included.
    """

    kind: str
    unit: str
    units_asked: int
    baseline: Floats
    candidate: Floats
    differences: Floats
    n_pairs: int
    repeats: float
    components: Components | None
    binary: bool
    observed: tuple[int, int]
    warnings: tuple[str, ...]

    @property
    def n_units(self) -> int:
        """How many units have both sides."""
        return int(self.differences.size)

    @property
    def n_queries(self) -> int:
        """How many queries have both sides."""
        return self.n_units if self.unit == "query" else min(self.n_units, 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """One side of a comparison: arrays ``(query, slot)`` of what was asked, what was seen, and what of it may be judged.

    ``level`` is the level of a sweep that each was asked at, None without one.
    """

    name: str
    asked: Mask
    seen: Floats
    judged: Floats
    level: Floats | None = None


def side(trials: Trials, metric: Metric, arm: str, *, where: Mask, name: str | None = None) -> Side:
    """Take an arm's observations of a metric within ``where``; not judged are those on which its ``judged_unless`` is true."""
    index = trials.arm(arm)
    seen = np.where(where, trials.values(metric), np.nan)[:, index]
    judged = seen
    if metric.judged_unless is not None and trials.has(metric.judged_unless):
        judged = np.where(trials.column(metric.judged_unless)[:, index] == 1, np.nan, seen)
    asked = (where & trials.asked)[:, index]
    return Side(name=name or arm, asked=asked, seen=seen, judged=judged, level=trials.at_levels(arm))


def pair(baseline: Side, candidate: Side, metric: Metric) -> Pairs:
    """Pair two sides of a metric by query, or by repeat where only one query was asked; in a sweep inside each level."""
    sides = (baseline, candidate)
    asked, (first, second) = np.stack([side.asked for side in sides]), _at_common_levels(baseline, candidate)
    queries_asked = np.any(asked, axis=(0, 2))
    unit = "repeat" if np.count_nonzero(queries_asked) == 1 else "query"
    if unit == "repeat":
        query = int(np.argmax(queries_asked))
        asked, first, second = asked[:, query, :, None], first[query][:, None], second[query][:, None]
    present = np.stack([np.any(np.isfinite(values), axis=1) for values in (first, second)])
    complete = np.all(present, axis=0)
    warnings = [ONE_QUERY] if unit == "repeat" else []
    if alone := sum(int(np.isfinite(side.judged).sum()) for side in sides) - sum(
        int(np.isfinite(values).sum()) for values in (first, second)
    ):
        warnings.append(f"{alone} trials are left out: at their level the other side has none of their query")
    if shown := sum(int(np.count_nonzero(np.isfinite(side.seen) & np.isnan(side.judged))) for side in sides):
        warnings.append(f"{shown} trials are shown and not judged: {metric.judged_unless}")
    warnings.extend(_left_out(unit, np.any(asked, axis=2), present, (baseline.name, candidate.name)))
    first, second = first[complete], second[complete]
    kind = "ratio" if metric.assumption is Assumption.POSITIVE else "difference"
    if kind == "ratio" and not (_is_positive(first) and _is_positive(second)):
        kind = "difference"
        warnings.append(f"{metric.name} is not positive everywhere, so it has no ratio: compared as a difference")
    scaled_first, scaled_second = (np.log(first), np.log(second)) if kind == "ratio" else (first, second)
    counts = np.stack([np.isfinite(first).sum(axis=1), np.isfinite(second).sum(axis=1)])
    return Pairs(
        kind=kind,
        unit=unit,
        units_asked=int(np.count_nonzero(np.any(asked, axis=(0, 2)))),
        baseline=_means(first),
        candidate=_means(second),
        differences=_means(scaled_second) - _means(scaled_first),
        n_pairs=int(counts.min(axis=0).sum()),
        repeats=float(counts.mean()) if counts.size else 0.0,
        components=variance_components(scaled_first, scaled_second),
        binary=metric.assumption is Assumption.RATE and bool(np.all(counts == 1)) and _is_binary(first) and _is_binary(second),
        observed=(int(np.isfinite(baseline.seen).sum()), int(np.isfinite(candidate.seen).sum())),
        warnings=tuple(warnings),
    )


def _at_common_levels(baseline: Side, candidate: Side) -> tuple[Floats, Floats]:
    """Leave out what of a query was seen at a level where the other side has nothing of it.

    A side that times out where the load is high would otherwise be judged by its lighter levels, against all of the other's.
    """
    first, second = baseline.judged, candidate.judged
    if baseline.level is None or candidate.level is None:
        return first, second
    for level in np.unique(baseline.level[np.isfinite(baseline.level)]):
        here = baseline.level == level, candidate.level == level
        seen = [np.any(np.isfinite(values) & at, axis=1) for values, at in zip((first, second), here, strict=True)]
        alone = ~(seen[0] & seen[1])[:, None]
        first, second = np.where(here[0] & alone, np.nan, first), np.where(here[1] & alone, np.nan, second)
    return first, second


def _means(side: Floats) -> Floats:
    """Return each row's mean without NaN; rows hold at least one number."""
    present = np.isfinite(side)
    means: Floats = np.where(present, side, 0.0).sum(axis=1) / present.sum(axis=1)
    return means


def _is_binary(side: Floats) -> bool:
    values = side[np.isfinite(side)]
    return bool(np.all((values == 0) | (values == 1)))


def _is_positive(side: Floats) -> bool:
    return bool(np.all(side[np.isfinite(side)] > 0))


def _left_out(unit: str, asked: Mask, present: Mask, names: tuple[str, str]) -> list[str]:
    """Say how many units were asked and could not be paired, and which side lacks them; arrays are ``(side, unit)``."""
    units = np.any(asked, axis=0)
    left = int(np.count_nonzero(units & ~np.all(present, axis=0)))
    if left == 0 or left == np.count_nonzero(units):
        return []
    lacking = [(name, int(np.count_nonzero(units & ~seen))) for name, seen in zip(names, present, strict=True)]
    where = ", ".join(f"{count} on {name}" for name, count in lacking if count)
    plural = "queries" if unit == "query" else "repeats"
    return [f"{left} of {np.count_nonzero(units)} {plural} left out for want of a value: {where}"]

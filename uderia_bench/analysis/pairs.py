"""One metric of two arms, paired: one difference per unit of inference.

The unit is the query; its repeats are averaged first (logs for positive metrics), because repeats of one query are not
independent evidence about queries. Only where exactly one query was asked is the unit the repeat, and every number says
so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uderia_bench.analysis.trials import Mask, Trials
from uderia_bench.metrics.metric import Assumption, Metric
from uderia_bench.stats.arrays import Floats

ONE_QUERY = "this query only: the unit is the repeat, so nothing is said about other queries"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """Units that have both sides, in the order of the queries.

    ``baseline`` and ``candidate`` are each unit's means of observations; ``differences`` are candidate minus baseline, of
    mean logs where ``kind`` is ``ratio`` and of means where it is ``difference``. ``binary``: one observation of 0 or 1 a
    cell, so the pair tables of McNemar and Newcombe apply. ``repeat_variance`` is the variance of one repeat, summed over
    both arms, None without repeats. ``observed`` counts the observations of either side before
    pairing, those that may not be judged included.
    """

    kind: str
    unit: str
    units_asked: int
    baseline: Floats
    candidate: Floats
    differences: Floats
    n_pairs: int
    repeats: float
    repeat_variance: float | None
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


def pair(trials: Trials, metric: Metric, *, baseline: str, candidate: str, where: Mask) -> Pairs:
    """Pair a metric's observations of two arms within the trials of ``where``."""
    arms = [trials.arm(baseline), trials.arm(candidate)]
    seen = np.where(where, trials.values(metric), np.nan)
    excused = _excused(trials, metric)
    values = np.where(excused, np.nan, seen)
    sides = (values[:, arms[0], :], values[:, arms[1], :])
    asked = (where & trials.asked)[:, arms, :]
    unit = "repeat" if np.count_nonzero(asked.any(axis=(1, 2))) == 1 else "query"
    if unit == "repeat":
        query = int(asked.any(axis=(1, 2)).argmax())
        sides = (sides[0][query][:, None], sides[1][query][:, None])
        asked = asked[query].T[:, :, None]
    units_asked = int(np.count_nonzero(asked.any(axis=(1, 2))))
    present = tuple(np.isfinite(side) for side in sides)
    complete: Mask = np.logical_and(present[0].any(axis=1), present[1].any(axis=1))
    first, second = sides[0][complete], sides[1][complete]
    kind = "ratio" if metric.assumption is Assumption.POSITIVE else "difference"
    warnings = [ONE_QUERY] if unit == "repeat" else []
    if shown := int(np.count_nonzero(np.isfinite(seen[:, arms]) & excused[:, arms])):
        warnings.append(f"{shown} trials are shown and not judged: {metric.judged_unless}")
    if kind == "ratio" and not all(bool(np.all(side[np.isfinite(side)] > 0)) for side in (first, second)):
        kind = "difference"
        warnings.append(f"{metric.name} is not positive everywhere, so it has no ratio: compared as a difference")
    warnings.extend(_left_out(unit, units_asked, complete, present, asked, (baseline, candidate)))
    scales = tuple(np.log(side) if kind == "ratio" else side for side in (first, second))
    counts = np.stack([np.isfinite(first).sum(axis=1), np.isfinite(second).sum(axis=1)])
    return Pairs(
        kind=kind,
        unit=unit,
        units_asked=units_asked,
        baseline=_means(first),
        candidate=_means(second),
        differences=_means(scales[1]) - _means(scales[0]),
        n_pairs=int(counts.min(axis=0).sum()),
        repeats=float(counts.mean()) if counts.size else 0.0,
        repeat_variance=_repeat_variance(scales[0], scales[1]),
        binary=metric.assumption is Assumption.RATE and bool(np.all(counts == 1)) and _is_binary(first) and _is_binary(second),
        observed=(int(np.isfinite(seen[:, arms[0]]).sum()), int(np.isfinite(seen[:, arms[1]]).sum())),
        warnings=tuple(warnings),
    )


def _excused(trials: Trials, metric: Metric) -> Mask:
    """Which trials must not be tested: those on which the metric's ``judged_unless`` is true."""
    if metric.judged_unless is None or not trials.has(metric.judged_unless):
        return np.zeros(trials.shape, dtype=np.bool_)
    excused: Mask = trials.column(metric.judged_unless) == 1
    return excused


def _means(side: Floats) -> Floats:
    """Return each row's mean without NaN; rows hold at least one number."""
    present = np.isfinite(side)
    means: Floats = np.where(present, side, 0.0).sum(axis=1) / present.sum(axis=1)
    return means


def _is_binary(side: Floats) -> bool:
    values = side[np.isfinite(side)]
    return bool(np.all((values == 0) | (values == 1)))


def _repeat_variance(first: Floats, second: Floats) -> float | None:
    """Pool each arm's variance within units over its repeats, and add the two arms."""
    total = 0.0
    for side in (first, second):
        present = np.isfinite(side)
        freedom = int((present.sum(axis=1) - 1).clip(0).sum()) if side.size else 0
        if freedom == 0:
            return None
        total += float((np.where(present, side - _means(side)[:, None], 0.0) ** 2).sum()) / freedom
    return total


def _left_out(
    unit: str,
    units_asked: int,
    complete: Mask,
    present: tuple[Mask, ...],
    asked: Mask,
    names: tuple[str, str],
) -> list[str]:
    """Say how many units were asked and could not be paired, and which arm lacks them."""
    left = units_asked - int(complete.sum())
    if left == 0 or not complete.any():
        return []
    was_asked = asked.any(axis=(1, 2))
    lacking = [(name, int(np.count_nonzero(was_asked & ~side.any(axis=1)))) for name, side in zip(names, present, strict=True)]
    where = ", ".join(f"{count} on {name}" for name, count in lacking if count)
    plural = "queries" if unit == "query" else "repeats"
    return [f"{left} of {units_asked} {plural} left out for want of a value: {where}"]

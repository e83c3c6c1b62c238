"""Nights on one scale: the level of a metric each night.

Queries differ far more than nights do. So every query's own level is taken out first, and the mean
of what is left is the level of the night (the two-way additive model, fitted by alternating means).
So the level stays where it is when a query is new, or was not answered one night. A query of only one
night tells nothing about that night and is left out, unless there is only one night. Positive metrics are fitted as
logarithms, so a level is a factor of the usual value. Other metrics are fitted as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from uderia_bench.analysis.trials import is_off_scale
from uderia_bench.reading.metrics.metric import Assumption, Metric
from uderia_bench.stats.arrays import Codes, Floats, is_flat
from uderia_bench.stats.difference import student_test
from uderia_bench.stats.estimate import Estimate, Interval
from uderia_bench.stats.proportion import wilson
from uderia_bench.trial import Outcome

_ROUNDS = 200  # of alternating means, at most; few are needed where nights share their queries
_SETTLED = 1e-12
_NIGHT = "night"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Levels:
    """A metric night by night.

    ``nights`` hold an array for each night: every query's value less the query's own level, on the scale
    of the fit. A night without a value has an empty array. ``usual`` is the typical query's value over
    all nights on that scale, ``relative`` whether the scale is logarithmic. ``shares`` are the observed
    values of a rate, by night and query; None for other metrics.
    """

    nights: tuple[Floats, ...]
    usual: float
    relative: bool
    shares: tuple[Floats, ...] | None = None

    @property
    def values(self) -> Floats:
        """The level of every night, where 0 is the usual one. NaN for a night without a value."""
        return np.array([night.mean() if night.size else np.nan for night in self.nights])

    @property
    def errors(self) -> Floats:
        """The standard error of every night's level, over its queries. NaN for fewer than 2 queries."""
        return np.array([student_test(night).error if night.size > 1 else np.nan for night in self.nights])

    def estimate(self, night: int, *, confidence: float) -> Estimate:
        """Return a night's level in the metric's unit with Student's interval over its queries.

        A rate whose queries all agree has no spread, so its interval is Wilson's. A single night has no
        interval, because taking out every query's own level leaves no variation.
        """
        values = self.nights[night] + self.usual
        if not values.size:
            return Estimate(value=None, lo=None, hi=None, level=confidence, n=0)
        if sum(bool(other.size) for other in self.nights) < 2:
            ends = Interval.none("no interval: one night shows no variation")
        elif values.size < 2:
            ends = Interval.none("one query has no spread")
        elif (share := self._agreed(night)) is not None:
            ends = wilson(share * values.size, values.size, level=confidence)
            return ends.about(share, level=confidence, n=values.size)
        else:
            ends = student_test(values).interval(confidence)
        shown = [self._in_unit(end) for end in (float(values.mean()), ends.lo, ends.hi)]
        return Estimate(value=shown[0], lo=shown[1], hi=shown[2], level=confidence, n=values.size, method="t")

    def _agreed(self, night: int) -> float | None:
        """Return the share that a rate had on every query of a night; None where they differ, and for what is no rate.

        All 0 and all 1 are that also where another night differs; else they agree once every query's own level is out.
        """
        if self.shares is None:
            return None
        observed, values = self.shares[night], self.nights[night] + self.usual
        if observed[0] in (0.0, 1.0) and is_flat(observed):
            return float(observed[0])
        return self._in_unit(float(values.mean())) if is_flat(values) else None

    def _in_unit(self, end: float | None) -> float | None:
        if end is None:
            return None
        if self.shares is not None:
            return min(max(end, 0.0), 1.0)
        return float(np.exp(end)) if self.relative else end


def levels(trials: pl.DataFrame, metric: Metric, nights: int) -> Levels:
    """Fit one arm's measured trials of several nights; the column ``night`` counts from 0."""
    relative = metric.assumption is Assumption.POSITIVE
    column = pl.col(metric.name).cast(pl.Float64)
    counted = trials.filter(pl.col("outcome") == Outcome.ANSWERED) if metric.needs_answer else trials
    counted = counted.drop_nulls(metric.name).with_columns(column)
    counted = counted.filter(~is_off_scale(counted[metric.name].to_numpy(), metric))
    level = (column.log() if relative else column).mean()
    means = counted.group_by(_NIGHT, "query_id").agg(level.alias("value")).sort(_NIGHT, "query_id")
    if means[_NIGHT].n_unique() > 1:
        means = means.filter(pl.len().over("query_id") > 1)
    night = means[_NIGHT].to_numpy()
    query = np.unique(means["query_id"].to_numpy(), return_inverse=True)[1]
    values = means["value"].to_numpy()
    left, usual = _without_queries(values, night, query, nights)
    of_night = [night == at for at in range(nights)]
    return Levels(
        nights=tuple(left[at] for at in of_night),
        usual=usual,
        relative=relative,
        shares=tuple(values[at] for at in of_night) if metric.assumption is Assumption.RATE else None,
    )


def _without_queries(values: Floats, night: Codes, query: Codes, nights: int) -> tuple[Floats, float]:
    """Return the values less their query's level, so that all nights average 0, and what was taken out on average."""
    if not values.size:
        return values, 0.0
    asked = np.bincount(query)
    there = np.bincount(night, minlength=nights)
    level = np.zeros(nights)
    own = np.zeros(asked.size)
    for _ in range(_ROUNDS):
        own = np.bincount(query, weights=values - level[night]) / asked
        new = np.divide(
            np.bincount(night, weights=values - own[query], minlength=nights), there, where=there > 0, out=np.zeros(nights)
        )
        new -= new[there > 0].mean()
        moved = float(np.abs(new - level).max())
        level = new
        if moved < _SETTLED:
            break
    return values - own[query], float(own.mean())

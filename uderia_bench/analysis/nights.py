"""Night-to-night variation in the comparison of two runs.

Two runs of an unchanged agent differ, because a provider is faster on one night than on another.
Neither run shows this: all its trials have the same night. So a second test of the difference has the
standard deviation between nights in its standard error, and the stricter of the two tests counts.
Student's t has the degrees of freedom of that standard deviation, which is known from few nights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, hypot, inf, sqrt

from uderia_bench.analysis.effects import Measured
from uderia_bench.analysis.pairs import Pairs
from uderia_bench.reading.metrics.metric import Assumption, Metric
from uderia_bench.stats.difference import student_test
from uderia_bench.stats.inference import StrictestTest, StudentTest, WithNote, two_sided_p

FEWEST = 5  # nights: with fewer, their standard deviation is hardly known
ASSUMED = 0.05  # standard deviation between nights without a history, as a share of the value
ASSUMED_RATE = 0.02  # the same for a rate, in points


@dataclass(frozen=True, slots=True, kw_only=True)
class Nights:
    """The standard deviation of one metric of one arm between nights, from ``runs`` earlier runs.

    ``spread`` is without the part that comes from the queries within a night, on the scale of the
    differences (logs for a ratio). ``freedom`` are its degrees of freedom.
    """

    spread: float
    freedom: float
    runs: int


def across_nights(measured: Measured, pairs: Pairs, metric: Metric, nights: Nights | None, *, confidence: float) -> Measured:
    """Include the variation between nights in a difference of two runs; it is assumed without ``nights``."""
    if measured.inference is None or measured.centre is None:
        return measured
    nights = nights or _assumed(pairs, metric)
    within = student_test(pairs.differences, sizes=pairs.sizes).error
    over_nights = StudentTest(
        value=measured.centre / measured.unit,
        error=hypot(within, sqrt(2) * nights.spread) / measured.unit,
        freedom=nights.freedom,
        name="t over nights",
        method="t over nights",
    )
    ends = (-1.0, 1.0) if metric.assumption is Assumption.RATE else (-inf, inf)
    test = StrictestTest(tests=(measured.inference, WithNote(test=over_nights, ends=ends)))
    found = test.interval(confidence)
    back = exp if pairs.kind == "ratio" else float
    return replace(
        measured,
        effect=replace(
            measured.effect,
            lo=None if found.lo is None else back(found.lo * measured.unit),
            hi=None if found.hi is None else back(found.hi * measured.unit),
            method=found.method,
        ),
        test=f"{measured.test}, {over_nights.name}",
        p=two_sided_p(test),
        inference=test,
        beside={**measured.beside, "between_nights_sd": nights.spread},
    )


def _assumed(pairs: Pairs, metric: Metric) -> Nights:
    """Return the variation that is assumed where there is no history."""
    if metric.assumption is Assumption.RATE:
        return Nights(spread=ASSUMED_RATE, freedom=inf, runs=0)
    # Of an amount, each night varies by a share of its own level: this is the mean of both variances.
    levels = (1.0, 1.0) if pairs.kind == "ratio" else (pairs.mean(pairs.baseline), pairs.mean(pairs.candidate))
    size = hypot(*levels) / sqrt(2)
    return Nights(spread=ASSUMED * size, freedom=inf, runs=0)

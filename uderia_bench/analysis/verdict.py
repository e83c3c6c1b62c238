"""From a measured difference to what may be said of it, and what would settle an open one.

Source: docs/explanation/statistics.md, "Verdicts".
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log1p

from uderia_bench.analysis.effects import Measured
from uderia_bench.analysis.pairs import Pairs
from uderia_bench.analysis.values import Verdict
from uderia_bench.reading.metrics.metric import Assumption, Direction, Metric
from uderia_bench.stats.difference import EQUAL_FLOOR
from uderia_bench.stats.equivalence import lies_inside, within_share
from uderia_bench.stats.permutation import DIFFERING_FLOOR, MID_P_FLOOR, differing
from uderia_bench.stats.sample_size import repeats_instead, units_for_difference, units_for_equivalence
from uderia_bench.stats.sparse import others

MIN_UNITS = 6  # docs/explanation/statistics.md, "Intervals": no verdict below 6

# Beyond this many times the present number of queries, "more queries" is no advice anybody can follow.
FEASIBLE = 100
FEASIBLE_REPEATS = 20  # and repeats beyond this cost more than queries, which also widen what is spoken of


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A verdict with what must be said about it; ``advice`` only where it is inconclusive."""

    verdict: Verdict
    warnings: tuple[str, ...] = ()
    advice: str | None = None


def bound(margin: float | None, pairs: Pairs, metric: Metric) -> float:
    """Return the margin on the scale of the differences; no margin is 0.

    A margin m is [1/(1 + m), 1 + m] for a ratio, m points for a rate, and the share m of the baseline's mean for an amount.
    """
    if margin is None:
        return 0.0
    if pairs.kind == "ratio":
        return log1p(margin)
    return margin if metric.assumption is Assumption.RATE else margin * abs(float(pairs.baseline.mean()))


def decide(
    measured: Measured, pairs: Pairs, metric: Metric, *, margin: float | None, p_adjusted: float | None, alpha: float
) -> Judged:
    """Judge one valid comparison.

    ``better`` and ``worse`` need an adjusted p below ``alpha``, a point estimate beyond the margin, and units
    enough that differ; ``equivalent`` needs the narrow interval inside the margin. Both need ``MIN_UNITS`` units.
    """
    if measured.centre is None or p_adjusted is None:
        return Judged(verdict=Verdict.INCONCLUSIVE, warnings=("no pair of trials has a value on both arms",))
    limit = bound(margin, pairs, metric)
    if margin is not None and _equivalent(measured, pairs, metric, margin=margin, limit=limit):
        return Judged(verdict=Verdict.EQUIVALENT)
    if lacking := _lacking(measured.centre, pairs, metric, limit=limit):
        return Judged(verdict=Verdict.INCONCLUSIVE, advice=lacking)
    significant = p_adjusted < alpha
    if significant and abs(measured.centre) > limit:
        if metric.direction is Direction.NEUTRAL:
            return Judged(
                verdict=Verdict.INCONCLUSIVE,
                warnings=("the arms differ, and this metric does not say which way is better: shown, not judged",),
            )
        falls = measured.centre < 0
        return Judged(verdict=Verdict.BETTER if falls == (metric.direction is Direction.LOWER) else Verdict.WORSE)
    warnings = ("a difference is certain, but it may be smaller than the margin",) if significant else ()
    return Judged(
        verdict=Verdict.INCONCLUSIVE,
        warnings=warnings,
        advice=_unbounded(measured, pairs, limit=limit)
        or _advice(measured, pairs, limit=limit, p_adjusted=p_adjusted, alpha=alpha),
    )


def _equivalent(measured: Measured, pairs: Pairs, metric: Metric, *, margin: float, limit: float) -> bool:
    """Whether the difference surely lies inside the margin; that of an amount is itself a mean of these units."""
    if pairs.n_units < MIN_UNITS or not lies_inside(measured.narrow, -limit, limit):
        return False
    known = pairs.kind == "ratio" or metric.assumption is Assumption.RATE
    return known or within_share(pairs.baseline, pairs.candidate, margin, confidence=measured.effect.level)


def _lacking(centre: float, pairs: Pairs, metric: Metric, *, limit: float) -> str | None:
    """Say what is lacking for any verdict at all: units, units that differ, or units enough to trust that none does."""
    n, seen = pairs.n_units, differing(pairs.differences)
    if n < MIN_UNITS:
        return f"at least {_more(MIN_UNITS - n, pairs)}: below {MIN_UNITS} there is no verdict"
    if seen == 0 and n < EQUAL_FLOOR and metric.assumption is Assumption.AMOUNT:
        return f"about {_more(EQUAL_FLOOR - n, pairs)}: among {n} a rare difference may be unseen"
    floor = MID_P_FLOOR if metric.assumption is Assumption.RATE else DIFFERING_FLOOR
    if 0 < seen < floor and abs(centre) > limit:
        more = ceil(floor * n / seen) - n
        return f"about {_more(more, pairs)}: {seen} of {n} differ, and below {floor} there is no verdict"
    return None


def _unbounded(measured: Measured, pairs: Pairs, *, limit: float) -> str | None:
    """Say what an effect inside the margin lacks where it has no interval: units that differ, at the rate they come.

    The spread of the few there are would promise an equivalence that cannot be shown before.
    """
    if measured.narrow.lo is not None or measured.centre is None or not abs(measured.centre) <= limit > 0:
        return None
    n, apart = pairs.n_units, others(pairs.differences)
    if apart == 0:
        return f"about {_more(EQUAL_FLOOR - n, pairs)}: among {n} a rare difference may be unseen"
    more = _more(ceil(DIFFERING_FLOOR * n / apart) - n, pairs)
    return f"about {more}: {apart} of {n} differ from the rest, and below {DIFFERING_FLOOR} there is no interval"


def _advice(measured: Measured, pairs: Pairs, *, limit: float, p_adjusted: float, alpha: float) -> str:
    """Say how many more units, or repeats, would settle it at 80 % power if the effect and its spread are as seen.

    An effect beyond the margin is settled by showing it, one inside by showing equivalence; the correction of the family
    is kept by testing at ``alpha`` divided by what it cost this p.
    """
    assert measured.centre is not None
    assert measured.p is not None
    units = "queries" if pairs.unit == "query" else "repeats"
    size, spread = abs(measured.centre), measured.spread or 0.0
    needed: float | None
    if size > limit:
        own_alpha = alpha * measured.p / p_adjusted if p_adjusted > 0 else alpha
        needed = units_for_difference(size / spread, alpha=own_alpha) if spread > 0 and size > 0 else None
        goal = "show an effect of the size seen"
    else:
        needed = units_for_equivalence(size / spread, limit / spread, alpha=alpha) if spread > 0 else None
        goal = "show that the arms are equivalent"
    if needed is None or needed > FEASIBLE * pairs.n_units:
        if limit > 0 and size > 0:
            return f"no feasible number of {units} settles it: the effect seen lies too near the margin"
        return f"no feasible number of {units} settles it: no effect is seen, and no margin says what counts as equivalent"
    more = max(ceil(needed) - pairs.n_units, 1)
    advice = f"about {_more(more, pairs)} would {goal}"
    repeat_variance = None if pairs.components is None else pairs.components.repeat_variance
    if pairs.unit == "query" and repeat_variance is not None and spread > 0:
        repeats = repeats_instead(
            pairs.n_units,
            pairs.repeats,
            needed=pairs.n_units + more,
            variance=spread**2,
            repeat_variance=repeat_variance,
        )
        if repeats is not None and repeats <= FEASIBLE_REPEATS:
            advice += f", or {repeats} repeats instead of {pairs.repeats:.3g}"
    return advice


def _more(count: int, pairs: Pairs) -> str:
    many = "queries" if pairs.unit == "query" else "repeats"
    return f"{count} more {pairs.unit if count == 1 else many}"

"""From a measured difference to a verdict , and what would settle an inconclusive one."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, log, log1p

from uderia_bench.analysis.effects import Measured
from uderia_bench.analysis.pairs import Pairs
from uderia_bench.analysis.tails import SLOW, TAIL
from uderia_bench.analysis.values import NOT_CALLED, Verdict
from uderia_bench.printable import count_of
from uderia_bench.reading.metrics.metric import Assumption, Direction, Metric
from uderia_bench.stats.difference import EQUAL_FLOOR
from uderia_bench.stats.estimate import Estimate
from uderia_bench.stats.permutation import DIFFERING_FLOOR, MID_P_FLOOR, differing
from uderia_bench.stats.sample_size import repeats_instead, units_for_difference, units_for_equivalence
from uderia_bench.stats.sparse import others, spread_with_two_added, units_without_difference

MIN_UNITS = 6  # docs/explanation/statistics.md, "Intervals": a verdict needs at least 6 units

# Beyond this many times the present number of queries, "more queries" is no useful advice.
FEASIBLE = 100
FEASIBLE_REPEATS = 20  # repeats beyond this cost more than queries, which also widen what the result speaks of


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A verdict with its warnings; ``advice`` and ``doubt`` (as in ``Comparison``) only where it is inconclusive."""

    verdict: Verdict
    warnings: tuple[str, ...] = ()
    advice: str | None = None
    doubt: str | None = None


def bound(margin: float | None, pairs: Pairs, metric: Metric) -> float:
    """Return the margin on the scale of the differences; no margin is 0.

    A margin m is [1/(1 + m), 1 + m] for a ratio, m points for a rate, and the share m of the
    smaller of the two means for an amount. So it treats both arms alike.
    """
    if margin is None:
        return 0.0
    if pairs.kind == "ratio":
        return log1p(margin)
    if metric.assumption is Assumption.RATE:
        return margin
    return margin * min(abs(pairs.mean(side)) for side in (pairs.baseline, pairs.candidate))


def decide(
    measured: Measured,
    pairs: Pairs,
    metric: Metric,
    *,
    margin: float | None,
    p_adjusted: float | None,
    tost_p: float | None,
    equivalence_p: float | None,
    alpha: float,
    threshold: float,
) -> Judged:
    """Judge one valid comparison.

    ``better`` and ``worse`` need an adjusted p below ``threshold``, a p below ``alpha`` (so that
    the interval leaves out "no change"), a point estimate beyond the margin, and enough units that
    differ. ``equivalent`` needs ``equivalence_p``, which is ``tost_p`` adjusted, below ``alpha``. All need
    ``MIN_UNITS`` units, and a total and a tail that do not contradict them.
    """
    if measured.centre is None or measured.p is None or p_adjusted is None:
        return Judged(verdict=Verdict.INCONCLUSIVE, warnings=("no pair of trials has a value on both arms",))
    limit = bound(margin, pairs, metric)
    if equivalence_p is not None and equivalence_p < alpha and pairs.n_units >= MIN_UNITS:
        if reason := _unlike_tails(measured, limit):
            warning = f"{NOT_CALLED} equivalent: {reason}"
            return Judged(
                verdict=Verdict.INCONCLUSIVE, warnings=(warning,), doubt="but the total or the slowest trials show a difference"
            )
        return Judged(verdict=Verdict.EQUIVALENT)
    if (lacking := _lacking(measured.centre, pairs, metric, limit=limit)) is not None:
        return lacking
    significant = p_adjusted < threshold and measured.p < alpha
    if significant and abs(measured.centre) > limit:
        return _different(measured, metric, measured.centre, limit=limit)
    warnings: tuple[str, ...] = ()
    doubt = None
    if significant:
        warnings = ("a difference is certain, but it may be smaller than the margin",)
        doubt = "but that may be within the margin"
    elif measured.p < alpha:
        doubt = "which may be chance, as several comparisons are made"
    return Judged(
        verdict=Verdict.INCONCLUSIVE,
        warnings=warnings,
        doubt=doubt,
        advice=_unbounded(measured, pairs, limit=limit)
        or _advice(
            measured,
            pairs,
            metric,
            limit=limit,
            difference_alpha=min(_share_of(threshold, measured.p, p_adjusted), alpha),
            equivalence_alpha=_share_of(alpha, tost_p, equivalence_p),
        ),
    )


def _different(measured: Measured, metric: Metric, centre: float, *, limit: float) -> Judged:
    """Judge a difference that is certain and beyond the margin."""
    if metric.direction is Direction.NEUTRAL:
        return Judged(
            verdict=Verdict.INCONCLUSIVE,
            warnings=("the arms differ, but for this metric neither direction is better: it is shown and not judged",),
            doubt="and neither direction is better",
        )
    verdict = Verdict.BETTER if (centre < 0) == (metric.direction is Direction.LOWER) else Verdict.WORSE
    if reason := _opposite_tails(measured, centre, limit):
        warning = f"{NOT_CALLED} {verdict}: {reason}"
        return Judged(
            verdict=Verdict.INCONCLUSIVE, warnings=(warning,), doubt="but the total or the slowest trials show the opposite"
        )
    return Judged(verdict=verdict)


def _unlike_tails(measured: Measured, limit: float) -> str | None:
    """Return why the total or the tail contradicts equivalence: one lies certainly apart and beyond the margin."""
    tails = measured.tails
    if tails is None:
        return None
    for name, ratio in (("ratio of totals", tails.total), (f"ratio of p{TAIL}", tails.percentiles[TAIL])):
        if ratio.value is not None and abs(log(ratio.value)) > limit and _excludes_one(ratio):
            return f"the {name} is {_with_ends(ratio)}, beyond the margin of {exp(limit) - 1:.0%}"
    if tails.slower:
        shares = f"{tails.slow[1]:.1%} of the candidate's trials and {tails.slow[0]:.1%} of the baseline's"
        return f"{shares} are more than {SLOW:g} times the usual value of their query (p {tails.slow_p:.2g})"
    return None


def _opposite_tails(measured: Measured, centre: float, limit: float) -> str | None:
    """Return why the total or the tail contradicts a direction: one lies beyond the margin on the other side."""
    tails = measured.tails
    if tails is None:
        return None
    for name, ratio in (("ratio of totals", tails.total), (f"ratio of p{TAIL}", tails.percentiles[TAIL])):
        if ratio.value is None or log(ratio.value) * centre >= 0 or abs(log(ratio.value)) <= limit:
            continue
        if ratio.lo is None or _excludes_one(ratio) or tails.slower * centre < 0:
            return f"the {name} is {_with_ends(ratio)}, on the other side of the margin of {exp(limit) - 1:.0%}"
    return None


def _excludes_one(ratio: Estimate) -> bool:
    return ratio.lo is not None and ratio.hi is not None and not ratio.lo <= 1 <= ratio.hi


def _with_ends(ratio: Estimate) -> str:
    return f"{ratio.value:.3g}" + ("" if ratio.lo is None else f" ({ratio.lo:.3g} to {ratio.hi:.3g})")


def _lacking(centre: float, pairs: Pairs, metric: Metric, *, limit: float) -> Judged | None:
    """Say what is missing for any verdict: units, units that differ, or enough units to trust that none differs."""
    n, seen = pairs.n_units, differing(pairs.differences)
    if n < MIN_UNITS:
        asked = count_of(n, f"{pairs.unit} is", f"{pairs.units} are")
        return Judged(
            verdict=Verdict.INCONCLUSIVE,
            advice=f"a verdict needs at least {MIN_UNITS} {pairs.units}; this has {n}: add {_more(MIN_UNITS - n, pairs)}",
            doubt=f"but {asked} too few to tell whether others would show the same",
        )
    if seen == 0 and n < EQUAL_FLOOR and metric.assumption is Assumption.AMOUNT:
        needed = f"{EQUAL_FLOOR} {pairs.units} are needed to call the arms equal"
        advice = f"{_all_equal(pairs)}; {needed}: add {_more(EQUAL_FLOOR - n, pairs)}"
        return Judged(verdict=Verdict.INCONCLUSIVE, advice=advice)
    floor = MID_P_FLOOR if metric.assumption is Assumption.RATE else DIFFERING_FLOOR
    if 0 < seen < floor and abs(centre) > limit:
        more = ceil(floor * n / seen) - n
        few = f"only {seen} of {n} {pairs.units} differ"
        return Judged(
            verdict=Verdict.INCONCLUSIVE,
            advice=f"{few}, and a test needs {floor}: about {_more(more, pairs)}",
            doubt=f"which may be chance, as {few}",
        )
    return None


def _all_equal(pairs: Pairs) -> str:
    """Say that no unit differs, and where every value is 0, that."""
    if not pairs.baseline.any() and not pairs.candidate.any():
        return f"all {pairs.n_units} {pairs.units} are 0 on both arms"
    return f"all {pairs.n_units} {pairs.units} are equal on both arms"


def _unbounded(measured: Measured, pairs: Pairs, *, limit: float) -> str | None:
    """Say what an effect inside the margin lacks where it has no interval: units that differ, at the rate they come.

    The spread of the few there are would promise an equivalence that cannot be shown before.
    """
    if measured.effect.lo is not None or measured.centre is None or not abs(measured.centre) <= limit > 0:
        return None
    n, apart = pairs.n_units, others(pairs.differences)
    if apart == 0:
        same = f"all {n} {pairs.units} differ by the same amount"
        return f"{same}; {EQUAL_FLOOR} are needed to trust it: add {_more(EQUAL_FLOOR - n, pairs)}"
    more = _more(ceil(DIFFERING_FLOOR * n / apart) - n, pairs)
    few = f"only {apart} of {n} {pairs.units} deviate from the most common difference"
    return f"{few}, and an interval needs {DIFFERING_FLOOR}: about {more}"


def _share_of(alpha: float, p: float | None, p_adjusted: float | None) -> float:
    """Return the level that the family's correction leaves to this p."""
    return alpha * p / p_adjusted if p and p_adjusted else alpha


def _advice(
    measured: Measured, pairs: Pairs, metric: Metric, *, limit: float, difference_alpha: float, equivalence_alpha: float
) -> str:
    """Say how many more units, or repeats, would settle it at 80 % power if the effect and its spread are as seen.

    An effect beyond the margin is settled by a significant test, one inside by equivalence. Their levels
    are what the correction of the family leaves to this comparison. Where few units differ in a rate,
    others are likely to differ more often. So its equivalence is planned with two more units that differ.
    """
    assert measured.centre is not None
    assert measured.p is not None
    size, spread = abs(measured.centre), measured.spread or 0.0
    needed: float | None
    if size > limit:
        needed = units_for_difference(size / spread, alpha=difference_alpha) if spread > 0 and size > 0 else None
        goal = "show an effect of the size seen"
    else:
        if metric.assumption is Assumption.RATE:
            spread = max(spread, spread_with_two_added(pairs.differences))
        needed = units_for_equivalence(size / spread, limit / spread, alpha=equivalence_alpha) if spread > 0 else None
        goal = "show that the arms are equivalent"
        if metric.assumption is Assumption.RATE and limit > 0 and not pairs.differences.any():
            return _advice_without_difference(pairs, needed, limit=limit, alpha=equivalence_alpha, goal=goal)
    if needed is None or needed > FEASIBLE * pairs.n_units:
        if limit > 0 and size > 0:
            return f"the difference is almost exactly the margin; more {pairs.units} would not decide it"
        if limit > 0:
            return f"the values differ too much for this margin; more {pairs.units} would not decide it"
        settle = f"set a margin, such as {metric.name}: 5%, to test whether the arms are equally good"
        return f"more {pairs.units} would hardly show a difference; {settle}"
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
            advice += f", or {count_of(repeats, 'repeat')} instead of {pairs.repeats:.3g}"
    return advice


def _advice_without_difference(pairs: Pairs, needed: float | None, *, limit: float, alpha: float, goal: str) -> str:
    """Say how many more units show that equal rates are equivalent: if the others are equal too, and ``needed`` if not."""
    least = max(units_without_difference(limit, alpha=alpha) - pairs.n_units, 1)
    advice = f"{_more(least, pairs)} would {goal} if they are equal on both arms"
    if needed is None or needed > FEASIBLE * pairs.n_units:
        return advice
    return f"{advice}, or about {max(ceil(needed) - pairs.n_units, least):,} if a few of them differ"


def _more(count: int, pairs: Pairs) -> str:
    return count_of(count, f"more {pairs.unit}")

"""The size of a paired difference, its interval and its p: which method for which kind of metric, in one place.

====================  ==========================================  ================================
kind of metric        interval                                    p
====================  ==========================================  ================================
positive              of the mean log-ratio                       sign-flip (Wilcoxon beside)
amount (can be 0)     of the mean difference                      sign-flip (Wilcoxon beside)
rate                  the same                                    sign-flip, mid-p (exact beside)
rate, 0/1, one trial  Newcombe's paired interval                  McNemar, mid-p (exact beside)
====================  ==========================================  ================================

``stats.difference`` says which interval a mean difference has; the symmetric bootstrap-t is the usual one.
``stats.permutation`` says why rates have a mid-p, and why none where fewer than 5 units differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import exp, log

import numpy as np

from uderia_bench.analysis.pairs import Pairs
from uderia_bench.reading.metrics.metric import Assumption, Direction, Metric
from uderia_bench.stats.arrays import Counts, Floats
from uderia_bench.stats.bootstrap import (
    BCA_FLOOR,
    QUANTILE_DRAWS,
    UNITS_FLOOR,
    bootstrap_intervals,
    studentised_mean,
    weighted_sums,
)
from uderia_bench.stats.difference import difference_interval
from uderia_bench.stats.equivalence import equivalence_level
from uderia_bench.stats.estimate import Effect, Interval
from uderia_bench.stats.permutation import MID_P_FLOOR, differing, sign_flip_p, subset_means
from uderia_bench.stats.proportion import mcnemar_p, newcombe_paired
from uderia_bench.stats.rank import hodges_lehmann, wilcoxon_p
from uderia_bench.stats.student import t_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A paired difference, measured; ``centre``, ``spread`` and ``narrow`` on the scale of the differences (logs for a ratio).

    ``spread`` is the standard deviation of a unit's difference, ``narrow`` the interval that two one-sided tests read.
    """

    effect: Effect
    centre: float | None
    spread: float | None
    narrow: Interval
    test: str | None
    p: float | None
    beside: dict[str, float | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def measure(pairs: Pairs, metric: Metric, *, confidence: float, seed: int) -> Measured:
    """Measure the difference of ``pairs`` at ``confidence``; without a complete pair everything is None."""
    d = pairs.differences
    if d.size == 0:
        nothing = Interval(lo=None, hi=None, method="")
        effect = Effect(kind=pairs.kind, value=None, lo=None, hi=None, level=confidence)
        return Measured(effect=effect, centre=None, spread=None, narrow=nothing, test=None, p=None)
    interval_at = _interval(pairs, metric, seed=seed)
    interval = interval_at(confidence)
    test, p, exact = _test(pairs, metric, seed=seed)
    back: Callable[[float], float] = exp if pairs.kind == "ratio" else float
    centre = float(d.mean())
    beside, warnings = _beside(pairs, metric, p, confidence=confidence, seed=seed, back=back)
    if exact is not None:
        beside["exact_p"] = exact
    return Measured(
        effect=Effect(
            kind=pairs.kind,
            value=back(centre),
            lo=None if interval.lo is None else back(interval.lo),
            hi=None if interval.hi is None else back(interval.hi),
            level=confidence,
            method=interval.method,
        ),
        centre=centre,
        spread=float(d.std(ddof=1)) if d.size > 1 else None,
        narrow=interval_at(equivalence_level(confidence)),
        test=test,
        p=p,
        beside=beside,
        warnings=(*((interval.because,) if interval.because else ()), *warnings),
    )


def _test(pairs: Pairs, metric: Metric, *, seed: int) -> tuple[str, float, float | None]:
    """Test the difference: the name of the test, its p, and the exact p where that is a mid-p."""
    d = pairs.differences

    def p(*, mid: bool) -> float:
        return mcnemar_p(pairs.candidate, pairs.baseline, mid=mid) if pairs.binary else sign_flip_p(d, seed=seed, mid=mid)

    name = "McNemar" if pairs.binary else "paired sign-flip"
    exact = p(mid=False)
    if metric.assumption is not Assumption.RATE or differing(d) < MID_P_FLOOR:
        return f"{name} exact" if pairs.binary else name, exact, None
    return f"{name} mid-p", p(mid=True), exact


def _interval(pairs: Pairs, metric: Metric, *, seed: int) -> Callable[[float], Interval]:
    """Choose the interval for these pairs; the result answers at any level from the same draws."""
    if pairs.binary:
        return lambda level: newcombe_paired(pairs.candidate, pairs.baseline, level=level)
    return difference_interval(
        pairs.differences,
        bounded=metric.assumption is Assumption.RATE,
        may_be_0=metric.assumption is Assumption.AMOUNT,
        studied=lambda: studentised_mean(pairs.differences, seed=seed),
        flipped=lambda: subset_means(pairs.differences, seed=seed),
    )


def _beside(
    pairs: Pairs, metric: Metric, p: float, *, confidence: float, seed: int, back: Callable[[float], float]
) -> tuple[dict[str, float | None], tuple[str, ...]]:
    """Compute the cross-checks and the other effect sizes, and what a reader must know where they disagree."""
    d = pairs.differences
    beside: dict[str, float | None] = {}
    warnings: list[str] = []
    if d.size > 1:
        student = t_interval(d, level=confidence)
        assert student.lo is not None
        assert student.hi is not None
        beside["t_lo"], beside["t_hi"] = back(student.lo), back(student.hi)
    if not pairs.binary:
        beside["wilcoxon_p"] = ranks_p = wilcoxon_p(d)
        if (ranks_p < 1 - confidence) != (p < 1 - confidence) and d.size >= UNITS_FLOOR:
            warnings.append(
                f"the rank test disagrees: Wilcoxon p {ranks_p:.3g} against {p:.3g}, a sign of outlying queries or of ties"
            )
        shift = hodges_lehmann(d, level=confidence)
        assert shift.value is not None
        beside["hodges_lehmann"] = back(shift.value)
        beside["hodges_lehmann_lo"] = None if shift.lo is None else back(shift.lo)
        beside["hodges_lehmann_hi"] = None if shift.hi is None else back(shift.hi)
    if metric.direction is not Direction.NEUTRAL:
        won = d < 0 if metric.direction is Direction.LOWER else d > 0
        beside["queries_won"] = float(won.mean())
    if pairs.kind == "ratio":
        totals, disagreement = _ratio_of_totals(pairs, p, confidence=confidence, seed=seed)
        beside |= totals
        warnings.extend(disagreement)
    return beside, tuple(warnings)


def _ratio_of_totals(pairs: Pairs, p: float, *, confidence: float, seed: int) -> tuple[dict[str, float | None], list[str]]:
    """Compare what is paid in total, which few expensive queries decide; an interval needs ``BCA_FLOOR`` units."""
    columns = np.column_stack([pairs.candidate, pairs.baseline])
    value = float(columns[:, 0].sum() / columns[:, 1].sum())
    beside: dict[str, float | None] = {"ratio_of_totals": value}
    if pairs.n_units >= BCA_FLOOR:

        def statistic(counts: Counts) -> Floats:
            sums = weighted_sums(counts, columns)
            return sums[:, :1] / sums[:, 1:]

        (interval,) = bootstrap_intervals(
            statistic, values=np.array([value]), units=pairs.n_units, level=confidence, seed=seed, draws=QUANTILE_DRAWS
        )
        beside["ratio_of_totals_lo"], beside["ratio_of_totals_hi"] = interval.lo, interval.hi
    if p < 1 - confidence and log(value) * float(pairs.differences.mean()) < 0:
        return beside, [f"the total moves the other way ({value:.3g} times the baseline's): a few expensive queries decide it"]
    return beside, []

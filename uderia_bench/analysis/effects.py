"""The size of a paired difference, its interval and its p-value, by the kind of metric.

====================  =======================  =================================================
kind of metric        effect                   test, and the interval that is the test inverted
====================  =======================  =================================================
positive              mean log-ratio           sign-flip
amount (can be 0)     mean difference          sign-flip
rate                  mean difference          sign-flip with mid-p (the exact p is in ``beside``)
rate, 0/1, one trial  mean difference          the same, which is McNemar's test
====================  =======================  =================================================

``stats.difference`` lists the exceptions for few or equal differences. Where trials have time
windows and the windows differ, ``stats.windows`` adds a second test, and the stricter of the two
counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import exp, frexp, log

import numpy as np

from uderia_bench.analysis.pairs import Pairs
from uderia_bench.analysis.tails import Tails, compare_tails
from uderia_bench.reading.metrics.metric import Assumption, Direction, Metric
from uderia_bench.runs.interim import Looked
from uderia_bench.stats.arrays import scale
from uderia_bench.stats.bootstrap import UNITS_FLOOR
from uderia_bench.stats.difference import mean_test, student_test
from uderia_bench.stats.equivalence import skewed_p, within_share_p
from uderia_bench.stats.estimate import Effect
from uderia_bench.stats.inference import MeanTest, StrictestTest, equivalence_p, two_sided_p
from uderia_bench.stats.permutation import DIFFERING_FLOOR, MID_P_FLOOR, differing, sign_flip_p
from uderia_bench.stats.rank import hodges_lehmann, wilcoxon_p
from uderia_bench.stats.sequential import Repeated
from uderia_bench.stats.stopped import StoppingRule, median_unbiased
from uderia_bench.stats.windows import Blocks, WindowTest, window_test

WINDOWS_WARN_BELOW = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """A paired difference, measured. ``centre`` and ``spread`` are on the scale of the differences (logs for a ratio).

    ``spread`` is the standard deviation of a unit's difference. ``inference`` is the test that
    ``p`` and the interval come from, in units of ``unit``; None without a pair, or with only one.
    """

    effect: Effect
    centre: float | None
    spread: float | None
    test: str | None
    p: float | None
    inference: MeanTest | None = None
    unit: float = 1.0
    beside: dict[str, float | None] = field(default_factory=dict)
    tails: Tails | None = None
    warnings: tuple[str, ...] = ()


def measure(pairs: Pairs, metric: Metric, *, confidence: float, seed: int) -> Measured:
    """Measure the difference of ``pairs`` at ``confidence``; without a complete pair everything is None."""
    d = pairs.differences
    if d.size == 0:
        effect = Effect(kind=pairs.kind, value=None, lo=None, hi=None, level=confidence)
        return Measured(effect=effect, centre=None, spread=None, test=None, p=None)
    centre = pairs.mean(d)
    back: Callable[[float], float] = exp if pairs.kind == "ratio" else float
    if d.size == 1:
        return Measured(
            effect=Effect(kind=pairs.kind, value=back(centre), lo=None, hi=None, level=confidence, method="none"),
            centre=centre,
            spread=None,
            test="paired sign-flip",
            p=1.0,
            warnings=(f"one {pairs.unit} has no spread: an interval needs 2 or more",),
        )
    unit = _unit(pairs, metric)
    test, windows = _with_windows(_test_of_units(pairs, metric, unit, seed=seed), pairs, unit)
    effect, because = _effect(test, pairs, unit, level=confidence)
    p = two_sided_p(test)
    beside, warnings = _beside(pairs, metric, p, confidence=confidence, back=back)
    tails = compare_tails(pairs, confidence=confidence, seed=seed) if pairs.kind == "ratio" else None
    if tails is not None:
        beside |= tails.beside()
    if metric.assumption is Assumption.RATE and differing(d) >= MID_P_FLOOR:
        beside["exact_p"] = sign_flip_p(d, seed=seed)
    if windows is not None:
        beside["windows_differ_p"] = windows.differ_p
    return Measured(
        effect=effect,
        centre=centre,
        spread=float(d.std(ddof=1)),
        test=test.name.replace("paired sign-flip", "McNemar") if pairs.binary else test.name,
        p=p,
        inference=test,
        unit=unit,
        beside=beside,
        tails=tails,
        warnings=(*((because,) if because else ()), *_of_windows(windows), *warnings),
    )


def measure_at_look(pairs: Pairs, metric: Metric, looked: Looked, *, confidence: float, seed: int) -> Measured:
    """Measure the difference at an interim look as ``paid`` does, without cross-checks and tails."""
    d = pairs.differences
    if pairs.n_units < UNITS_FLOOR:
        return measure(pairs, metric, confidence=confidence, seed=seed)
    unit = _unit(pairs, metric)
    test = _test_at_look(pairs, metric, looked, seed=seed)
    effect, _ = _effect(test, pairs, unit, level=confidence)
    return Measured(
        effect=effect,
        centre=pairs.mean(d),
        spread=float(d.std(ddof=1)),
        test=test.name,
        p=two_sided_p(test),
        inference=test,
        unit=unit,
    )


def with_tails(measured: Measured, pairs: Pairs, *, seed: int) -> Measured:
    """Return what an interim look measured, with the total and the tail that can contradict a verdict."""
    if pairs.kind != "ratio":
        return measured
    return replace(measured, tails=compare_tails(pairs, confidence=measured.effect.level, seed=seed))


def _test_at_look(pairs: Pairs, metric: Metric, looked: Looked, *, seed: int) -> Repeated:
    """Return the test of a look, made valid at all looks.

    Before the end it is Student's t, because a permutation test has too few draws for a small p. Where
    few units differ it is the test of the end: Student's t of equal differences is certain of anything.
    """
    unit = _unit(pairs, metric)
    many = differing(pairs.differences) >= DIFFERING_FLOOR
    early = student_test(pairs.differences / unit, sizes=pairs.sizes) if looked.early and many else None
    test, _ = _with_windows(early or _test_of_units(pairs, metric, unit, seed=seed), pairs, unit)
    return Repeated(test=test, look=looked.look, shares=looked.shares, shape=looked.shape)


def _test_of_units(pairs: Pairs, metric: Metric, unit: float, *, seed: int) -> MeanTest:
    return mean_test(
        pairs.differences / unit,
        bounded=metric.assumption is Assumption.RATE,
        may_be_0=metric.assumption is Assumption.AMOUNT,
        seed=seed,
        sizes=pairs.sizes,
    )


def paid(measured: Measured, pairs: Pairs, metric: Metric, looked: Looked, *, seed: int) -> Measured:
    """Return the measured difference of a run with interim looks: its p and its interval allow for all of them.

    The p is the repeated p and the interval the repeated interval of one test, so the interval excludes
    "no change" exactly where p decides.
    """
    if measured.inference is None or pairs.n_units < UNITS_FLOOR:
        return measured
    found = measure_at_look(pairs, metric, looked, confidence=measured.effect.level, seed=seed)
    notes = (f"p and the interval allow for {looked.looks} planned looks",) if looked.looks > 1 else ()
    return replace(
        measured,
        effect=found.effect,
        inference=found.inference,
        p=found.p,
        test=found.test,
        warnings=(*measured.warnings, *notes),
    )


def without_selection(measured: Measured, looked: Looked, *, limit: float, alpha: float) -> float | None:
    """Return the median unbiased effect of a run that an interim look decided, within the ends of its interval.

    ``limit`` is the margin on the scale of the differences, and ``alpha`` the chance of a false
    alarm that this comparison has. None where there is nothing to correct.
    """
    effect, test = measured.effect, measured.inference
    if measured.centre is None or effect.lo is None or effect.hi is None or not isinstance(test, Repeated):
        return None
    scaled, back = (log, exp) if effect.kind == "ratio" else (float, float)
    nominal = test.test.interval(effect.level)
    assert nominal.lo is not None, "a repeated interval is wider than this one"
    assert nominal.hi is not None, "it has both ends or neither"
    error = (nominal.hi - nominal.lo) * measured.unit / 2 / _deviates(effect.level)
    rule = StoppingRule(
        shares=looked.shares,
        shape=looked.shape,
        margin=limit,
        tail=alpha / 2 if looked.difference else 0.0,
        equivalence_tail=alpha if looked.equivalence and limit > 0 else None,
    )
    corrected = median_unbiased(measured.centre, error, look=looked.look, rule=rule)
    return float(back(min(max(corrected, scaled(effect.lo)), scaled(effect.hi))))


def _deviates(level: float) -> float:
    """Return how many standard errors an interval at this level reaches to either side."""
    from scipy.special import ndtri  # noqa: PLC0415 - scipy costs start-up time

    return float(ndtri((1 + level) / 2))


def _effect(test: MeanTest, pairs: Pairs, unit: float, *, level: float) -> tuple[Effect, str | None]:
    """Return the effect with the test's interval, and the reason for a missing interval."""
    back: Callable[[float], float] = exp if pairs.kind == "ratio" else float
    interval = test.interval(level)
    value = back(pairs.mean(pairs.differences))
    lo = None if interval.lo is None else min(back(interval.lo * unit), value)  # rounding must not exclude the value itself
    hi = None if interval.hi is None else max(back(interval.hi * unit), value)
    return Effect(kind=pairs.kind, value=value, lo=lo, hi=hi, level=level, method=interval.method), interval.because


def equivalence(measured: Measured, pairs: Pairs, metric: Metric, *, margin: float, limit: float, seed: int) -> float | None:
    """Return the p of "the difference is at least the margin"; None where the data have no interval.

    ``limit`` is the margin on the scale of the differences. For an amount it is a share of what was
    seen, and p allows for the error of that.
    """
    test = measured.inference
    if test is None or test.interval(measured.effect.level).lo is None:
        return None
    bound = limit / measured.unit
    if metric.assumption is Assumption.RATE:
        return equivalence_p(test, -bound, bound)
    if pairs.kind == "ratio":
        joined = skewed_p(pairs.differences, bound, sizes=pairs.sizes)
    else:
        means = pairs.baseline / measured.unit, pairs.candidate / measured.unit
        if not any(map(np.any, means)):  # 0 on both arms throughout: equal, whatever share of 0 the margin is
            return equivalence_p(test, -float(np.finfo(np.float64).tiny), float(np.finfo(np.float64).tiny))
        joined = within_share_p(*means, margin, seed=seed, sizes=pairs.sizes)
    return max(equivalence_p(test, -bound, bound), test.paid(joined) if isinstance(test, Repeated) else joined)


def _unit(pairs: Pairs, metric: Metric) -> float:
    """Return a power of two near the largest mean of an amount, so that its size does not matter to the arithmetic."""
    if metric.assumption is not Assumption.AMOUNT:
        return 1.0
    return 2.0 ** (frexp(scale(np.concatenate([pairs.baseline, pairs.candidate])))[1] - 1)


def _with_windows(test: MeanTest, pairs: Pairs, unit: float) -> tuple[MeanTest, WindowTest | None]:
    """Return the stricter of ``test`` and the two-way test where time windows differ, else ``test``."""
    if pairs.blocks is None:
        return test, None
    blocks = pairs.blocks
    windows = window_test(
        Blocks(differences=blocks.differences / unit, weights=blocks.weights, units=blocks.units, windows=blocks.windows),
        pairs.mean(pairs.differences) / unit,
    )
    if windows is None or not windows.needed:
        return test, windows
    return StrictestTest(tests=(test, windows.test)), windows


def _of_windows(windows: WindowTest | None) -> tuple[str, ...]:
    """Warn where the time windows clearly differ."""
    if windows is None or windows.differ_p >= WINDOWS_WARN_BELOW:
        return ()
    changes = f"the difference changes between time windows (p {windows.differ_p:.2g}): drift or an outage of the provider"
    return (f"{changes}; the interval and p include it, and more, shorter turns would narrow them",)


def _beside(
    pairs: Pairs, metric: Metric, p: float, *, confidence: float, back: Callable[[float], float]
) -> tuple[dict[str, float | None], tuple[str, ...]]:
    """Compute the cross-checks and the other effect sizes, with a warning where the tests disagree."""
    d = pairs.differences
    beside: dict[str, float | None] = {}
    warnings: list[str] = []
    student = student_test(d, sizes=pairs.sizes).interval(confidence)
    assert student.lo is not None
    assert student.hi is not None
    beside["t_lo"], beside["t_hi"] = back(student.lo), back(student.hi)
    if not pairs.binary:
        beside["wilcoxon_p"] = ranks_p = wilcoxon_p(d)
        if (ranks_p < 1 - confidence) != (p < 1 - confidence) and d.size >= UNITS_FLOOR:
            finds = "a" if ranks_p < p else "no"
            warnings.append(
                f"a second test (Wilcoxon) finds {finds} difference (p {ranks_p:.3g}, here {p:.3g}): "
                f"a few extreme {pairs.units}, or many equal ones, may decide this"
            )
        shift = hodges_lehmann(d, level=confidence)
        assert shift.value is not None
        beside["hodges_lehmann"] = back(shift.value)
        beside["hodges_lehmann_lo"] = None if shift.lo is None else back(shift.lo)
        beside["hodges_lehmann_hi"] = None if shift.hi is None else back(shift.hi)
    if metric.direction is not Direction.NEUTRAL:
        won = d < 0 if metric.direction is Direction.LOWER else d > 0
        beside["queries_won"] = float(won.mean())
    return beside, tuple(warnings)

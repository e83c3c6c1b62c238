"""One contrast in one stratum, measured on every metric, with its family and warnings.

Families are declared before the data are seen. *Primary*: the metrics with margins, over all
contrasts, on the whole corpus. *Exploratory*: the other metrics and every stratum. *Structural*:
metrics that restate the architecture. They belong to neither family and name no winner.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from uderia_bench.analysis.censoring import Penalised, with_timeouts
from uderia_bench.analysis.clock import clock_notes, unresolved
from uderia_bench.analysis.drift import NOTE_BELOW, NOTE_PRIMARY_BELOW, ONE_REPEAT, drift, shared_drift
from uderia_bench.analysis.effects import Measured, measure, measure_at_look, paid
from uderia_bench.analysis.nights import across_nights
from uderia_bench.analysis.pairs import Pairs, pair, side
from uderia_bench.analysis.settings import Settings
from uderia_bench.analysis.strata import ALL, Stratum
from uderia_bench.analysis.trials import ANSWERED_METRIC, Trials
from uderia_bench.analysis.turns import asked_apart
from uderia_bench.analysis.validity import failed_checks, unusable_notes
from uderia_bench.analysis.variation import between_arms, inside_arm, profile_type
from uderia_bench.printable import count_of
from uderia_bench.reading.metrics.metric import Across, Assumption, Direction, Metric
from uderia_bench.runs.interim import Looked
from uderia_bench.stats.arrays import Floats, Mask

PRIMARY, EXPLORATORY, STRUCTURAL = "primary", "exploratory", "structural"
PHASES = "phases"  # the metric that is None exactly where an arm plans none
BLOCK = "block"
OWN = "own"  # the metric family of columns without a definition

_CONFOUNDED = "this is confounded with the order of asking"  # the note of the whole table has the numbers
_SUCCESS = Metric(
    name=ANSWERED_METRIC,
    family="answer",
    doc="whether the trial was answered, from its outcome",
    unit="1",
    kind=bool,
    direction=Direction.HIGHER,
    assumption=Assumption.RATE,
    read=lambda _: None,
    needs_answer=False,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measurement:
    """A comparison measured, before its family is adjusted.

    ``only_shown`` is why it is not tested, and ``invalid`` the validity checks it failed. ``withheld`` is
    why it may not name a faster arm, and ``unlike`` why it may not call the arms equivalent. ``confounded``
    says what the plan needs before there can be a verdict. ``beside`` holds further effect sizes.
    """

    metric: Metric
    baseline: str
    candidate: str
    stratum: str
    family: str
    pairs: Pairs
    measured: Measured
    only_shown: str | None
    invalid: tuple[str, ...]
    beside: dict[str, float | None]
    warnings: tuple[str, ...]
    withheld: str | None = None
    unlike: str | None = None
    confounded: str | None = None


def findings(
    trials: Trials,
    metrics: tuple[Metric, ...],
    stratum: Stratum,
    *,
    baseline: str,
    candidate: str,
    settings: Settings,
    declared: bool = False,
) -> list[Measurement]:
    """Measure one contrast in one stratum on every metric, in order. ``declared``: all of them are the primary family."""
    stratum = _together(trials, stratum, baseline, candidate, settings)
    looked = None if settings.looked is None else settings.looked.of(baseline, candidate)
    conditional = _conditional(trials, stratum, baseline=baseline, candidate=candidate, settings=settings)
    hidden = (
        *(note for arm in (baseline, candidate) for note in inside_arm(trials, arm)),
        *between_arms(trials, baseline=baseline, candidate=candidate),
    )
    found = []
    finished = _finished(trials, settings)
    confounded = _confounded(trials, baseline, candidate, settings)
    for metric in metrics:
        pairs = _pairs(trials, metric, baseline, candidate, stratum.where & finished)
        only_shown = _only_shown(trials, metric, pairs, baseline=baseline, candidate=candidate)
        structural = only_shown is not None or metric.across is Across.STRUCTURAL
        primary = stratum.name == ALL and (declared or metric.name in settings.margins)
        measured = measure(pairs, metric, confidence=settings.confidence, seed=settings.seed)
        beside: dict[str, float | None] = {}
        censored: tuple[str, ...] = ()
        faster, alike = None, None
        judged, late = judged_pairs(trials, metric, baseline, candidate, stratum, settings=settings)
        if late is not None and only_shown is None:
            answered, pairs = measured, judged
            measured = measure(pairs, metric, confidence=settings.confidence, seed=settings.seed)
            beside, censored = _of_timeouts(late, answered, baseline=baseline, candidate=candidate)
            faster, alike = _of_unknown_limit(late, measured, baseline=baseline, candidate=candidate)
        if looked is not None and stratum.name == ALL and metric.name in {*looked.metrics, *settings.margins}:
            measured = paid(measured, pairs, metric, looked, seed=settings.seed)
        if settings.nights is not None:
            nights = settings.nights.get((candidate, metric.name))
            measured = across_nights(measured, pairs, metric, nights, confidence=settings.confidence)
        notes = [*unusable_notes(trials, metric, (baseline, candidate), where=stratum.where), *pairs.warnings, *hidden]
        if only_shown is None:
            clock = clock_notes(trials, metric, (baseline, candidate), where=stratum.where)
            notes = [*_labels(metric), *notes, *clock, *(conditional if metric.needs_answer else ()), *censored]
            if stratum.name == ALL:
                drifts: tuple[str, ...] = tuple(note for arm in (baseline, candidate) for note in drift(trials, metric, arm))
                below = NOTE_PRIMARY_BELOW if primary else NOTE_BELOW
                drifts = drifts or shared_drift(trials, metric, (baseline, candidate), below=below)
                one_repeat = primary and pairs.repeats == 1 and pairs.blocks is not None and pairs.unit != "repeat"
                notes.extend(drifts or ((ONE_REPEAT,) if one_repeat else ()))
            notes.extend([confounded] if confounded else [])
        found.append(
            Measurement(
                metric=metric,
                baseline=baseline,
                candidate=candidate,
                stratum=stratum.name,
                family=STRUCTURAL if structural else PRIMARY if primary else EXPLORATORY,
                pairs=pairs,
                measured=measured,
                only_shown=only_shown,
                invalid=_invalid(trials, metric, measured, stratum, baseline=baseline, candidate=candidate, settings=settings),
                beside=beside,
                withheld=_CONFOUNDED if confounded else faster,
                confounded=confounded,
                unlike=alike,
                warnings=tuple(notes),
            )
        )
    return found


def at_look(
    trials: Trials, metric: Metric, looked: Looked, *, baseline: str, candidate: str, settings: Settings
) -> Measurement:
    """Measure one contrast on one metric at an interim look, with all that its verdict depends on except the tails."""
    everything = _together(trials, Stratum(name=ALL, where=trials.asked), baseline, candidate, settings)
    looked = looked.of(baseline, candidate)
    pairs, late = judged_pairs(trials, metric, baseline, candidate, everything, settings=settings)
    only_shown = _only_shown(trials, metric, pairs, baseline=baseline, candidate=candidate)
    measured = measure_at_look(pairs, metric, looked, confidence=settings.confidence, seed=settings.seed)
    faster, alike = (None, None) if late is None else _of_unknown_limit(late, measured, baseline=baseline, candidate=candidate)
    return Measurement(
        metric=metric,
        baseline=baseline,
        candidate=candidate,
        stratum=ALL,
        family=STRUCTURAL if only_shown or metric.across is Across.STRUCTURAL else PRIMARY,
        pairs=pairs,
        measured=measured,
        only_shown=only_shown,
        invalid=_invalid(trials, metric, measured, everything, baseline=baseline, candidate=candidate, settings=settings),
        beside={},
        withheld=_confounded(trials, baseline, candidate, settings) or faster,
        unlike=alike,
        warnings=(),
    )


def _confounded(trials: Trials, baseline: str, candidate: str, settings: Settings) -> str | None:
    """Return why the time of asking, planned or real, can look like a difference between the arms; None where it cannot."""
    planned = settings.confounded.get((baseline, candidate))
    return planned or (asked_apart(trials, baseline, candidate) if settings.nights is None else None)


def _invalid(
    trials: Trials,
    metric: Metric,
    measured: Measured,
    stratum: Stratum,
    *,
    baseline: str,
    candidate: str,
    settings: Settings,
) -> tuple[str, ...]:
    """Return the validity checks that a comparison failed."""
    margin, arms = settings.margins.get(metric.name), (baseline, candidate)
    return (
        *failed_checks(trials, metric, baseline=baseline, candidate=candidate, where=stratum.where),
        *unresolved(trials, metric, measured, arms=arms, where=stratum.where, margin=margin),
    )


def judged_pairs(
    trials: Trials, metric: Metric, baseline: str, candidate: str, stratum: Stratum, *, settings: Settings
) -> tuple[Pairs, Penalised | None]:
    """Pair the two arms on the values that decide, and return how timed-out trials count in them."""
    where = stratum.where & _finished(trials, settings)
    late = with_timeouts(trials, metric, baseline=baseline, candidate=candidate, where=where)
    return _pairs(trials, metric, baseline, candidate, where, values=None if late is None else late.values), late


def _together(trials: Trials, stratum: Stratum, baseline: str, candidate: str, settings: Settings) -> Stratum:
    """Return the cells that both arms were asked, where a race has dropped arms: the others are asked more."""
    if settings.looked is None or not settings.looked.dropped:
        return stratum
    both = trials.asked[:, trials.arm(baseline)] & trials.asked[:, trials.arm(candidate)]
    return replace(stratum, where=stratum.where & both[:, None, :])


def _finished(trials: Trials, settings: Settings) -> Mask:
    """Return the cells that are compared: where an interim look ended the run, the blocks that it looked at."""
    if settings.looked is None or not settings.looked.early:
        return trials.asked
    before = settings.looked.compared
    if before is not None and trials.has(BLOCK):
        return trials.asked & (trials.column(BLOCK) < before)
    whole: Mask = trials.asked & trials.asked.all(axis=1, keepdims=True)
    return whole


def _pairs(
    trials: Trials, metric: Metric, baseline: str, candidate: str, where: Mask, *, values: Floats | None = None
) -> Pairs:
    """Pair the two arms on a metric."""
    first, second = (side(trials, metric, arm, where=where, values=values) for arm in (baseline, candidate))
    return pair(first, second, metric)


def _of_timeouts(
    late: Penalised, answered: Measured, *, baseline: str, candidate: str
) -> tuple[dict[str, float | None], tuple[str, ...]]:
    """Say how timeouts were counted, and what the effect would be without them."""
    effect = answered.effect
    limit = f"as {late.limit_s:.3g} s, " + (
        "the time limit" if late.known else "the slowest answer, because no trial records its limit"
    )
    timed_out = count_of(late.timed_out[0], f"timed-out {baseline} trial")
    counted = f"counts {timed_out} and {late.timed_out[1]} of {candidate} {limit}"
    if effect.value is None:
        return {}, (f"{counted}; without them there is no pair",)
    ends = "" if effect.lo is None else f" ({effect.lo:.3g} to {effect.hi:.3g})"
    said = f"{counted}; without them the ratio is {effect.value:.3g}{ends}"
    beside = {
        "without_timeouts": effect.value,
        "without_timeouts_lo": effect.lo,
        "without_timeouts_hi": effect.hi,
        "without_timeouts_p": answered.p,
    }
    return beside, (said,)


def _of_unknown_limit(late: Penalised, measured: Measured, *, baseline: str, candidate: str) -> tuple[str | None, str | None]:
    """Return why no arm may be called faster, and why the arms may not be called equivalent.

    With a known limit the penalised times decide. Without, they are only a lower bound: the arm that times
    out more may be slower than it looks.
    """
    if late.known or measured.centre is None or late.timed_out[0] == late.timed_out[1]:
        return None, None
    arm = candidate if late.timed_out[1] > late.timed_out[0] else baseline
    counts = f"{max(late.timed_out)} against {min(late.timed_out)} trials"
    why = f"{arm} timed out more often ({counts}), and its time limit is not in the data"
    slower = measured.centre > 0 if arm == candidate else measured.centre < 0
    return None if slower else why, why


def _labels(metric: Metric) -> list[str]:
    """Say what kind of metric a reader is looking at, where it is not the usual one."""
    if metric.across is Across.STRUCTURAL:
        return [f"structural: {metric.across_reason or 'it restates the architecture'}"]
    if metric.family == OWN:
        return [f"no metric is defined as {metric.name!r}: which way is better is unknown"]
    return []


def answers_less(trials: Trials, *, baseline: str, candidate: str, settings: Settings) -> str | None:
    """Return the arm that answers less often, None where no difference in success is found."""
    _, found = _success(trials, trials.asked, baseline=baseline, candidate=candidate, settings=settings)
    if not found.centre or found.p is None or found.p >= settings.alpha:
        return None
    return candidate if found.centre < 0 else baseline


def _success(trials: Trials, where: Mask, *, baseline: str, candidate: str, settings: Settings) -> tuple[Pairs, Measured]:
    """Compare how often two arms answer."""
    pairs = _pairs(trials, _SUCCESS, baseline, candidate, where)
    return pairs, measure(pairs, _SUCCESS, confidence=settings.confidence, seed=settings.seed)


def _conditional(trials: Trials, stratum: Stratum, *, baseline: str, candidate: str, settings: Settings) -> tuple[str, ...]:
    """Compare success before anything else: an arm that fails the hard queries looks faster."""
    pairs, found = _success(trials, stratum.where, baseline=baseline, candidate=candidate, settings=settings)
    if found.p is None or found.p >= settings.alpha:
        return ()
    shares = f"{baseline} answered {pairs.baseline.mean():.1%}, {candidate} {pairs.candidate.mean():.1%}"
    return (f"conditional on success: {shares} (p {found.p:.2g}), so times compare the queries that both answered",)


def _only_shown(trials: Trials, metric: Metric, pairs: Pairs, *, baseline: str, candidate: str) -> str | None:
    """Return why a metric is shown and not tested: one arm cannot have it, or the types must not be compared on it.

    An arm without any answer is a question of validity, not of structure.
    """
    for name, other, seen in ((baseline, candidate, pairs.observed), (candidate, baseline, pairs.observed[::-1])):
        if seen[0] == 0 and seen[1] > 0 and trials.answered[:, trials.arm(name)].any():
            return f"structural: no {_lacking(trials, metric, name)} in {name}, so only {other} has a value"
    types = profile_type(trials, baseline), profile_type(trials, candidate)
    if metric.across is Across.SHOWN and None not in types and types[0] != types[1]:
        return f"structural: {metric.across_reason or 'not comparable across profile types'}"
    return None


def _lacking(trials: Trials, metric: Metric, arm: str) -> str:
    """Name what an arm lacks: phases, where the metric is of planning and the arm plans none; else the metric itself."""
    of_planning = metric.family == "planning" or metric.across is Across.SHOWN
    if metric.across is Across.STRUCTURAL or not of_planning:
        return metric.name
    if not trials.has(PHASES):
        return "phases" if metric.family == "planning" else metric.name
    return metric.name if np.isfinite(trials.column(PHASES)[:, trials.arm(arm)]).any() else "phases"

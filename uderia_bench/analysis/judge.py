"""The comparisons of a run: which are made, in which family each stands, and the verdict of each.

Families are declared before the data are seen. *Primary*: the metrics with margins, over all contrasts, on the whole
corpus; corrected as the experiment says. *Exploratory*: the other metrics and every stratum; Benjamini and Hochberg at
``EXPLORATORY_RATE``. *Structural*: metrics that restate the architecture; tested for themselves, in neither family,
naming no winner.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from uderia_bench.analysis.effects import Measured, measure
from uderia_bench.analysis.pairs import Pairs, pair
from uderia_bench.analysis.strata import ALL, Stratum, strata
from uderia_bench.analysis.summary import summarise
from uderia_bench.analysis.trials import ANSWERED_METRIC, Trials, measured, near
from uderia_bench.analysis.validity import failed_checks, misrouted_note
from uderia_bench.analysis.values import Analysis, Comparison, Verdict
from uderia_bench.analysis.variation import between_arms, inside_arm, profile_type
from uderia_bench.analysis.verdict import decide
from uderia_bench.analysis.winners import METRICS as WINNER_METRICS
from uderia_bench.analysis.winners import winners
from uderia_bench.errors import UsageError
from uderia_bench.metrics.metric import Across, Assumption, Direction, Metric
from uderia_bench.stats.estimate import Effect
from uderia_bench.stats.multiplicity import benjamini_hochberg, holm

Correction = Literal["holm", "bh", "none"]
CORRECTIONS = ("holm", "bh", "none")

PRIMARY, EXPLORATORY, STRUCTURAL = "primary", "exploratory", "structural"
EXPLORATORY_RATE = 0.10  # statistics.md, Multiplicity
DEFAULT_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was declared before the data were seen."""

    margins: Mapping[str, float]
    correction: Correction
    confidence: float
    seed: int

    @property
    def alpha(self) -> float:
        """The chance of a false alarm that the primary family may have."""
        return 1 - self.confidence


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Finding:
    """A comparison measured, before its family is adjusted. ``only_shown``: why it is not tested at all."""

    metric: Metric
    baseline: str
    candidate: str
    stratum: str
    family: str
    pairs: Pairs
    measured: Measured
    only_shown: str | None
    invalid: tuple[str, ...]
    warnings: tuple[str, ...]


def analyse(
    frame: pl.DataFrame,
    *,
    metrics: tuple[Metric, ...],
    contrasts: tuple[tuple[str, str], ...],
    margins: Mapping[str, float],
    correction: Correction = "holm",
    confidence: float = DEFAULT_CONFIDENCE,
    seed: int,
    warnings: tuple[str, ...] = (),
) -> Analysis:
    """Analyse a run's measured trials: every arm by itself, every contrast on every metric, the winners.

    ``contrasts`` are (baseline, candidate). A metric whose column the frame lacks (an older run) is left out and named in
    the warnings; ``warnings`` are the caller's, and come first. The result depends on the trials and the seed, never on
    row order.
    """
    settings = _settings(margins=margins, correction=correction, confidence=confidence, seed=seed)
    trials = measured(frame)
    known = tuple(metric for metric in metrics if trials.has(metric.name))
    absent = [metric.name for metric in metrics if not trials.has(metric.name)]
    findings: list[_Finding] = []
    for baseline, candidate in contrasts:
        for stratum in strata(trials, baseline=baseline, candidate=candidate):
            chosen = known if stratum.name == ALL else _worth_splitting(known, settings)
            findings.extend(_contrast(trials, chosen, stratum, baseline=baseline, candidate=candidate, settings=settings))
    comparisons = _comparisons([finding for finding in findings if _says_something(finding, settings)], settings)
    return Analysis(
        arms=tuple(summarise(trials, arm, metrics=known, confidence=confidence, seed=seed) for arm in trials.arms),
        comparisons=comparisons,
        winners=winners(comparisons, contrasts),
        warnings=(
            *warnings,
            *((f"not in these trials, so not analysed: {', '.join(absent)}",) if absent else ()),
            *misrouted_note(trials),
            *(note for arm in trials.arms for note in inside_arm(trials, arm)),
        ),
        confidence=confidence,
        correction=correction,
        seed=seed,
    )


def compare(
    frame: pl.DataFrame,
    *,
    baseline: str,
    candidate: str,
    metrics: Sequence[str],
    margins: Mapping[str, float] | None = None,
    correction: Correction = "holm",
    confidence: float = DEFAULT_CONFIDENCE,
    seed: int = 0,
    definitions: tuple[Metric, ...] | None = None,
) -> list[Comparison]:
    """Compare two arms of a frame of trials on ``metrics``, in that order.

    The frame needs ``query_id, arm, repeat, outcome`` and the metrics' columns; where it has ``stage``, warm-ups are left
    out. The metrics with a margin are the primary family; without any margins, all that are asked for are. A margin of
    0.10 is [1/1.1, 1.1] for a ratio and ten points for a rate. ``definitions`` (default: the built-in metrics) say which
    way is better; a column that none defines is compared as a ratio where all its values are positive, else as a
    difference, and never called better or worse.
    """
    settings = _settings(margins=margins or {}, correction=correction, confidence=confidence, seed=seed)
    trials = measured(frame)
    trials.arm(baseline), trials.arm(candidate)
    if baseline == candidate:
        raise UsageError(f"baseline and candidate are the same arm, {baseline!r}: compare two")
    for name in settings.margins:
        if name not in metrics:
            raise UsageError(f"a margin is given for {name!r}, which is not compared; {near(name, metrics)}")
    if definitions is None:
        from uderia_bench.metrics import BUILT_IN  # noqa: PLC0415 - a caller with definitions of its own needs none

        definitions = BUILT_IN
    by_name = {metric.name: metric for metric in definitions}
    chosen = tuple(by_name.get(name) or _own(trials, name) for name in metrics)
    everything = Stratum(name=ALL, where=trials.asked)
    findings = _contrast(
        trials, chosen, everything, baseline=baseline, candidate=candidate, settings=settings, declared=margins is None
    )
    return list(_comparisons(findings, settings))


def _settings(*, margins: Mapping[str, float], correction: Correction, confidence: float, seed: int) -> Settings:
    """Check what a caller may get wrong."""
    if correction not in CORRECTIONS:
        raise UsageError(f"correction {correction!r} is none of {', '.join(CORRECTIONS)}")
    if not 0.5 < confidence < 1:
        raise UsageError(f"confidence {confidence!r} must lie between 0.5 and 1, as in 0.95")
    if seed < 0:
        raise UsageError(f"seed {seed!r} must not be negative")
    for name, margin in margins.items():
        if not 0 < margin < 10:
            raise UsageError(f"margin {margin!r} of {name!r} must be a positive share, as in 0.10 for 10 %")
    return Settings(margins=dict(margins), correction=correction, confidence=confidence, seed=seed)


def _own(trials: Trials, name: str) -> Metric:
    """Define a column that no definition knows, from its values alone."""
    values = trials.column(name)
    values = values[np.isfinite(values)]
    boolean = trials.frame[name].dtype == pl.Boolean
    positive = Assumption.POSITIVE if bool(np.all(values > 0)) else Assumption.AMOUNT
    return Metric(
        name=name,
        family="own",
        doc="a column of the caller's frame",
        unit="1",
        kind=bool if boolean else float,
        direction=Direction.NEUTRAL,
        assumption=Assumption.RATE if boolean else positive,
        read=lambda _: None,
    )


def _worth_splitting(metrics: tuple[Metric, ...], settings: Settings) -> tuple[Metric, ...]:
    """Choose what strata are tested on: the metrics with margins and those that name winners. More would dilute them."""
    return tuple(metric for metric in metrics if metric.name in settings.margins or metric.name in WINNER_METRICS)


def _says_something(finding: _Finding, settings: Settings) -> bool:
    """Whether a comparison belongs into an analysis: not where neither arm has the thing, unless a margin asks for it."""
    return any(finding.pairs.observed) or finding.metric.name in settings.margins


def _contrast(
    trials: Trials,
    metrics: tuple[Metric, ...],
    stratum: Stratum,
    *,
    baseline: str,
    candidate: str,
    settings: Settings,
    declared: bool = False,
) -> list[_Finding]:
    """Measure one contrast in one stratum on every metric. ``declared``: all of them are the primary family."""
    types = profile_type(trials, baseline), profile_type(trials, candidate)
    crosses = None not in types and types[0] != types[1]
    hidden = (
        *(note for arm in (baseline, candidate) for note in inside_arm(trials, arm)),
        *between_arms(trials, baseline=baseline, candidate=candidate),
    )
    conditional = _conditional(trials, stratum, baseline=baseline, candidate=candidate, settings=settings)
    findings = []
    for metric in metrics:
        pairs = pair(trials, metric, baseline=baseline, candidate=candidate, where=stratum.where)
        only_shown = _only_shown(metric, pairs, crosses=crosses, baseline=baseline, candidate=candidate)
        structural = only_shown is not None or metric.across is Across.STRUCTURAL
        primary = stratum.name == ALL and (declared or metric.name in settings.margins)
        warnings = [*pairs.warnings, *hidden]
        if structural and only_shown is None:
            warnings.insert(0, f"structural: {metric.across_reason or 'it restates the architecture'}")
        if metric.needs_answer:
            warnings.extend(conditional)
        if metric.family == "own":
            warnings.append(f"no metric is defined as {metric.name!r}: which way is better is unknown")
        findings.append(
            _Finding(
                metric=metric,
                baseline=baseline,
                candidate=candidate,
                stratum=stratum.name,
                family=STRUCTURAL if structural else PRIMARY if primary else EXPLORATORY,
                pairs=pairs,
                measured=measure(pairs, metric, confidence=settings.confidence, seed=settings.seed),
                only_shown=only_shown,
                invalid=failed_checks(trials, metric, baseline=baseline, candidate=candidate, where=stratum.where),
                warnings=tuple(warnings),
            )
        )
    return findings


def _conditional(trials: Trials, stratum: Stratum, *, baseline: str, candidate: str, settings: Settings) -> tuple[str, ...]:
    """Compare success before anything else: an arm that fails the hard queries looks faster."""
    success = Metric(
        name=ANSWERED_METRIC,
        family="answer",
        doc="whether the trial was answered",
        unit="1",
        kind=bool,
        direction=Direction.HIGHER,
        assumption=Assumption.RATE,
        read=lambda _: None,
        needs_answer=False,
    )
    pairs = pair(trials, success, baseline=baseline, candidate=candidate, where=stratum.where)
    found = measure(pairs, success, confidence=settings.confidence, seed=settings.seed)
    if found.p is None or found.p >= settings.alpha:
        return ()
    shares = f"{baseline} answered {pairs.baseline.mean():.1%}, {candidate} {pairs.candidate.mean():.1%}"
    return (f"conditional on success, which differs: {shares} (p {found.p:.2g})",)


def _only_shown(metric: Metric, pairs: Pairs, *, crosses: bool, baseline: str, candidate: str) -> str | None:
    """Return why a metric is shown and not tested: one arm has no such thing, or the types must not be compared on it."""
    for name, other, seen in ((baseline, candidate, pairs.observed), (candidate, baseline, pairs.observed[::-1])):
        if seen[0] == 0 and seen[1] > 0:
            plans = metric.family == "planning" and metric.across is not Across.STRUCTURAL
            return f"structural: no {'phases' if plans else metric.name} in {name}; {other} stands alone"
    if crosses and metric.across is Across.SHOWN:
        return f"structural: {metric.across_reason or 'not comparable across profile types'}"
    return None


def _comparisons(findings: list[_Finding], settings: Settings) -> tuple[Comparison, ...]:
    """Adjust each family and judge."""
    adjusted = _adjusted(findings, settings)
    return tuple(_comparison(finding, p, settings) for finding, p in zip(findings, adjusted, strict=True))


def _adjusted(findings: list[_Finding], settings: Settings) -> list[float | None]:
    """Return each finding's p adjusted within its family; structural ones stay as they are."""
    methods: dict[str, Callable[[Sequence[float]], tuple[float, ...]]] = {"holm": holm, "bh": benjamini_hochberg, "none": tuple}
    adjusted: list[float | None] = [None if finding.only_shown else finding.measured.p for finding in findings]
    for family, method in ((PRIMARY, methods[settings.correction]), (EXPLORATORY, benjamini_hochberg)):
        members = [index for index, finding in enumerate(findings) if finding.family == family]
        tested = [(index, p) for index in members if (p := adjusted[index]) is not None]
        for (index, _), p in zip(tested, method([p for _, p in tested]), strict=True):
            adjusted[index] = p
    return adjusted


def _comparison(finding: _Finding, p_adjusted: float | None, settings: Settings) -> Comparison:
    """Put a finding and its adjusted p into words."""
    margin = settings.margins.get(finding.metric.name)
    found, pairs = finding.measured, finding.pairs
    warnings = (*finding.warnings, *found.warnings)
    advice = None
    if finding.only_shown:
        effect = Effect(kind=found.effect.kind, value=found.effect.value, lo=None, hi=None, level=settings.confidence)
        verdict, warnings = Verdict.STRUCTURAL, (finding.only_shown, *finding.warnings)
    else:
        effect = found.effect
        if finding.invalid:
            verdict, warnings = Verdict.INVALID, (*finding.invalid, *warnings)
        else:
            judged = decide(
                found,
                pairs,
                direction=finding.metric.direction,
                margin=margin,
                p_adjusted=p_adjusted,
                alpha=EXPLORATORY_RATE if finding.family == EXPLORATORY else settings.alpha,
            )
            verdict, advice, warnings = judged.verdict, judged.advice, (*warnings, *judged.warnings)
    tested = finding.only_shown is None
    return Comparison(
        baseline=finding.baseline,
        candidate=finding.candidate,
        metric=finding.metric.name,
        stratum=finding.stratum,
        effect=effect,
        test=found.test if tested else None,
        p=found.p if tested else None,
        p_adjusted=p_adjusted if tested and finding.family != STRUCTURAL else None,
        family=finding.family,
        n_queries=pairs.n_queries,
        n_pairs=pairs.n_pairs,
        margin=margin,
        verdict=verdict,
        warnings=warnings,
        advice=advice,
        beside=found.beside if tested else {},
    )

"""Analyse a run as it was planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from uderia_bench.analysis import interim
from uderia_bench.analysis.clock import held_up
from uderia_bench.analysis.conditions import failed_conditions, little_note, typical_answer_s
from uderia_bench.analysis.contrast import Measurement, findings
from uderia_bench.analysis.families import verdicts
from uderia_bench.analysis.learning import learned
from uderia_bench.analysis.memory import Declared, scores
from uderia_bench.analysis.nights import Nights
from uderia_bench.analysis.preference import exploratory, in_contrast, paid_for
from uderia_bench.analysis.query_effects import query_effects
from uderia_bench.analysis.settings import DEFAULT_CONFIDENCE, Correction, Settings
from uderia_bench.analysis.strata import ALL, strata
from uderia_bench.analysis.summary import summarise
from uderia_bench.analysis.sweep import pooled, sweeps
from uderia_bench.analysis.trials import Trials, measured
from uderia_bench.analysis.validity import misrouted_note, partial_note, suspected_note
from uderia_bench.analysis.values import Analysis, Look, QueryEffects
from uderia_bench.analysis.variation import inside_arm
from uderia_bench.analysis.winners import METRICS as WINNER_METRICS
from uderia_bench.analysis.winners import winners
from uderia_bench.reading.metrics.metric import MEASUREMENT, Metric
from uderia_bench.runs.generator import GeneratorRecord
from uderia_bench.runs.interim import Looked


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
    looked: Looked | None = None,
    confounded: Mapping[tuple[str, str], str] | None = None,
    conditions: GeneratorRecord | None = None,
    nights: Mapping[tuple[str, str], Nights] | None = None,
    preferences: pl.DataFrame | None = None,
    untrusted: Mapping[str, str] | None = None,
    judged: Looked | None = None,
    memory: Declared | None = None,
) -> Analysis:
    """Analyse a run's measured trials: every arm by itself, every contrast on every metric, the winners.

    ``contrasts`` are (baseline, candidate). A metric whose column the frame lacks (an older run) is
    left out and named in the warnings; ``warnings`` are the caller's, and come first. ``looked``
    is the interim look at which the run ended: p and interval of the primary metrics allow for the looks.
    ``confounded`` has the reason of each contrast that the plan could not balance.
    ``conditions`` are what the run noted of itself. ``nights`` is given where the arms are of two
    runs: the variation between nights by (candidate, metric), assumed where one is missing.
    ``preferences`` is the table of pairs that a judge has compared. ``untrusted`` has the reason why
    verdicts on a metric are exploratory. ``judged`` is the look at which a judge ended. ``memory`` says
    which arms differ in the server's memory. The result depends on the trials and the seed, never on row order.
    """
    settings = Settings(
        margins=dict(margins),
        correction=correction,
        confidence=confidence,
        seed=seed,
        looked=looked,
        confounded=confounded or {},
        nights=nights,
    )
    trials = measured(frame)
    known = tuple(metric for metric in metrics if trials.has(metric.name))
    absent = [metric.name for metric in metrics if not trials.has(metric.name)]
    broken = failed_conditions(conditions or GeneratorRecord(), typical_answer_s(trials))
    compared = tuple(metric for metric in known if metric.family != MEASUREMENT)
    found: list[Measurement] = []
    for baseline, candidate in contrasts:
        own = in_contrast(frame, preferences, baseline, candidate)
        paired = trials if own is frame else measured(own)
        for stratum in strata(paired, baseline=baseline, candidate=candidate):
            chosen = compared if stratum.name == ALL else _worth_splitting(compared, settings)
            found.extend(findings(paired, chosen, stratum, baseline=baseline, candidate=candidate, settings=settings))
    found = exploratory(paid_for(found, judged, seed), untrusted or {})
    found = [replace(finding, invalid=(*finding.invalid, *broken)) for finding in found if _says_something(finding, settings)]
    comparisons = verdicts(found, settings)
    looks: tuple[Look, ...] = ()
    if looked is not None:
        primary = tuple(metric for metric in known if metric.name in {*looked.metrics, *margins, looked.race})
        declared = interim.Declared(metrics=primary, contrasts=contrasts, settings=settings)
        looks = interim.taken(trials, declared)
        comparisons = interim.corrected(comparisons, found, looks, declared)
    return Analysis(
        arms=tuple(summarise(trials, arm, metrics=known, confidence=confidence, seed=seed) for arm in trials.arms),
        comparisons=comparisons,
        winners=winners(comparisons, contrasts),
        learning=learned(trials, compared, settings=settings),
        sweeps=sweeps(trials, settings),
        warnings=(
            *warnings,
            *((f"not in these trials, so not analysed: {', '.join(absent)}",) if absent else ()),
            *(pooled(trials) if comparisons else ()),
            *misrouted_note(trials),
            *suspected_note(frame),
            *partial_note(frame),
            *(little_note(trials) if conditions is None else ()),  # a generator that was measured is judged by what it found
            *(note for arm in trials.arms for note in inside_arm(trials, arm)),
        ),
        confidence=confidence,
        correction=correction,
        seed=seed,
        invalid=broken,
        held_up=held_up(trials),
        looks=looks,
        query_effects=_query_effects(trials, known, contrasts, settings),
        memory=() if memory is None else scores(trials, compared, memory, settings=settings),
    )


def _worth_splitting(metrics: tuple[Metric, ...], settings: Settings) -> tuple[Metric, ...]:
    """Choose what strata are tested on: the metrics with margins and those that name winners. More would dilute them."""
    return tuple(metric for metric in metrics if metric.name in settings.margins or metric.name in WINNER_METRICS)


def _says_something(finding: Measurement, settings: Settings) -> bool:
    """Whether a comparison belongs into an analysis: not where neither arm has the metric, unless it has a margin."""
    return any(finding.pairs.observed) or finding.metric.name in settings.margins


def _query_effects(
    trials: Trials, metrics: tuple[Metric, ...], contrasts: tuple[tuple[str, str], ...], settings: Settings
) -> tuple[QueryEffects, ...]:
    """Return the effects of single queries on the metrics with margins, where the run has repeats."""
    found = (
        query_effects(trials, metric, baseline, candidate, confidence=settings.confidence)
        for baseline, candidate in contrasts
        for metric in metrics
        if metric.name in settings.margins
    )
    return tuple(one for one in found if isinstance(one, QueryEffects))

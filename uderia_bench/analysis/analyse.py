"""The two questions asked of a frame of trials: analyse a run as it was planned, compare two arms as one likes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

import numpy as np
import polars as pl

from uderia_bench.analysis.clock import held_up
from uderia_bench.analysis.conditions import failed_conditions, little_note, typical_answer_s
from uderia_bench.analysis.contrast import OWN, Measurement, findings
from uderia_bench.analysis.families import verdicts
from uderia_bench.analysis.learning import learned
from uderia_bench.analysis.nights import Nights
from uderia_bench.analysis.settings import DEFAULT_CONFIDENCE, Correction, Settings
from uderia_bench.analysis.strata import ALL, Stratum, strata
from uderia_bench.analysis.summary import summarise
from uderia_bench.analysis.sweep import pooled, sweeps
from uderia_bench.analysis.trials import Trials, measured, near
from uderia_bench.analysis.validity import MOST_UNUSABLE, misrouted_note, partial_note, suspected_note
from uderia_bench.analysis.values import Analysis, Comparison
from uderia_bench.analysis.variation import inside_arm
from uderia_bench.analysis.winners import METRICS as WINNER_METRICS
from uderia_bench.analysis.winners import winners
from uderia_bench.errors import UsageError
from uderia_bench.reading.metrics.metric import MEASUREMENT, Assumption, Direction, Metric
from uderia_bench.runs.generator import GeneratorRecord
from uderia_bench.runs.interim import Looked

NO_WINDOWS = "the trials have no `window` column, so p and the interval do not include drift of the provider during the run"


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
) -> Analysis:
    """Analyse a run's measured trials: every arm by itself, every contrast on every metric, the winners.

    ``contrasts`` are (baseline, candidate). A metric whose column the frame lacks (an older run) is
    left out and named in the warnings; ``warnings`` are the caller's, and come first. ``looked``
    is the interim look at which the run ended: p and interval of its metric allow for the looks.
    ``confounded`` has the reason of each contrast that the plan could not balance.
    ``conditions`` are what the run noted of itself. ``nights`` is given where the arms are of two
    runs: the variation between nights by (candidate, metric), assumed where one is missing. The
    result depends on the trials and the seed, never on row order.
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
        for stratum in strata(trials, baseline=baseline, candidate=candidate):
            chosen = compared if stratum.name == ALL else _worth_splitting(compared, settings)
            found.extend(findings(trials, chosen, stratum, baseline=baseline, candidate=candidate, settings=settings))
    found = [replace(finding, invalid=(*finding.invalid, *broken)) for finding in found if _says_something(finding, settings)]
    comparisons = verdicts(found, settings)
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

    The frame needs ``query_id, arm, repeat, outcome`` and the metrics' columns. Three more columns are
    used where the frame has them. ``stage``: warm-ups are left out. ``group``: a group of queries is the
    unit of inference. ``window``: p and the interval include drift between time windows.

    The metrics with a margin are the primary family. Without any margin, all metrics asked for are. A
    margin of 0.10 is [1/1.1, 1.1] for a ratio, ten points for a rate, and for an amount a tenth of the
    smaller of the two means. Margins of metrics that are not asked for are ignored, so that one dict
    serves many calls. A misspelt one is an error.

    ``definitions`` (default: the built-in metrics) state which direction is better. A column without a
    definition is compared as a ratio where its values are positive, else as a difference, and it is
    never called better or worse.
    """
    declared = _margins_of(metrics, margins or {})
    settings = Settings(margins=declared, correction=correction, confidence=confidence, seed=seed)
    trials = measured(frame)
    trials.arm(baseline), trials.arm(candidate)
    if baseline == candidate:
        raise UsageError(f"baseline and candidate are the same arm, {baseline!r}: compare two")
    if definitions is None:
        from uderia_bench.reading.metrics import BUILT_IN  # noqa: PLC0415 - a caller with definitions of its own needs none

        definitions = BUILT_IN
    by_name = {metric.name: metric for metric in definitions}
    unknown = [name for name in margins or {} if name not in by_name and not trials.has(name)]
    for name in unknown:
        if get_close_matches(name, [asked for asked in metrics if asked not in declared]):
            raise UsageError(f"a margin is given for {name!r}, which is no metric and no column; {near(name, metrics)}")
    chosen = tuple(by_name.get(name) or _own(trials, name) for name in metrics)
    everything = Stratum(name=ALL, where=trials.asked)
    found = findings(
        trials, chosen, everything, baseline=baseline, candidate=candidate, settings=settings, declared=not declared
    )
    if trials.windows() is None:
        found = [one if one.only_shown else replace(one, warnings=(*one.warnings, NO_WINDOWS)) for one in found]
    return list(verdicts(found, settings))


def _margins_of(metrics: Sequence[str], margins: Mapping[str, float]) -> dict[str, float]:
    """Choose the margins of the metrics asked for; the others declare nothing here."""
    return {name: margins[name] for name in metrics if name in margins}


def _own(trials: Trials, name: str) -> Metric:
    """Define an undefined column from its values: a ratio where they are positive, except a few zeros."""
    values = trials.column(name)
    values = values[np.isfinite(values)]
    boolean = trials.frame[name].dtype == pl.Boolean
    zeros = np.count_nonzero(values == 0)
    ratio = bool(np.all(values >= 0)) and zeros <= MOST_UNUSABLE * values.size  # a few zeros do not change the estimand
    positive = Assumption.POSITIVE if ratio else Assumption.AMOUNT
    return Metric(
        name=name,
        family=OWN,
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


def _says_something(finding: Measurement, settings: Settings) -> bool:
    """Whether a comparison belongs into an analysis: not where neither arm has the thing, unless a margin asks for it."""
    return any(finding.pairs.observed) or finding.metric.name in settings.margins

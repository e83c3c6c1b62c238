"""Comparison of two runs, arm by arm of the same name, paired by query.

The runs were made at different times. So the intervals include how much the earlier runs of the
experiment differ from night to night, and the report lists every known difference between the two. A
baseline with another corpus, other repeats or fewer queries is refused. With ``force`` it is compared,
and every number carries a warning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import expm1, log

import polars as pl

from uderia_bench.analysis.analyse import analyse
from uderia_bench.analysis.nights import ASSUMED, ASSUMED_RATE, FEWEST, Nights
from uderia_bench.analysis.values import Analysis, ArmSummary, Comparison
from uderia_bench.commands.history.changes import changes
from uderia_bench.commands.history.variation import Variation, variation
from uderia_bench.errors import StoreError, UsageError
from uderia_bench.plugins import Plugins
from uderia_bench.printable import count_of
from uderia_bench.reading.metrics.metric import Assumption, Metric
from uderia_bench.report.content import Report
from uderia_bench.report.facts import of as facts_of
from uderia_bench.report.gates.evaluate import nothing_worse
from uderia_bench.report.gates.gate import Against
from uderia_bench.runs.directory import RunDirectory
from uderia_bench.runs.run import Run
from uderia_bench.trial import Outcome, Stage

GATE = "nothing worse than the baseline"
_HASH_SHOWN = 12  # characters, as in reports
_ROLES = ("baseline", "run")  # what the sides are called, in the words of the command line
_DIFFER = "the runs differ in"
_MOSTLY = 6.0  # half an interval per standard deviation between nights: below, they make up most of its width


class Unlike(UsageError):
    """Two runs were not asked the same, and ``force`` is not set. ``reason`` has no word of the command line."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} (--force, or force=True in Python, compares them anyway)")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Side:
    """One of the two runs, with its measured trials."""

    role: str
    run: Run
    measured: pl.DataFrame

    def name(self, arm: str) -> str:
        """Return the name of an arm of this run in the comparison."""
        return _called(arm, self.role)

    def asked(self, arm: str) -> frozenset[str]:
        """Return the queries an arm was asked."""
        return frozenset(self.measured.filter(pl.col("arm") == arm)["query_id"])


def compare(
    baseline: Run,
    run: Run,
    plugins: Plugins,
    *,
    arm: str | None = None,
    force: bool = False,
    gate: bool = False,
    every_metric: bool = False,
) -> Report:
    """Compare every arm that both runs have, or one, with the margins and the correction of ``run``'s experiment.

    Raises ``UsageError`` where the runs have no arm in common, and ``Unlike`` where they were not asked the same and
    ``force`` is not set. With ``gate`` the report has a gate: no planned metric may be ``worse`` over all queries, or
    with ``every_metric`` no tested metric.
    """
    if baseline.path == run.path:
        raise UsageError(f"{run.run_id} is compared with itself: name two runs")
    sides = tuple(_side(role, each) for role, each in zip(_ROLES, (baseline, run), strict=True))
    first, second = sides
    arms = _common(first, second, arm)
    unlike = tuple(_unlike(first, second, arms))
    if unlike and not force:
        raise Unlike(f"{first.run.run_id} is no baseline for {second.run.run_id}: {'; '.join(unlike)}")
    before = variation(second.run, arms, plugins.metrics)
    found = analyse(
        pl.concat([_renamed(side, arms) for side in sides], how="diagonal_relaxed"),
        metrics=plugins.metrics,
        contrasts=tuple((first.name(arm), second.name(arm)) for arm in arms),
        margins=second.run.experiment.margins,
        correction=second.run.experiment.correction,
        confidence=second.run.experiment.confidence,
        seed=second.run.experiment.seed,
        nights={(second.name(arm), metric): nights for (arm, metric), nights in before.nights.items()},
    )
    began = f"two points in time: {run.run_id} began {apart(baseline, run)} {baseline.run_id}"
    differences = changes(baseline.manifest.to_json(), run.manifest.to_json())
    found = _noted(found, second, arms, differences, forced=tuple(f"forced: {reason}" for reason in unlike))
    named = {second.name(arm): arm for arm in arms}
    outcomes = Counter(Outcome(value) for value in second.measured["outcome"])
    facts = facts_of(second.run.manifest, outcomes, notes=(_whence(baseline),))
    return Report(
        facts=replace(facts, interrupted=False),  # a comparison is over, also where a run that was forced into it is not
        analysis=found,
        metrics=plugins.metrics,
        gates=(nothing_worse(GATE, found, named, plugins.metrics, every=every_metric),) if gate else (),
        warnings=(
            f"{began}, so the effect includes everything that changed in between",
            *(f"{_DIFFER} {line}" for line in differences),
            _of_nights(before, second, arms, plugins.metrics),
        ),
    )


def against(directory: RunDirectory, run: Run, plugins: Plugins) -> Against:
    """Compare a run with its baseline for its gates; where they cannot be compared, the value says why."""
    try:
        baseline = Run.open(directory)
        made = compare(baseline, run, plugins)
    except (UsageError, StoreError) as error:
        return Against(why=str(error))
    arms = [arm.name for arm in run.experiment.arms]
    compared = {comparison.candidate for comparison in made.analysis.comparisons}
    return Against(
        analysis=made.analysis,
        metrics=made.metrics,
        arms={arm: (_called(arm, _ROLES[0]), _called(arm, _ROLES[1])) for arm in arms if _called(arm, _ROLES[1]) in compared},
        whence=_whence(baseline),
        notes=made.warnings,
    )


def _side(role: str, run: Run) -> _Side:
    return _Side(role=role, run=run, measured=run.trials().filter(pl.col("stage") == Stage.MEASURED.value))


def _called(arm: str, role: str) -> str:
    return f"{arm} ({role})"


def _common(first: _Side, second: _Side, wanted: str | None) -> tuple[str, ...]:
    """Return the arms to compare, in the order of the run."""
    names = tuple(tuple(arm.name for arm in side.run.experiment.arms if side.asked(arm.name)) for side in (first, second))
    common = tuple(name for name in names[1] if name in names[0])
    if not common or (wanted is not None and wanted not in common):
        have = "; ".join(
            f"{side.run.run_id} has {', '.join(known) or 'none'}" for side, known in zip((first, second), names, strict=True)
        )
        raise UsageError(
            f"no arm {wanted!r} in both runs: {have}" if wanted else f"no arm with the same name in both runs: {have}"
        )
    return common if wanted is None else (wanted,)


def _unlike(first: _Side, second: _Side, arms: tuple[str, ...]) -> Iterator[str]:
    """Say how the queries of the two runs differ."""
    corpora = [side.run.manifest.corpus for side in (first, second)]
    if corpora[0].hash != corpora[1].hash:
        named = [f"{', '.join(corpus.names)} ({corpus.hash[:_HASH_SHOWN]})" for corpus in corpora]
        yield f"the corpora differ, {named[0]} and {named[1]}"
    repeats = [side.run.experiment.repeats for side in (first, second)]
    if repeats[0] != repeats[1]:
        yield f"the repeats differ, {repeats[0]} and {repeats[1]}"
    for side in (first, second):
        planned = side.run.manifest.plan.measured
        if side.measured.height < planned:
            yield f"{side.run.run_id} is incomplete, {side.measured.height} of {count_of(planned, 'trial')}"
    for arm in arms:
        queries = [side.asked(arm) for side in (first, second)]
        if queries[0] != queries[1]:
            both = len(queries[0] & queries[1])
            yield f"{arm} was asked {len(queries[0])} and {count_of(len(queries[1]), 'query')}, {both} of them in both runs"


def _renamed(side: _Side, arms: tuple[str, ...]) -> pl.DataFrame:
    names = {arm: side.name(arm) for arm in arms}
    return side.measured.filter(pl.col("arm").is_in(arms)).with_columns(pl.col("arm").replace(names))


def _noted(
    found: Analysis, second: _Side, arms: tuple[str, ...], differences: Sequence[str], *, forced: tuple[str, ...]
) -> Analysis:
    """Add the warnings about an arm to each of its numbers."""
    notes = {second.name(arm): (*forced, *_served_otherwise(differences, arm)) for arm in arms}

    def summary(one: ArmSummary) -> ArmSummary:
        metrics = {name: replace(said, warnings=(*forced, *said.warnings)) for name, said in one.metrics.items()}
        return replace(one, metrics=metrics)

    def comparison(one: Comparison) -> Comparison:
        said = (*notes.get(one.candidate, forced), *one.warnings)
        return replace(one, warnings=said, advice=_advice(one))

    return replace(
        found,
        arms=tuple(summary(one) for one in found.arms),
        comparisons=tuple(comparison(one) for one in found.comparisons),
        learning=tuple(replace(one, effects=tuple(comparison(effect) for effect in one.effects)) for one in found.learning),
    )


def _served_otherwise(differences: Sequence[str], arm: str) -> Iterator[str]:
    """Yield the differences that belong to one arm, such as its model: the effect includes them."""
    return (f"{_DIFFER} {line}" for line in differences if line.partition(":")[0].endswith(f" of {arm}"))


def _of_nights(found: Variation, second: _Side, arms: tuple[str, ...], metrics: Sequence[Metric]) -> str:
    """Say how much nights vary, or that it had to be assumed."""
    runs = count_of(found.runs, "earlier run")
    if not found.nights:
        return (
            f"night-to-night variation unknown, so intervals assume a standard deviation of {100 * ASSUMED:g}%: {runs} of "
            f"{second.run.experiment.name} beside this one, and at least {FEWEST} are needed; for rates it is "
            f"{100 * ASSUMED_RATE:g} points, and intervals are too narrow if nights vary more"
        )
    spreads = ", ".join(
        f"{arm} {metric.name} {_spread(found.nights[arm, metric.name], metric)}"
        for arm in arms
        for metric in metrics
        if metric.name in second.run.experiment.margins and (arm, metric.name) in found.nights
    )
    return f"night-to-night variation is in every interval and p (standard deviation over {runs}): {spreads}"


def _advice(found: Comparison) -> str | None:
    """Return what would settle an open comparison: where nights vary most, more queries would not."""
    spread, effect = found.beside.get("between_nights_sd"), found.effect
    if found.advice is None or not spread or effect.lo is None or effect.hi is None:
        return found.advice
    half = log(effect.hi / effect.lo) / 2 if effect.kind == "ratio" else (effect.hi - effect.lo) / 2
    if half > _MOSTLY * spread:
        return found.advice
    seen = f" of less than about {100 * expm1(half):.0f}%" if effect.kind == "ratio" else " of this size"
    return f"one run each cannot show a difference{seen}, because nights vary; compare more nights with 'uderia-bench history'"


def _spread(nights: Nights, metric: Metric) -> str:
    """Write a standard deviation between nights as a share, in points of a rate, or in the unit of an amount."""
    if metric.assumption is Assumption.AMOUNT:
        return f"{nights.spread:.3g} {metric.unit}"
    return f"{100 * nights.spread:.1f}{' points' if metric.assumption is Assumption.RATE else '%'}"


def apart(first: Run, second: Run) -> str:
    """Return how long after ``first`` the run ``second`` began, as in ``3 hours after``."""
    seconds = (second.manifest.started_at - first.manifest.started_at).total_seconds()
    minutes = round(abs(seconds) / 60)
    units = ((24 * 60, "days"), (60, "hours"), (1, "minutes"))
    length, unit = next(
        ((minutes / size, name) for size, name in units if minutes >= 2 * size),
        (minutes, "minute" if minutes == 1 else "minutes"),
    )
    return f"{length:.0f} {unit} {'after' if seconds >= 0 else 'before'}"


def _whence(run: Run) -> str:
    return f"baseline {run.run_id}, experiment {run.experiment.name}, of {run.manifest.started_at:%Y-%m-%d %H:%M:%S} UTC"

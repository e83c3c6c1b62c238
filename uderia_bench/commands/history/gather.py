"""Read a folder of runs as the nights of one experiment, from their manifests and Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from math import log1p
from pathlib import Path

import polars as pl

from uderia_bench.analysis.trials import FOREIGN_TOOLS, suspected
from uderia_bench.commands.history.changes import changes
from uderia_bench.commands.history.levels import Levels, levels
from uderia_bench.commands.history.shifts import Kind, Shift, Weekly, correlation, shifts, weekly
from uderia_bench.errors import StoreError, UsageError
from uderia_bench.reading.metrics.metric import Assumption, Metric
from uderia_bench.runs import mirror
from uderia_bench.runs import run as runs
from uderia_bench.runs.run import Run
from uderia_bench.stats.estimate import Estimate
from uderia_bench.trial import Stage

_COLUMNS = ("stage", "arm", "query_id", "outcome", FOREIGN_TOOLS)
_ALWAYS = ("answered",)  # beside the metrics with a margin, because unanswered trials have no latency


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """One run of the history, with the differences between its manifest and that of the night before."""

    run_id: str
    started_at: datetime
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """One metric of one arm over the nights. Changes smaller than the ``margin`` are left out.

    ``correlation`` is that of neighbouring nights, None where there are too few.
    """

    arm: str
    metric: Metric
    levels: Levels
    shifts: tuple[Shift, ...]
    weekly: Weekly | None
    correlation: float | None
    margin: float | None

    def of_kind(self, kind: Kind) -> tuple[Shift, ...]:
        """Return the changes of one kind, oldest first."""
        return tuple(sorted((shift for shift in self.shifts if shift.kind is kind), key=lambda shift: shift.at))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """The nights of one experiment, oldest first, and every series in them. ``unread`` are runs without readable trials."""

    experiment: str
    unread: tuple[str, ...] = ()
    nights: tuple[Night, ...]
    series: tuple[Series, ...]
    confidence: float

    @property
    def without_level(self) -> tuple[str, ...]:
        """The runs of nights on which no series has a level."""
        empty = (at for at, _ in enumerate(self.nights) if not any(each.levels.nights[at].size for each in self.series))
        return tuple(self.nights[at].run_id for at in empty)

    def estimates(self, series: Series) -> list[Estimate]:
        """Return the level of every night in the unit of the metric."""
        return [series.levels.estimate(at, confidence=self.confidence) for at in range(len(self.nights))]


def gather(
    output: Path, metrics: Sequence[Metric], *, experiment: str | None = None, arm: str | None = None, names: Sequence[str] = ()
) -> History:
    """Return the history of the experiment of that name, by default the latest run's.

    It holds every arm or one, and the metrics named. By default these are the answer rate and the
    metrics that have a margin in the latest run. Raises ``StoreError`` where there is no finished run,
    and ``UsageError`` for an unknown metric or an arm that the latest run does not have.
    """
    if unknown := sorted({*names} - {metric.name for metric in metrics}):
        raise UsageError(f"no metric {', '.join(unknown)}: see 'uderia-bench metrics'")
    complete = [run for run in runs.every(output) if run.manifest.complete]
    where = mirror.origin(output) or output
    if not complete:
        raise StoreError(f"no finished run in {where} yet: a history begins with the second")
    wanted = experiment or complete[-1].experiment.name
    of_that_name = [run for run in complete if run.experiment.name == wanted]
    if not of_that_name:
        known = ", ".join(sorted({run.experiment.name for run in complete}))
        raise StoreError(f"no finished run of experiment {wanted!r} in {where}; there are runs of {known}")
    latest = of_that_name[-1].experiment
    chosen = [metric for metric in metrics if metric.name in (names or (*latest.margins, *_ALWAYS))]
    nights, trials = measured_trials(of_that_name, [metric.name for metric in chosen])
    if not nights:
        raise StoreError(f"no run of {wanted!r} in {where} has readable trials: derive them with 'uderia-bench derive RUN'")
    arms = [one.name for one in latest.arms if arm in (None, one.name)]
    if not arms:
        have = ", ".join(one.name for one in latest.arms)
        raise UsageError(f"no arm {arm!r} in the latest run of {wanted}: {of_that_name[-1].run_id} has {have}")
    weekdays = [run.manifest.started_at.weekday() for run in nights]
    every = (
        _series(trials.filter(pl.col("arm") == one), weekdays, one, metric, latest.margins.get(metric.name))
        for metric in chosen
        for one in arms
    )
    return History(
        experiment=wanted,
        unread=tuple(run.run_id for run in of_that_name if run not in nights),
        nights=tuple(_night(run, last) for run, last in zip(nights, [None, *nights[:-1]], strict=True)),
        series=tuple(series for series in every if any(night.size for night in series.levels.nights)),
        confidence=latest.confidence,
    )


def measured_trials(runs: Sequence[Run], metrics: Sequence[str]) -> tuple[list[Run], pl.DataFrame]:
    """Read what a history needs of the measured trials of every night, oldest first, with the night's number.

    As in a report, trials that probably had another profile's tools are left out. So are runs whose tables
    cannot be read, so the runs that were read are returned with the trials.
    """
    mirror.ready([run.path for run in runs], "trials")
    read: list[Run] = []
    of_night: list[pl.DataFrame] = []
    for run in runs:
        with suppress(StoreError):  # a broken table is an error only for the command that asks for that run
            trials = run.columns(dict.fromkeys((*_COLUMNS, *metrics)))
            counted = trials.filter(pl.col("stage") == Stage.MEASURED, ~suspected(trials))
            of_night.append(counted.with_columns(pl.lit(len(read)).alias("night")))
            read.append(run)
    return read, pl.concat(of_night, how="diagonal") if read else pl.DataFrame()


def _series(trials: pl.DataFrame, weekdays: Sequence[int], arm: str, metric: Metric, margin: float | None) -> Series:
    if metric.name not in trials.columns:
        trials = trials.with_columns(pl.lit(None, dtype=pl.Float64).alias(metric.name))
    found = levels(trials, metric, len(weekdays))
    least = _least(metric, margin, found)
    changed = shifts(found.values, found.errors, least=least, weekdays=weekdays)
    rhythm = weekly(found.values, found.errors, changed, least=least, weekdays=weekdays)
    alike = correlation(found.values, changed)
    return Series(arm=arm, metric=metric, levels=found, shifts=changed, weekly=rhythm, correlation=alike, margin=margin)


def _least(metric: Metric, margin: float | None, found: Levels) -> float:
    """Return the margin on the scale of the levels: its logarithm for a ratio, points for a rate, a share of an amount."""
    if margin is None:
        return 0.0
    if found.relative:
        return log1p(margin)
    return margin if metric.assumption is Assumption.RATE else margin * abs(found.usual)


def _night(run: Run, before: Run | None) -> Night:
    return Night(
        run_id=run.run_id,
        started_at=run.manifest.started_at,
        changed=() if before is None else changes(before.manifest.to_json(), run.manifest.to_json()),
    )

"""The variation between nights, from the runs of an experiment that began before another run."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import polars as pl

from uderia_bench.analysis.nights import FEWEST, Nights
from uderia_bench.commands.history.gather import measured_trials
from uderia_bench.commands.history.levels import Levels, levels
from uderia_bench.commands.history.shifts import WINDOW, left_over, shifts
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.runs import run as runs
from uderia_bench.runs.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """The variation between nights by (arm, metric), from at most ``runs`` earlier runs. It is empty if they are too few."""

    runs: int
    nights: dict[tuple[str, str], Nights]


def variation(run: Run, arms: Sequence[str], metrics: Sequence[Metric]) -> Variation:
    """Return how the metrics of some arms varied in the runs of the same experiment before ``run``, beside it on disk.

    Steps, ramps and odd nights of the metrics with a margin are taken out first, so a regression that
    lasts does not count as variation.
    """
    earlier, trials = measured_trials(earlier_runs(run), [each.name for each in metrics])
    if len(earlier) < FEWEST:
        return Variation(runs=len(earlier), nights={})
    weekdays = [one.manifest.started_at.weekday() for one in earlier]
    nights = between_nights(trials, weekdays, arms, metrics, judged=run.experiment.margins)
    return Variation(runs=len(earlier), nights=nights)


def between_nights(
    trials: pl.DataFrame, weekdays: Sequence[int], arms: Sequence[str], metrics: Sequence[Metric], *, judged: Container[str]
) -> dict[tuple[str, str], Nights]:
    """Return the variation by (arm, metric) of trials that number their night from 0 in the column ``night``.

    ``judged`` are the metrics of which steps, ramps and odd nights are taken out.
    """
    found = {
        (arm, metric.name): _between(
            levels(trials.filter(pl.col("arm") == arm), metric, len(weekdays)), weekdays, judged=metric.name in judged
        )
        for metric in metrics
        if metric.name in trials.columns
        for arm in arms
    }
    return {of: nights for of, nights in found.items() if nights is not None}


def earlier_runs(run: Run) -> list[Run]:
    """Return the finished runs of the same experiment that began before ``run``, beside it on disk, oldest first."""
    before = (
        one
        for one in runs.every(run.path.parent)
        if one.path != run.path
        and one.manifest.complete
        and one.experiment.name == run.experiment.name
        and one.manifest.started_at < run.manifest.started_at
    )
    return sorted(before, key=lambda one: one.manifest.started_at)[-WINDOW:]


def _between(fitted: Levels, weekdays: Sequence[int], *, judged: bool) -> Nights | None:
    """Estimate the standard deviation between nights; None with fewer than ``FEWEST`` nights that have a value."""
    values, errors = fitted.values, fitted.errors
    runs = int(np.isfinite(values).sum())
    if runs < FEWEST:
        return None
    left, freedom = left_over(values, shifts(values, errors, least=0.0, weekdays=weekdays) if judged else ())
    if freedom < FEWEST - 1:
        left, freedom = left_over(values, ())
    within = float(np.nanmean(errors**2)) if np.isfinite(errors).any() else 0.0
    spread = sqrt(max(float(left @ left) / freedom - within, 0.0))
    return Nights(spread=spread, freedom=float(freedom), runs=runs)

"""The summary of one arm: the outcomes of its trials, and the mean and percentiles of each metric."""

from __future__ import annotations

import numpy as np

from uderia_bench.analysis.clock import clock_notes
from uderia_bench.analysis.drift import drift
from uderia_bench.analysis.pairs import ONE_QUERY
from uderia_bench.analysis.trials import Trials
from uderia_bench.analysis.validity import unusable_notes
from uderia_bench.analysis.values import ArmSummary, MetricSummary
from uderia_bench.analysis.variation import inside_arm, profile_type
from uderia_bench.reading.metrics.metric import Assumption, Metric
from uderia_bench.stats.mean import cluster_mean, geometric_mean
from uderia_bench.stats.percentile import percentiles
from uderia_bench.stats.weighting import repeated


def summarise(trials: Trials, arm: str, *, metrics: tuple[Metric, ...], confidence: float, seed: int) -> ArmSummary:
    """Summarise every metric of an arm over its measured trials."""
    index = trials.arm(arm)
    counts = trials.frame.filter(trials.frame["arm"] == arm)["outcome"].value_counts().sort("outcome")
    notes = inside_arm(trials, arm)
    return ArmSummary(
        arm=arm,
        profile_type=profile_type(trials, arm),
        trials=int(trials.asked[:, index].sum()),
        outcomes=dict(counts.iter_rows()),
        metrics={
            metric.name: _summary(trials, index, metric, notes=notes, confidence=confidence, seed=seed) for metric in metrics
        },
    )


def _summary(
    trials: Trials, index: int, metric: Metric, *, notes: tuple[str, ...], confidence: float, seed: int
) -> MetricSummary:
    values = trials.values(metric)[:, index]
    present = np.isfinite(values)
    observed = values[present]
    missing = int(trials.asked[:, index].sum()) - observed.size
    one_query = np.count_nonzero(trials.asked[:, index].any(axis=1)) == 1
    arm = trials.arms[index]
    warnings = (
        *((ONE_QUERY,) if one_query else ()),
        *notes,
        *unusable_notes(trials, metric, (arm,)),
        *clock_notes(trials, metric, (arm,)),
        *drift(trials, metric, arm),
    )
    units = np.arange(observed.size) if one_query else np.unique(np.nonzero(present)[0], return_inverse=True)[1]
    rate = metric.assumption is Assumption.RATE
    by_query = None if one_query else trials.weights()
    weights = None if by_query is None else by_query[np.nonzero(present)[0]]
    mean = cluster_mean(observed, units, bounded=rate, level=confidence, seed=seed, missing=missing, weights=weights)
    geometric = None
    if not rate and observed.size > 0 and observed.min() > 0:
        geometric = geometric_mean(observed, units, level=confidence, seed=seed, missing=missing, weights=weights)
    return MetricSummary(
        metric=metric.name,
        n=int(observed.size),
        missing=missing,
        mean=mean,
        geometric_mean=geometric,
        total=None if rate else mean.mapped(lambda one: one * observed.size),
        percentiles=percentiles(
            *repeated(observed, units, weights),
            level=confidence,
            seed=seed,
            missing=missing,
            of="repeats" if one_query else "queries",
        ),
        warnings=warnings,
    )

"""What is said of one arm by itself: how its trials ended, and each metric's mean and percentiles over its observations."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from uderia_bench.analysis.effects import MIN_UNITS
from uderia_bench.analysis.pairs import ONE_QUERY
from uderia_bench.analysis.trials import Trials
from uderia_bench.analysis.values import ArmSummary, MetricSummary
from uderia_bench.analysis.variation import inside_arm, profile_type
from uderia_bench.metrics.metric import Assumption, Metric
from uderia_bench.stats.arrays import Floats, is_flat
from uderia_bench.stats.bootstrap import StudentisedMean, studentised_mean
from uderia_bench.stats.estimate import Estimate, Interval
from uderia_bench.stats.percentile import percentiles
from uderia_bench.stats.proportion import wilson


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
    warnings = ((ONE_QUERY,) if one_query else ()) + notes
    units = np.arange(observed.size) if one_query else np.unique(np.nonzero(present)[0], return_inverse=True)[1]
    return MetricSummary(
        metric=metric.name,
        n=int(observed.size),
        missing=missing,
        mean=_mean(observed, units, rate=metric.assumption is Assumption.RATE, level=confidence, seed=seed, missing=missing),
        percentiles=percentiles(observed, units, level=confidence, seed=seed, missing=missing),
        warnings=warnings,
    )


def _mean(observed: Floats, units: npt.NDArray[np.intp], *, rate: bool, level: float, seed: int, missing: int) -> Estimate:
    """Estimate the mean over observations; its interval takes the units as independent, not the observations."""
    if observed.size == 0:
        return Estimate(value=None, lo=None, hi=None, level=level, n=0, missing=missing)
    sums = np.bincount(units, weights=observed).astype(np.float64)
    sizes = np.bincount(units).astype(np.float64)
    value, n = float(observed.mean()), sums.size
    interval, warnings = (
        _proportion(observed, sizes, level=level, seed=seed, sums=sums) if rate else _amount(sums, sizes, level, seed)
    )
    return Estimate(
        value=value,
        lo=interval.lo,
        hi=interval.hi,
        level=level,
        n=n,
        missing=missing,
        method=interval.method,
        warnings=warnings,
    )


def _proportion(observed: Floats, sizes: Floats, *, level: float, seed: int, sums: Floats) -> tuple[Interval, tuple[str, ...]]:
    """Bound a mean of values in 0..1: Wilson over units where repeats add nothing or a bootstrap cannot work."""
    n = sums.size
    if n >= MIN_UNITS and bool(np.any(sizes > 1) or np.any((observed > 0) & (observed < 1))):
        studied = studentised_mean(sums, sizes=sizes, seed=seed)
        if studied.trusted(level):
            ends = studied.interval(level)
            assert ends.lo is not None
            assert ends.hi is not None
            return Interval(lo=max(ends.lo, 0.0), hi=min(ends.hi, 1.0), method=f"cluster {ends.method}"), ()
    return wilson(float(observed.mean()) * n, n, level=level), ()


def _amount(sums: Floats, sizes: Floats, level: float, seed: int) -> tuple[Interval, tuple[str, ...]]:
    """Bound a mean of quantities: bootstrap-t over units, Student's t where there are too few units or too many ties."""
    n = sums.size
    if n < 2:
        return Interval(lo=None, hi=None, method="none"), ("one unit has no spread: a mean needs 2 for an interval",)
    means = sums / sizes
    if is_flat(means):
        return Interval(lo=float(means[0]), hi=float(means[0]), method="all values equal"), ()
    studied = studentised_mean(sums, sizes=sizes, seed=seed)
    if n >= MIN_UNITS and studied.trusted(level):
        ends = studied.interval(level)
        return Interval(lo=ends.lo, hi=ends.hi, method=f"cluster {ends.method}"), ()
    return _student(studied, level), ()


def _student(studied: StudentisedMean, level: float) -> Interval:
    """Take Student's quantile with the cluster standard error."""
    from scipy.special import stdtrit  # noqa: PLC0415 - scipy costs start-up time

    half = float(stdtrit(studied.units - 1, (1 + level) / 2)) * studied.standard_error
    return Interval(lo=studied.value - half, hi=studied.value + half, method="cluster t")

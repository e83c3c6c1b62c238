"""Whether a number moved while it was measured: trend over the run, order of repeats, resemblance of successive trials.

All three compare repeats of the same query on the same arm with each other (a regression with a fixed effect per query;
Wooldridge, *Econometric Analysis of Cross Section and Panel Data*, 2010, 10.5), so hard and easy queries do not pass for
drift, nor do the levels of a sweep, whose repeats are compared with those of their own level. Without repeats there is nothing
to compare, and nothing is said.
"""

from __future__ import annotations

from math import expm1

import numpy as np

from uderia_bench.analysis.trials import Trials
from uderia_bench.reading.metrics.metric import Assumption, Metric
from uderia_bench.stats.arrays import Floats
from uderia_bench.stats.slope import serial_correlation, within_slope

# A run looks at a dozen metrics on each arm in three ways: at 1 in 1,000 a run without drift has a false note in 15 or more.
NOTE_BELOW = 0.001


def drift(trials: Trials, metric: Metric, arm: str) -> tuple[str, ...]:
    """Say how a positive metric drifts on an arm; empty where it does not, has no repeats, or is of another kind."""
    if metric.assumption is not Assumption.POSITIVE:
        return ()
    index = trials.arm(arm)
    values = trials.values(metric)[:, index]
    if not bool(np.all(values[np.isfinite(values)] > 0)):
        return ()
    logs = np.log(values)
    return (*_trend(trials, metric, arm, logs), *_repeat_order(trials, metric, arm, logs))


def _trend(trials: Trials, metric: Metric, arm: str, logs: Floats) -> tuple[str, ...]:
    """Follow the order of sending, from 0 at the arm's first trial to 1 at its last."""
    order = trials.order()
    if order is None:
        return ()
    order = _by_level(trials, arm, _whole(order[:, trials.arm(arm)]))
    found = within_slope(_by_level(trials, arm, logs), order)
    if found is None:
        return ()
    notes = []
    if found.p < NOTE_BELOW:
        notes.append(
            f"{metric.name} drifts on {arm}: {expm1(found.slope):+.0%} from the first trial to the last (p {found.p:.2g})"
        )
    in_order = np.isfinite(found.residuals)
    correlation, p = serial_correlation(found.residuals[in_order][np.argsort(order[in_order], kind="stable")])
    if p < NOTE_BELOW:
        like = f"lag-1 correlation {correlation:.2f}"
        notes.append(f"{metric.name} on {arm} resembles the trial before it ({like}): intervals may be too narrow")
    return tuple(notes)


def _repeat_order(trials: Trials, metric: Metric, arm: str, logs: Floats) -> tuple[str, ...]:
    """Follow the number of the repeat: a server that learns, or caches, makes later repeats different."""
    repeat = trials.column("repeat")[:, trials.arm(arm)]
    found = within_slope(_by_level(trials, arm, logs), _by_level(trials, arm, repeat))
    if found is None or found.p >= NOTE_BELOW:
        return ()
    return (f"{metric.name} on {arm} changes with the repeat: {expm1(found.slope):+.0%} each (p {found.p:.2g})",)


def _by_level(trials: Trials, arm: str, values: Floats) -> Floats:
    """Take the levels of a sweep apart: a row a query and level in place of a row a query."""
    at = trials.at_levels(arm)
    return values if at is None else np.concatenate([np.where(at == level, values, np.nan) for level in trials.levels])


def _whole(order: Floats) -> Floats:
    """Stretch an arm's part of the order to 0..1: an arm that ran in the second half only drifts over its own time."""
    if not np.isfinite(order).any():
        return order
    first, last = float(np.nanmin(order)), float(np.nanmax(order))
    stretched: Floats = (order - first) / (last - first) if last > first else order
    return stretched

"""Drift of a metric during a run: a trend, an effect of the repeat, correlation of successive trials.

All three compare repeats of the same query on the same arm (a regression with a fixed effect per
query; Wooldridge, *Econometric Analysis of Cross Section and Panel Data*, 2010, 10.5). So hard and
easy queries are not mistaken for drift, nor are the levels of a sweep, whose repeats are compared
with those of their own level. A run without repeats has nothing to compare.
"""

from __future__ import annotations

from math import expm1

import numpy as np

from uderia_bench.analysis.trials import Trials
from uderia_bench.reading.metrics.metric import Assumption, Metric
from uderia_bench.stats.arrays import Floats
from uderia_bench.stats.slope import Slope, resemblance_p, serial_correlation, within_slope

# A run tests a dozen metrics on each arm in three ways. At 1 in 1,000, 1 run in 15 without drift
# has a note.
NOTE_BELOW = 0.001

# Few metrics have a margin, and drift matters to their verdicts.
NOTE_PRIMARY_BELOW = 0.01

NOT_INCLUDED = "p and the interval do not include it"

ONE_REPEAT = (
    "one repeat per query: only a large drift of the provider can be told from the spread between queries; "
    "with `repeats: 2` or more a smaller drift is found too"
)


def drift(trials: Trials, metric: Metric, arm: str) -> tuple[str, ...]:
    """Describe how a positive metric drifts on an arm; empty without drift, without repeats, or for another kind."""
    logs = _logs(trials, metric, arm)
    if logs is None:
        return ()
    notes = []
    found = _residuals(trials, arm, logs)
    if found is not None:
        slope, residuals, order = found
        if slope.p < NOTE_BELOW:
            change = f"{expm1(slope.slope):+.0%} from the first trial to the last"
            notes.append(f"{metric.name} drifts on {arm}: {change} (p {slope.p:.2g})")
        notes.extend(_correlated(residuals, order, f"{metric.name} on {arm}"))
    return (*notes, *_repeat_order(trials, metric, arm, logs))


def shared_drift(trials: Trials, metric: Metric, arms: tuple[str, str], *, below: float) -> tuple[str, ...]:
    """Describe drift that both arms share: repeats of a query that resemble whatever was asked near them.

    Without repeats, the differences between the arms of queries that were asked near each other are compared.
    """
    order = trials.order()
    logs = [_logs(trials, metric, arm) for arm in arms]
    if order is None or logs[0] is None or logs[1] is None:
        return ()
    rows = [_by_level(trials, arm, one) for arm, one in zip(arms, logs, strict=True) if one is not None]
    places = [_by_level(trials, arm, order[:, trials.arm(arm)]) for arm in arms]
    what, p = f"{metric.name} of trials", resemblance_p(np.concatenate(rows), np.concatenate(places))
    if p is None:
        row, place = rows[1] - rows[0], (places[0] + places[1]) / 2
        what, p = f"the difference in {metric.name} of queries", resemblance_p(row.reshape(1, -1), place.reshape(1, -1))
    if p is None or p >= below:
        return ()
    includes = "p and the interval include drift between time windows" if trials.windows() is not None else NOT_INCLUDED
    return (f"{what} close in time is correlated (p {p:.2g}): the provider drifted; {includes}",)


def _correlated(residuals: Floats, order: Floats, what: str) -> tuple[str, ...]:
    """Describe the correlation of residuals that follow each other in time."""
    correlation, p = serial_correlation(residuals[np.argsort(order, kind="stable")])
    if p >= NOTE_BELOW:
        return ()
    like = f"lag-1 correlation {correlation:.2f}"
    return (
        f"successive values of {what} are correlated ({like}): the provider drifted, so the true uncertainty may be larger",
    )


def _logs(trials: Trials, metric: Metric, arm: str) -> Floats | None:
    """Return the logs of a positive metric on an arm, ``(query, slot)``, without the effects of servers; None for another kind.

    The repeats of a query visit the servers of a pool in turn, so a slow server would look like a drift.
    """
    if metric.assumption is not Assumption.POSITIVE:
        return None
    logs: Floats = np.log(trials.values(metric)[:, trials.arm(arm)])
    servers = trials.servers()
    if servers is None or len(trials.distinct("server", arm)) < 2:
        return logs
    there = np.isfinite(logs)
    means = np.where(there, logs, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    of_arm = servers[:, trials.arm(arm)]
    alone = logs.copy()
    for server in np.unique(of_arm[there & np.isfinite(of_arm)]):
        here = there & (of_arm == server)
        alone[here] -= (logs - means[:, None])[here].mean()
    return alone


def _residuals(trials: Trials, arm: str, logs: Floats) -> tuple[Slope, Floats, Floats] | None:
    """Return an arm's trend over its own time (0 to 1), what it leaves of each trial, and each trial's place in the run."""
    order = trials.order()
    if order is None:
        return None
    places = _by_level(trials, arm, order[:, trials.arm(arm)])
    found = within_slope(_by_level(trials, arm, logs), _whole(places))
    if found is None:
        return None
    there = np.isfinite(found.residuals)
    return found, found.residuals[there], places[there]


def _repeat_order(trials: Trials, metric: Metric, arm: str, logs: Floats) -> tuple[str, ...]:
    """Describe the effect of the number of the repeat: a server that learns or caches changes later repeats."""
    repeat = trials.column("repeat")[:, trials.arm(arm)]
    found = within_slope(_by_level(trials, arm, logs), _by_level(trials, arm, repeat))
    if found is None or found.p >= NOTE_BELOW:
        return ()
    return (f"{metric.name} on {arm} changes with the repeat: {expm1(found.slope):+.0%} each (p {found.p:.2g})",)


def _by_level(trials: Trials, arm: str, values: Floats) -> Floats:
    """Separate the levels of a sweep: a row for each query and level."""
    at = trials.at_levels(arm)
    return values if at is None else np.concatenate([np.where(at == level, values, np.nan) for level in trials.levels])


def _whole(order: Floats) -> Floats:
    """Scale an arm's part of the order to 0..1, so that the trend covers the time in which the arm ran."""
    if not np.isfinite(order).any():
        return order
    first, last = float(np.nanmin(order)), float(np.nanmax(order))
    stretched: Floats = (order - first) / (last - first) if last > first else order
    return stretched

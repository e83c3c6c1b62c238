"""Checks of the times of a comparison: the error added by polling, and stalls of our own event loop.

A client time is an interval, from the last poll before the end of the task to the first poll after it.
If that interval is wider than the margin, the comparison has no verdict
(docs/explanation/statistics.md, "Poll intervals"). Polling does not affect times from server timestamps.
"""

from __future__ import annotations

from math import expm1

import numpy as np

from uderia_bench.analysis.censoring import WHOLE_ANSWER
from uderia_bench.analysis.effects import Measured
from uderia_bench.analysis.trials import Trials
from uderia_bench.printable import count_of
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.stats.arrays import Floats, Mask

QUANTISATION, STALL, CLOCK_STEP = "quantisation", "stall_s", "clock_step_s"
POLLED = (*WHOLE_ANSWER, "response_s")
"""The times that end where a poll saw the end, when the server gives no stamps."""

ROUND_TRIPS = (*POLLED, "submit_s")
"""The times that hold the submit's round trip."""

# A tenth of the usual margin of 10 %: a smaller error cannot change a verdict.
STALLS_MATTER = 0.01


def quantisation(trials: Trials, arm: str, *, where: Mask | None = None) -> float | None:
    """Return the error of polling as a share of a time, the median of an arm's answered trials; None if unknown."""
    if not trials.has(QUANTISATION):
        return None
    shares = _of(trials, QUANTISATION, arm, trials.answered if where is None else where & trials.answered)
    return float(np.median(shares)) if shares.size else None


def unresolved(
    trials: Trials, metric: Metric, measured: Measured, *, arms: tuple[str, str], where: Mask, margin: float | None
) -> tuple[str, ...]:
    """Return why polling allows no verdict on a time: its intervals are wider than the margin, or the observed effect."""
    open_share = _widest(trials, metric, arms, where)
    if open_share is None or measured.centre is None:
        return ()
    limit, of_what = (margin, "margin") if margin is not None else (expm1(abs(measured.centre)), "observed effect")
    if open_share <= limit:
        return ()
    known = f"without server timestamps, polling adds an error of {open_share:.0%} to a time"
    return (f"invalid: {known}, more than the {of_what} ({limit:.0%})",)


def clock_notes(trials: Trials, metric: Metric, arms: tuple[str, ...], *, where: Mask | None = None) -> tuple[str, ...]:
    """Warn of a time that rests on polls, and of trials during whose request the load generator was blocked."""
    notes = []
    asked = trials.asked if where is None else where & trials.asked
    open_share = _widest(trials, metric, arms, asked)
    if open_share is not None:
        notes.append(f"server stamps are missing: times are intervals between polls, {open_share:.0%} wide in the median")
    if metric.name in ROUND_TRIPS and trials.has(STALL):
        notes += [note for arm in arms if (note := _blocked(trials, metric, arm, asked))]
    if metric.name in ROUND_TRIPS and trials.has(CLOCK_STEP):
        steps = [int(_of(trials, CLOCK_STEP, arm, asked).size) for arm in arms]
        if any(steps):
            during = " and ".join(
                f"{count_of(count, 'trial')} of {arm}" for arm, count in zip(arms, steps, strict=True) if count
            )
            notes.append(f"the server's clock stepped during {during}. Their times come from the client's clock")
    return tuple(notes)


def _blocked(trials: Trials, metric: Metric, arm: str, where: Mask) -> str | None:
    """Warn of an arm whose times are noticeably too long because the load generator was blocked."""
    stalled_s = float(_of(trials, STALL, arm, where).sum())
    took_s = float(np.nansum(np.where(where, trials.values(metric), np.nan)[:, trials.arm(arm)]))
    share = stalled_s / took_s if took_s > 0 else 0.0
    if share < STALLS_MATTER:
        return None
    return (
        f"the load generator was blocked during requests of {arm}, which makes {metric.name} up to {share:.0%} too long on "
        "average: give it more CPU, or lower load.concurrency"
    )


def held_up(trials: Trials) -> int:
    """Count the trials during whose request the load generator was blocked."""
    return int(np.count_nonzero(trials.column(STALL) > 0)) if trials.has(STALL) else 0


def _widest(trials: Trials, metric: Metric, arms: tuple[str, ...], where: Mask) -> float | None:
    """Return the larger quantisation of the arms; None where a metric does not rest on polls."""
    if metric.name not in POLLED:
        return None
    shares = [share for arm in arms if (share := quantisation(trials, arm, where=where))]
    return max(shares, default=None)


def _of(trials: Trials, column: str, arm: str, where: Mask) -> Floats:
    index = trials.arm(arm)
    values = trials.column(column)[:, index][where[:, index]]
    found: Floats = values[np.isfinite(values)]
    return found

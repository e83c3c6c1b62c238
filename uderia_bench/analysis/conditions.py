"""Checks of the load against the plan: the generator's own limits, the rate, Little's law.

A ``GeneratorRecord`` holds what the run measured of its generator. Every failed check makes the
comparisons invalid. The checks concern what affects a reported number, relative to a typical answer.
So they use the mean lag of the event loop: on a small run, one import or one burst of another process
determines the p99. Late sending counts only where there was a schedule.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from uderia_bench.analysis.flights import DONE, SENT, SERVED, flights
from uderia_bench.analysis.trials import Trials
from uderia_bench.runs.generator import GeneratorRecord, little, tells_cpu, tells_lateness

# A slow client is a wrong clock: at 90 % of its core the event loop answers late to everything
# (docs/explanation/architecture.md, "What costs time").
CPU_LIMIT = 0.9

# A submit's round trip is read late by the loop's lag, and so is every latency. The mean lag is what a mean latency is off by:
# the smallest margin that the shipped experiments ask for. Measured on two cores: the demo 0.2 %, beside eight busy processes
# 2 %.
LAG_LIMIT = 0.05

# A fraction of the milliseconds that an embedded agent at 200 times its speed takes is what every operating system's scheduler
# is late by: 11 to 20 ms on average on two cores with a load of 12 to 16. No real answer is so short that this floor matters.
FLOOR_S = 0.03

# What a request waits in the generator is in no latency. Up to a tenth of a typical answer it is less than the margins that
# experiments ask for; beyond, the schedule was not kept and the load was another one.
LATENESS_LIMIT = 0.1

# A tenth of an answer that takes a second: below it, quick embedded agents would make a schedule look worse kept than it was. A
# closed loop on two cores was late by 33 ms beside three busy processes and by 68 ms beside eight.
LATENESS_FLOOR_S = 0.1

# A rate that is missed by more than a tenth is another load than the one asked for.
RATE_LIMIT = 0.1

# |L - lambda W| / L. From the trials' own stamps: the demo's 20-fold speed makes .11 by polling alone; a client that stalls
# makes more. From the generator's own L, lambda and W: the share of the load that is nothing but trials waiting for the
# generator to put them away.
LITTLE_LIMIT = 0.2

WAY_OUT = "lower load.concurrency or load.rate, or give the generator its own core"

LATENCY = "latency_s"


def failed_conditions(conditions: GeneratorRecord, typical_s: float | None) -> tuple[str, ...]:
    """Return why the run's comparisons are invalid; empty where nothing is known against them.

    ``typical_s`` is a typical answer of the fastest arm, None where nothing was answered.
    """
    return (*_saturation(conditions, typical_s), *_rate(conditions), *_law(conditions))


def typical_answer_s(trials: Trials) -> float | None:
    """Return the median latency of the arm where it is shortest. The error of a late clock is largest there."""
    if not trials.has(LATENCY):
        return None
    latencies = np.where(trials.answered, trials.column(LATENCY), np.nan)
    arms = (latencies[:, arm][np.isfinite(latencies[:, arm])] for arm in range(len(trials.arms)))
    return min((float(np.median(times)) for times in arms if times.size), default=None)


def _saturation(conditions: GeneratorRecord, typical_s: float | None) -> tuple[str, ...]:
    cpu, lag, late = conditions.cpu_share, conditions.lag_mean_s, conditions.send_late_p99_s
    reasons = []
    if cpu is not None and cpu > CPU_LIMIT and tells_cpu(conditions):
        reasons.append(f"the load generator used {cpu:.0%} of a core, more than {CPU_LIMIT:.0%}: its clock is late")
    if lag is not None and typical_s is not None and lag > max(LAG_LIMIT * typical_s, FLOOR_S):
        stood = f"the load generator's event loop was late by {_s(lag)} on average"
        reasons.append(f"{stood}, more than {LAG_LIMIT:.0%} of a typical answer ({_s(typical_s)})")
    scheduled = tells_lateness(conditions)
    if scheduled and late is not None and typical_s is not None and late > max(LATENESS_LIMIT * typical_s, LATENESS_FLOOR_S):
        reasons.append(f"requests were sent up to {_s(late)} late (p99), more than {LATENESS_LIMIT:.0%} of a typical answer")
    return tuple(f"invalid: {reason}; {WAY_OUT}" for reason in reasons)


def _rate(conditions: GeneratorRecord) -> tuple[str, ...]:
    asked, achieved = conditions.asked_rate, conditions.achieved_rate
    if asked is None or achieved is None or achieved >= (1 - RATE_LIMIT) * asked:
        return ()
    return (f"invalid: {achieved:.3g} requests a second were sent where {asked:.3g} were asked for; {WAY_OUT}",)


def _law(conditions: GeneratorRecord) -> tuple[str, ...]:
    mismatch = conditions.little
    if mismatch is None or mismatch <= LITTLE_LIMIT:
        return ()
    assert conditions.in_flight is not None
    assert conditions.arrival_rate is not None
    assert conditions.flight_s is not None
    if abs(conditions.in_flight / conditions.arrival_rate - conditions.flight_s) <= FLOOR_S:
        return ()
    held = f"of {conditions.in_flight:.3g} trials in flight {mismatch:.0%} had their answer and waited for the load generator"
    return (f"invalid: Little's law is off by {mismatch:.0%}: {held}; {WAY_OUT}",)


def little_note(trials: Trials) -> tuple[str, ...]:
    """Warn where the client's view of the load (sent to done) and the server's own times do not belong together.

    A warning and no more, and for runs whose generator was not measured: a client that polls sees short trials end late, and
    is not at fault.
    """
    timed = flights(trials.frame)
    if timed is None or SERVED not in timed.columns:
        return ()
    rows = timed.drop_nulls(SERVED).filter(pl.col(DONE) > pl.col(SENT))
    if rows.is_empty():
        return ()
    seen_s = float((rows[DONE] - rows[SENT]).dt.total_microseconds().mean() or 0.0) / 1e6  # type: ignore[arg-type]
    served_s = float(rows[SERVED].sum()) / rows.height
    # Both sides share the arrivals a second, so that the law compares the two views of how long a trial takes.
    mismatch = little(seen_s, 1.0, served_s)
    if mismatch <= LITTLE_LIMIT:
        return ()
    views = f"the client saw a trial take {seen_s:.2g} s, the server {served_s:.2g} s"
    return (f"Little's law is off by {mismatch:.0%}: {views}; polling, or a client that stalls",)


def _s(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"

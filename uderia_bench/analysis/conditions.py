"""Whether the load was what it claims to be: the generator's own limits, the rate, Little's law.

What the run measured of itself is handed in as ``Conditions``; every reason found makes the run's comparisons invalid. What is
judged is what reaches a number, relative to a typical answer: the mean lag of the event loop and not its p99, which one import
or one neighbour's burst decides on a small run, and lateness of sending only where a schedule was to be kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import polars as pl

from uderia_bench.analysis.flights import DONE, SENT, SERVED, flights
from uderia_bench.analysis.trials import Trials

# A slow client is a wrong clock: at 90 % of its core the event loop answers late to everything (design.md, What bites).
CPU_LIMIT = 0.9

# Imports and first connections are most of the CPU of the first seconds: below this, the share says nothing of the asking.
CPU_FLOOR_S = 5.0

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

# A p99 of fewer is their largest.
LATENESS_TRIALS = 100

# A rate that is missed by more than a tenth is another load than the one asked for.
RATE_LIMIT = 0.1

# |L - lambda W| / L. From the trials' own stamps: the demo's 20-fold speed makes .11 by polling alone; a client that stalls
# makes more. From the generator's own L, lambda and W: the share of the load that is nothing but trials waiting for the
# generator to put them away.
LITTLE_LIMIT = 0.2

WAY_OUT = "lower load.concurrency or load.rate, or give the generator a core of its own"

LATENCY = "latency_s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a run measured of its load generator while it asked; None and empty where it did not.

    ``asking_s`` is how long it asked, ``trials`` how many were in flight in that time, ``cpu_share`` the process's share of one
    core. ``lag_*`` is how late the event loop woke, ``stalls`` how often by more than ``generator.STALL_S``, ``stalled_s`` for
    how long in all, ``longest_stalls`` (begin, length) from the first send. ``send_late_p99_s`` is how late sends began against
    schedule or spacing, ``poll_late_p99_s`` polls. The rates are arrivals a second, asked and achieved, of an open loop;
    ``sent_late`` of its trials were sent more than ``generator.SENT_LATE_S`` after their moment, ``never_sent`` were due and
    not sent when the run was told to stop. ``in_flight`` is L, ``arrival_rate`` lambda, ``flight_s`` W. ``sittings``: how many
    these are the worst of.
    """

    asking_s: float | None = None
    trials: int | None = None
    cpu_share: float | None = None
    lag_mean_s: float | None = None
    lag_p99_s: float | None = None
    lag_max_s: float | None = None
    stalls: int | None = None
    stalled_s: float | None = None
    longest_stalls: tuple[tuple[float, float], ...] = ()
    send_late_p99_s: float | None = None
    poll_late_p99_s: float | None = None
    asked_rate: float | None = None
    achieved_rate: float | None = None
    sent_late: int | None = None
    never_sent: int | None = None
    in_flight: float | None = None
    arrival_rate: float | None = None
    flight_s: float | None = None
    sittings: int = 1

    @property
    def little(self) -> float | None:
        """How far L is from lambda W, as a share of L; None where nothing was in flight."""
        if not self.in_flight or self.arrival_rate is None or self.flight_s is None:
            return None
        return little(self.in_flight, self.arrival_rate, self.flight_s)

    @property
    def kept_rate(self) -> float | None:
        """The achieved share of the asked rate; None of a closed loop."""
        return None if self.asked_rate is None or self.achieved_rate is None else self.achieved_rate / self.asked_rate


def worst(sittings: Sequence[Conditions]) -> Conditions:
    """Return what counts of a run that was asked in several sittings: of everything the worst, of amounts the sum.

    A sitting too short to be judged by itself on CPU or lateness has no say where others are judged: a resume that asks for one
    last trial is all imports, and the night before it does not make these a load.
    """
    if len(sittings) == 1:
        return sittings[0]
    found: dict[str, Any] = {name: _most(sittings, name) for name in _LARGEST}
    found["longest_stalls"] = max(sittings, key=lambda each: each.lag_max_s or 0.0).longest_stalls
    found |= {name: _total(sittings, name) for name in _SUMMED}
    slowest = min(
        (each for each in sittings if each.kept_rate is not None), key=lambda each: each.kept_rate or 0.0, default=None
    )
    if slowest is not None:
        found |= {name: getattr(slowest, name) for name in ("asked_rate", "achieved_rate")}
    oddest = max((each for each in sittings if each.little is not None), key=lambda each: each.little or 0.0, default=None)
    if oddest is not None:
        found |= {name: getattr(oddest, name) for name in ("in_flight", "arrival_rate", "flight_s")}
    whole = Conditions(**found, sittings=len(sittings))
    judged: dict[str, Any] = {
        name: _most([each for each in sittings if tells(each)], name) for name, tells in _FLOORED.items() if tells(whole)
    }
    return replace(whole, **judged)


def read(said: Sequence[Mapping[str, Any]]) -> Conditions | None:
    """Read what the manifest kept, a mapping a sitting; None where it kept nothing. Keys of another version are passed over."""
    known = {each.name for each in fields(Conditions)}
    sittings = [Conditions(**{name: _tuples(value) for name, value in each.items() if name in known}) for each in said]
    return worst(sittings) if sittings else None


def failed_conditions(conditions: Conditions, typical_s: float | None = None) -> tuple[str, ...]:
    """Return why the run's comparisons are invalid; empty where nothing is known against them.

    ``typical_s`` is a typical answer of the fastest arm, None where nothing was answered.
    """
    return (*_saturation(conditions, typical_s), *_rate(conditions), *_law(conditions))


def typical_answer_s(trials: Trials) -> float | None:
    """Return the median latency of the arm where it is shortest: that is what a late clock hurts most."""
    if not trials.has(LATENCY):
        return None
    latencies = np.where(trials.answered, trials.column(LATENCY), np.nan)
    arms = (latencies[:, arm][np.isfinite(latencies[:, arm])] for arm in range(len(trials.arms)))
    return min((float(np.median(times)) for times in arms if times.size), default=None)


def _saturation(conditions: Conditions, typical_s: float | None) -> tuple[str, ...]:
    cpu, lag, late = conditions.cpu_share, conditions.lag_mean_s, conditions.send_late_p99_s
    reasons = []
    if cpu is not None and cpu > CPU_LIMIT and _tells_cpu(conditions):
        reasons.append(f"the load generator used {cpu:.0%} of a core, more than {CPU_LIMIT:.0%}: its clock is late")
    if lag is not None and typical_s is not None and lag > max(LAG_LIMIT * typical_s, FLOOR_S):
        stood = f"the load generator's event loop was late by {_s(lag)} on average"
        reasons.append(f"{stood}, more than {LAG_LIMIT:.0%} of a typical answer ({_s(typical_s)})")
    scheduled = _tells_lateness(conditions)
    if scheduled and late is not None and typical_s is not None and late > max(LATENESS_LIMIT * typical_s, LATENESS_FLOOR_S):
        reasons.append(f"requests were sent up to {_s(late)} late (p99), more than {LATENESS_LIMIT:.0%} of a typical answer")
    return tuple(f"invalid: {reason}; {WAY_OUT}" for reason in reasons)


def _tells_cpu(conditions: Conditions) -> bool:
    return (conditions.asking_s or 0.0) >= CPU_FLOOR_S


def _tells_lateness(conditions: Conditions) -> bool:
    """Whether there was a schedule to keep, and trials enough for a p99."""
    return conditions.asked_rate is not None and (conditions.trials or 0) >= LATENESS_TRIALS


def _rate(conditions: Conditions) -> tuple[str, ...]:
    asked, achieved = conditions.asked_rate, conditions.achieved_rate
    if asked is None or achieved is None or achieved >= (1 - RATE_LIMIT) * asked:
        return ()
    return (f"invalid: {achieved:.3g} requests a second were sent where {asked:.3g} were asked for; {WAY_OUT}",)


def _law(conditions: Conditions) -> tuple[str, ...]:
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


def little(in_flight: float, rate: float, response_s: float) -> float:
    """Return |L - lambda W| / L: how far the trials in flight are from arrivals a second times seconds (Little, 1961)."""
    return abs(in_flight - rate * response_s) / in_flight


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


_SUMMED = ("asking_s", "trials", "stalls", "stalled_s", "sent_late", "never_sent")
_LARGEST = ("cpu_share", "lag_mean_s", "lag_p99_s", "lag_max_s", "send_late_p99_s", "poll_late_p99_s")

_FLOORED = {"cpu_share": _tells_cpu, "send_late_p99_s": _tells_lateness}  # what is judged of enough only


def _most(sittings: Sequence[Conditions], name: str) -> float | None:
    return max((value for each in sittings if (value := getattr(each, name)) is not None), default=None)


def _total(sittings: Sequence[Conditions], name: str) -> Any:
    values = [value for each in sittings if (value := getattr(each, name)) is not None]
    return sum(values) if values else None


def _tuples(value: Any) -> Any:
    """Return JSON's lists as the tuples they were."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _s(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"

"""Whether the load was what it claims to be: the generator's own limits, the rate, the clock, the server's version.

What the run knows of itself is handed in as ``Conditions``; every reason found makes the run's comparisons invalid. Little's
law is checked from the trials and only warned of, because a client that polls sees short trials end late and is not at fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from uderia_bench.analysis.trials import Trials

# A slow client is a wrong clock: at 90 % of its core the event loop answers late to everything (design.md, What bites).
CPU_LIMIT = 0.9

# What a request waits in the generator is in no latency. Up to a tenth of a typical answer it is less than the margins that
# experiments ask for; beyond, the schedule was not kept and the load was another one.
LATENESS_LIMIT = 0.1

# A rate that is missed by more than a tenth is another load than the one asked for.
RATE_LIMIT = 0.1

# |L - lambda W| / L. The demo's 20-fold speed makes .11 by polling alone; a client that stalls makes more.
LITTLE_LIMIT = 0.2

SENT, DONE, SERVED = "sent_at", "done_at", "task_s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a run noted of itself; None and empty where it did not.

    ``cpu_share`` is the generator's share of one core while it sent, ``late_s`` how late it sent (p99, against its schedule),
    ``typical_s`` a median answer, rates are arrivals a second, ``versions`` the versions each server gave, in their order.
    """

    cpu_share: float | None = None
    late_s: float | None = None
    typical_s: float | None = None
    asked_rate: float | None = None
    achieved_rate: float | None = None
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def failed_conditions(conditions: Conditions) -> tuple[str, ...]:
    """Return why the run's comparisons are invalid; empty where nothing is known against them."""
    return (*_saturation(conditions), *_rate(conditions), *_versions(conditions.versions))


def _saturation(conditions: Conditions) -> tuple[str, ...]:
    cpu, late, typical = conditions.cpu_share, conditions.late_s, conditions.typical_s
    reasons = []
    if cpu is not None and cpu > CPU_LIMIT:
        reasons.append(f"invalid: the load generator used {cpu:.0%} of a core, more than {CPU_LIMIT:.0%}: its clock is late")
    if late is not None and typical is not None and late > LATENESS_LIMIT * typical:
        reasons.append(
            f"invalid: requests were sent up to {late:.2g} s late (p99), more than {LATENESS_LIMIT:.0%} of a typical answer"
        )
    return tuple(reasons)


def _rate(conditions: Conditions) -> tuple[str, ...]:
    asked, achieved = conditions.asked_rate, conditions.achieved_rate
    if asked is None or achieved is None or achieved >= (1 - RATE_LIMIT) * asked:
        return ()
    return (f"invalid: {achieved:.3g} requests a second arrived where {asked:.3g} were asked for",)


def _versions(versions: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(
        f"invalid: {server} changed its version during the run: {', then '.join(dict.fromkeys(seen))}"
        for server, seen in versions.items()
        if len(set(seen)) > 1
    )


def little(in_flight: float, rate: float, response_s: float) -> float:
    """Return |L - lambda W| / L: how far the trials in flight are from arrivals a second times seconds (Little, 1961)."""
    return abs(in_flight - rate * response_s) / in_flight


def little_note(trials: Trials) -> tuple[str, ...]:
    """Warn where the client's view of the load (sent to done) and the server's own times do not belong together."""
    if not {SENT, DONE, SERVED} <= set(trials.frame.columns):
        return ()
    rows = trials.frame.select(SENT, DONE, SERVED).drop_nulls().filter(pl.col(DONE) > pl.col(SENT))
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

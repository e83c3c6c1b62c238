"""Measurements of the load generator, one record per sitting, and the worst of several sittings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

# Imports and first connections are most of the CPU of the first seconds: below this, the share is mostly start-up.
CPU_FLOOR_S = 5.0

# A p99 of fewer is their largest.
LATENESS_TRIALS = 100

_SUMMED = ("asking_s", "trials", "stalls", "stalled_s", "sent_late", "never_sent")
_LARGEST = ("cpu_share", "lag_mean_s", "lag_p99_s", "lag_max_s", "send_late_p99_s", "poll_late_p99_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorRecord:
    """What a run measured of its load generator while it asked; None and empty where it did not.

    ``asking_s`` is how long it asked, ``trials`` how many were in flight in that time, ``cpu_share`` the process's share of one
    core. ``lag_*`` is how late the event loop woke, ``stalls`` how often by more than ``generator.STALL_S``, ``stalled_s`` for
    how long in all, ``longest_stalls`` (begin, length) from the first send. ``send_late_p99_s`` is how late sends began against
    schedule or spacing, ``poll_late_p99_s`` polls. The rates are arrivals a second, asked and achieved, of an open loop;
    ``sent_late`` of its trials were sent more than ``generator.SENT_LATE_S`` after their moment, ``never_sent`` were due and
    not sent when the run was stopped. ``in_flight`` is L, ``arrival_rate`` lambda, ``flight_s`` W. ``sittings``: how many
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


def tells_cpu(conditions: GeneratorRecord) -> bool:
    """Whether the run was long enough to judge its share of CPU."""
    return (conditions.asking_s or 0.0) >= CPU_FLOOR_S


def tells_lateness(conditions: GeneratorRecord) -> bool:
    """Whether there was a schedule to keep, and trials enough for a p99."""
    return conditions.asked_rate is not None and (conditions.trials or 0) >= LATENESS_TRIALS


def little(in_flight: float, rate: float, response_s: float) -> float:
    """Return |L - lambda W| / L: how far the trials in flight are from arrivals a second times seconds (Little, 1961)."""
    return abs(in_flight - rate * response_s) / in_flight


_FLOORED = {"cpu_share": tells_cpu, "send_late_p99_s": tells_lateness}  # what is judged of enough only


def worst(sittings: Sequence[GeneratorRecord]) -> GeneratorRecord:
    """Return what counts of a run that was asked in several sittings: of everything the worst, of amounts the sum.

    A sitting that is too short to be judged by itself on CPU or lateness is left out where others are judged. A resume for one
    last trial is mostly imports.
    """
    if len(sittings) == 1:
        return sittings[0]
    found: dict[str, Any] = {name: _most(sittings, name) for name in _LARGEST}
    found["longest_stalls"] = max(sittings, key=lambda each: each.lag_max_s or 0.0).longest_stalls
    found |= {name: _total(sittings, name) for name in _SUMMED}
    if rated := [each for each in sittings if each.kept_rate is not None]:
        slowest = min(rated, key=lambda each: each.kept_rate or 0.0)
        found |= {name: getattr(slowest, name) for name in ("asked_rate", "achieved_rate")}
    if loaded := [each for each in sittings if each.little is not None]:
        oddest = max(loaded, key=lambda each: each.little or 0.0)
        found |= {name: getattr(oddest, name) for name in ("in_flight", "arrival_rate", "flight_s")}
    whole = GeneratorRecord(**found, sittings=len(sittings))
    judged: dict[str, Any] = {
        name: _most([each for each in sittings if tells(each)], name) for name, tells in _FLOORED.items() if tells(whole)
    }
    return replace(whole, **judged)


def _most(sittings: Sequence[GeneratorRecord], name: str) -> float | None:
    return max((value for each in sittings if (value := getattr(each, name)) is not None), default=None)


def _total(sittings: Sequence[GeneratorRecord], name: str) -> Any:
    values = [value for each in sittings if (value := getattr(each, name)) is not None]
    return sum(values) if values else None

"""The course of a run over time: rate, latency and trials in flight, in a bounded number of equal parts.

Why parts that double their width: a run of a minute has parts of a second, and one of a night has parts of some
minutes. So neither the message to a page nor its drawing grows with the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from uderia_bench.stats.arrays import Floats
from uderia_bench.view.state import ArmCourse, CourseState

PARTS = 60  # most parts of a course
NARROWEST_S = 1.0
BREAK_S = 3600.0  # without the end of a trial, as where a run was resumed the next day: the course begins after it
_DIGITS = 4

Marks: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The trials that have ended, one place each: when in seconds of UTC, and how.

    ``arm`` is the place of a measured trial's arm, and -1 for a warm-up. ``sent_s`` is NaN for a trial that was not sent,
    ``latency_s`` for one without an answer.
    """

    sent_s: Floats
    ended_s: Floats
    latency_s: Floats
    arm: npt.NDArray[np.intp]
    answered: Marks
    rate_limited: Marks
    unreachable: Marks


def course(
    ended: Ended, in_flight_since_s: Sequence[float], *, arms: Sequence[str], began_s: float, now_s: float | None
) -> CourseState | None:
    """Return the course until ``now_s``, or until the last trial ended without it; None where that is too short."""
    last_s = max(ended.ended_s.max(initial=began_s), -np.inf if now_s is None else now_s)
    first_s = _after_break(ended.ended_s, began_s)
    width_s = NARROWEST_S
    while (last_s - first_s) / width_s > PARTS:
        width_s *= 2
    parts = round((last_s - first_s) / width_s)  # at least half of the last one has passed
    if parts < 1:
        return None
    edges = np.minimum(first_s + width_s * np.arange(parts + 1), last_s)
    part = np.searchsorted(edges, ended.ended_s, side="right") - 1
    part[ended.ended_s == edges[-1]] = parts - 1
    lasts = np.diff(edges)

    def count(chosen: Marks) -> npt.NDArray[np.intp]:
        return np.bincount(part[chosen & (part >= 0) & (part < parts)], minlength=parts)

    sent = np.concatenate([ended.sent_s, np.array(in_flight_since_s, dtype=np.float64)])
    back = np.concatenate([ended.ended_s, np.full(len(in_flight_since_s), np.inf)])
    return CourseState(
        began_at=datetime.fromtimestamp(first_s, UTC),
        after_break=first_s > began_s,
        width_s=width_s,
        answered_per_s=_rounded(count(ended.answered) / lasts),
        unanswered_per_s=_rounded(count(~ended.answered) / lasts),
        in_flight=_rounded(np.diff(_flown(sent, back, edges)) / lasts),
        rate_limited=tuple(count(ended.rate_limited).tolist()),
        unreachable=tuple(count(ended.unreachable).tolist()),
        arms=tuple(
            ArmCourse(arm=name, p50=_percentiles(values, of_part, parts, 0.50), p95=_percentiles(values, of_part, parts, 0.95))
            for at, name in enumerate(arms)
            for values, of_part in [_sorted(ended, part, (ended.arm == at) & (part >= 0) & (part < parts))]
        ),
    )


def _after_break(ended_s: Floats, began_s: float) -> float:
    """Return the end of the last long break in which no trial ended; the beginning without one."""
    moments = np.sort(ended_s)
    breaks = np.flatnonzero(np.diff(moments) > BREAK_S)
    return float(moments[breaks[-1] + 1]) if breaks.size else began_s


def _flown(sent_s: Floats, back_s: Floats, edges: Floats) -> Floats:
    """Return the seconds that trials were in flight until each edge, of all trials together."""
    known = ~np.isnan(sent_s)
    return _elapsed(sent_s[known], edges) - _elapsed(back_s[known & np.isfinite(back_s)], edges)


def _elapsed(moments: Floats, edges: Floats) -> Floats:
    """Return the sum of the times from the moments before each edge to it."""
    moments = np.sort(moments) - edges[0]
    before = np.searchsorted(moments, edges - edges[0])
    sums = np.concatenate([np.zeros(1), np.cumsum(moments)])
    passed: Floats = before * (edges - edges[0]) - sums[before]
    return passed


def _sorted(ended: Ended, part: npt.NDArray[np.intp], chosen: Marks) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Return the latencies of answers with their parts, by part and then by latency."""
    places = np.flatnonzero(chosen & ended.answered & ~np.isnan(ended.latency_s))
    places = places[np.lexsort((ended.latency_s[places], part[places]))]
    return ended.latency_s[places], part[places]


def _percentiles(values: Floats, part: npt.NDArray[np.intp], parts: int, rank: float) -> tuple[float | None, ...]:
    """Return a percentile of each part, as ``numpy.quantile`` has it, in one go; None for a part without answers."""
    counts = np.bincount(part, minlength=parts)
    known = np.flatnonzero(counts)
    places = np.cumsum(counts)[known] - counts[known] + rank * (counts[known] - 1)
    low = np.floor(places).astype(np.intp)
    high = np.ceil(places).astype(np.intp)
    found: list[float | None] = [None] * parts
    for at, value in zip(known, _rounded(values[low] + (places - low) * (values[high] - values[low])), strict=True):
        found[at] = value
    return tuple(found)


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(np.round(values, _DIGITS).tolist())

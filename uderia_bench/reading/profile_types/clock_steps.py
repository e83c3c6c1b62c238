"""Steps of the server's clock during a trial, found with the client's clock.

The server's clock may be set while a trial runs, by seconds or by hours. Its timestamps then tell how
long the task took plus or minus the step. The client knows better: a task cannot take longer than from
the sending of its query to the poll that saw its end, and it runs at least until the last poll before.
Timestamps outside these bounds are moved back inside, with a note on the trial.

Without times of the client (a body read from a file, a trial of an interrupted sitting), only a step
back is certain: all later events are then older than an earlier one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import inf

from uderia_bench.trial import TrialRecord

SLACK = 0.001  # of a duration: a clock that is corrected smoothly runs at most 0.05 % fast or slow
SLACK_S = 0.05
LATE_S = 1.0  # how much later than the server's answer our process may note a poll
STEP_S = 1.0  # an event that much older than the one before it follows a step, or was delivered late
LONG_GAP_S = 600.0  # between two events, without a client's time to compare it with
LONG_SHARE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """The timestamps of one task without the steps of the clock.

    ``step_s`` is the largest step, forward if positive, None without one. ``offsets`` are how far the
    clock was off after each step.
    """

    stamps: tuple[float, ...]
    ended: float | None
    step_s: float | None = None
    offsets: tuple[float, ...] = ()
    note: str | None = None


def correct(stamps: Sequence[float], ended: float | None, record: TrialRecord) -> Corrected:
    """Return the timestamps of a task's events, in the server's order, and of its end, without steps of the clock."""
    every = [*stamps, *(() if ended is None else (ended,))]
    plain = Corrected(stamps=tuple(stamps), ended=ended)
    if len(every) < 2:
        return plain
    least_s, likely_s, most_s = _bounds(record)
    whole_s = every[-1] - min(every) if ended is not None else inf
    if max(every) - min(every) <= most_s and whole_s >= least_s and (most_s < inf or not _went_back(every)):
        return _with_gap_noted(plain, every) if most_s == inf else plain
    moved, offsets, place = _moved(every, most_s)
    if ended is not None and most_s < inf:  # the gap at the step is not known: place the end between the two polls
        missing_s = likely_s - (moved[-1] - moved[0])
        moved = [*moved[:place], *(stamp + max(missing_s, 0.0) for stamp in moved[place:])]
    step_s = max(offsets, key=abs, default=0.0)
    known = "times come from the client's clock" if most_s < inf else "times after the step are moved"
    return Corrected(
        stamps=tuple(moved[: len(stamps)]),
        ended=None if ended is None else moved[-1],
        step_s=step_s,
        offsets=tuple(offsets),
        note=f"the server's clock was set {'forward' if step_s > 0 else 'back'} by about {abs(step_s):.0f} s: {known}",
    )


def _bounds(record: TrialRecord) -> tuple[float, float, float]:
    """Return the shortest, the likely and the longest time from the first event to the end, by the client's clock."""
    if record.seen_hi_s is None or record.sent_s is None or record.accepted_s is None:
        return 0.0, 0.0, inf
    round_trip_s = record.accepted_s - record.sent_s
    running_s = record.seen_lo_s or 0.0
    likely_s = max((running_s + record.seen_hi_s) / 2 - round_trip_s, 0.0)
    return max(running_s - 2 * round_trip_s - LATE_S, 0.0), likely_s, record.seen_hi_s * (1 + SLACK) + SLACK_S


def _went_back(stamps: Sequence[float]) -> bool:
    """Whether all timestamps from some place on are older than one before it."""
    highest_before = list(accumulate(stamps, max))
    highest_after = list(accumulate(reversed(stamps), max))[::-1]
    return any(before - after > STEP_S for before, after in zip(highest_before, highest_after[1:], strict=False))


def _moved(stamps: Sequence[float], most_s: float) -> tuple[list[float], list[float], int]:
    """Close every step: return the timestamps, the clock's offset after each step, and the place of the first step."""
    moved, offsets, offset, first = [stamps[0]], list[float](), 0.0, len(stamps) - 1
    back_s = min(STEP_S, most_s)  # no event of a shorter task is that much late
    for place, stamp in enumerate(stamps[1:], start=1):
        before, here = moved[-1], stamp - offset
        if here - stamps[0] > most_s or here < before - back_s:
            offset += here - before
            offsets.append(offset)
            first = min(first, place)
            here = before
        moved.append(here)
    if not offsets:  # a step back that is shorter than a gap between two events: the longest gap holds it
        gaps = [after - before for before, after in pairwise(moved)]
        first = gaps.index(max(gaps)) + 1
    return moved, offsets, first


def _with_gap_noted(plain: Corrected, stamps: Sequence[float]) -> Corrected:
    """Note a long gap between two events: it may be a step forward, and there is no client time to compare it with."""
    longest_s = max(after - before for before, after in pairwise(stamps))
    if longest_s < max(LONG_GAP_S, LONG_SHARE * (max(stamps) - min(stamps))):
        return plain
    note = f"{longest_s:.0f} s lie between two events: a long wait, or a step of the server's clock (no client time to compare)"
    return Corrected(stamps=plain.stamps, ended=plain.ended, note=note)

"""The load generator, measured while it asks: how late its event loop, its sends and its polls are, and what it costs itself.

A heartbeat sleeps a short while and notes how late it wakes. What it finds is corrected for coordinated omission as
HdrHistogram does it: a loop that stood still for a second missed a hundred beats, and each of them would have been late. So a
quantile of the lag is what a callback due at any moment had to wait. Memory does not grow with the run: lateness is counted in
buckets, and of the stalls only the latest are kept.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, log
from typing import Never

import anyio

from uderia_bench.runner.garbage import Tidy
from uderia_bench.runs.generator import GeneratorRecord

BEAT_S = 0.01  # a beat costs about 30 microseconds, so a hundred a second cost 0.3 % of a core; shorter stalls hide between two
SENT_LATE_S = 0.01  # an arrival off by more is counted: five times the 2 ms aimed at for p99 (tests/bench/open_loop.py)
STALL_S = 0.015  # the error of a latency aimed at for p99 (tests/bench/clock.py): a longer stall in a round trip is more
STALLS_KEPT = 4096  # the latest; a loop that stood still oftener than that while one trial was sent has worse to report
STALLS_NAMED = 20  # the longest, for the manifest

_FINEST_S = 1e-5  # a tenth of what a clock of ours can promise
_STEP = 1.05  # a bucket's upper edge over its lower one: quantiles are at most 5 % too high


class Histogram:
    """Seconds, counted in buckets of 5 %: quantiles of any number of them in bounded memory."""

    def __init__(self) -> None:
        self.count = 0
        self.max_s = 0.0
        self._sum_s = 0.0
        self._buckets: dict[int, int] = {}

    def add(self, seconds: float) -> None:
        """Count one value; a negative one is 0."""
        seconds = max(seconds, 0.0)
        bucket = 0 if seconds <= _FINEST_S else ceil(log(seconds / _FINEST_S) / log(_STEP))
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1
        self._sum_s += seconds
        self.max_s = max(self.max_s, seconds)

    @property
    def mean_s(self) -> float | None:
        """The mean; None of nothing."""
        return self._sum_s / self.count if self.count else None

    def quantile_s(self, share: float) -> float | None:
        """Return the value that ``share`` of all do not exceed, up to 5 % too high; None of nothing."""
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= share * self.count:
                return min(_FINEST_S * _STEP**bucket, self.max_s)
        return None


@dataclass(slots=True)
class Flight:
    """One trial in flight: ``over`` says that its exchange with the server is, and what is left is ours to do."""

    begun_s: float
    answered_s: float | None = None

    def over(self) -> None:
        """Note that the server has nothing more to say."""
        self.answered_s = anyio.current_time()


class Gauge:
    """What one sitting measures of its generator; times are anyio's clock, in seconds.

    ``beat_s`` is how often the event loop is looked at: ``math.inf`` for never, as virtual time wants it. ``tidy`` is called at
    every beat, and when nothing is in flight any more.
    """

    def __init__(self, *, beat_s: float = BEAT_S, tidy: Tidy | None = None) -> None:
        self._beat_s = beat_s
        self._tidy = tidy
        self._lag, self._sends, self._polls = Histogram(), Histogram(), Histogram()
        self._stalls: deque[tuple[float, float]] = deque(maxlen=STALLS_KEPT)
        self._longest: list[tuple[float, float]] = []
        self._stall_count = 0
        self._stalled_s = 0.0
        self._opened_s: float | None = None
        self._closed_s = 0.0
        self._cpu_s = self._cpu_begun_s = 0.0
        self._in_flight = self._flights = 0
        self._held_s = self._answering_s = 0.0
        self._scheduled = _Scheduled()
        self._sent_late = self._never_sent = 0

    async def watch(self) -> Never:
        """Feel the event loop's pulse until cancelled."""
        while True:
            due_s = anyio.current_time() + self._beat_s
            await anyio.sleep(self._beat_s)
            self.woke(due_s, anyio.current_time())
            if self._tidy is not None:
                self._tidy(quiet=False)

    def woke(self, due_s: float, woke_s: float) -> None:
        """Take one beat that was due then and came now."""
        lag_s = max(woke_s - due_s, 0.0)
        if lag_s > STALL_S:
            self._note((due_s, woke_s))
        while lag_s >= 0:
            self._lag.add(lag_s)
            lag_s -= self._beat_s

    def send_late(self, seconds: float) -> None:
        """Take how long this process was late to begin the sending of a trial, by the schedule or by the spacing of starts."""
        self._sends.add(seconds)

    def sent(self, seconds: float) -> None:
        """Take how long after it was due a query was sent, whoever kept it: this process, or a server slow to make sessions."""
        self._sent_late += seconds > SENT_LATE_S

    def poll_late(self, seconds: float) -> None:
        """Take how long after its moment a poll was sent."""
        self._polls.add(seconds)

    def scheduled(self, lane: str, number: int, due_s: float, late_s: float) -> None:
        """Take arrival ``number``, from 0, of a lane's window: when it was due, and how late it was begun (early: negative)."""
        self._scheduled.add(lane, number, due_s, due_s + late_s)

    def never_sent(self, trials: int) -> None:
        """Take how many the schedule wanted sent when the run was told to stop: what held them back was no slot."""
        self._never_sent += trials

    @contextmanager
    def flying(self) -> Iterator[Flight]:
        """Count a trial as in flight, from its first request until it is committed."""
        flight = Flight(begun_s=anyio.current_time())
        if self._opened_s is None:
            self._opened_s, self._cpu_begun_s = flight.begun_s, time.process_time()
        self._in_flight += 1
        try:
            yield flight
        finally:
            self._in_flight -= 1
            self._flights += 1
            self._closed_s = anyio.current_time()
            self._cpu_s = time.process_time() - self._cpu_begun_s
            self._held_s += self._closed_s - flight.begun_s
            self._answering_s += (flight.answered_s or self._closed_s) - flight.begun_s
            if self._tidy is not None and not self._in_flight:
                self._tidy(quiet=True)

    def stalled_s(self, begin_s: float, end_s: float) -> float:
        """Return for how many seconds of an interval the event loop stood still, by what has been noted up to now."""
        stalls = tuple(self._stalls)
        first = bisect_right(stalls, begin_s, key=lambda stall: stall[1])
        overlaps = (min(end, end_s) - max(begin, begin_s) for begin, end in stalls[first:] if begin < end_s)
        return sum(overlap for overlap in overlaps if overlap > 0)

    def conditions(self) -> GeneratorRecord:
        """Return what was measured so far; what there was nothing to measure of is None."""
        wall_s = 0.0 if self._opened_s is None else self._closed_s - self._opened_s
        asked, achieved = self._scheduled.rates()
        return GeneratorRecord(
            asking_s=wall_s,
            trials=self._flights,
            cpu_share=self._cpu_s / wall_s if wall_s > 0 else None,
            lag_mean_s=self._lag.mean_s,
            lag_p99_s=self._lag.quantile_s(0.99),
            lag_max_s=self._lag.max_s if self._lag.count else None,
            stalls=self._stall_count,
            stalled_s=self._stalled_s,
            longest_stalls=tuple((begin - (self._opened_s or 0.0), end - begin) for begin, end in sorted(self._longest)),
            send_late_p99_s=self._sends.quantile_s(0.99),
            poll_late_p99_s=self._polls.quantile_s(0.99),
            asked_rate=asked,
            achieved_rate=achieved,
            sent_late=None if asked is None else self._sent_late,
            never_sent=None if asked is None else self._never_sent,
            in_flight=self._held_s / wall_s if wall_s > 0 else None,
            arrival_rate=self._flights / wall_s if wall_s > 0 else None,
            flight_s=self._answering_s / self._flights if self._flights else None,
        )

    def _note(self, stall: tuple[float, float]) -> None:
        """Remember a stall, and whether it is among the longest."""
        self._stalls.append(stall)
        self._stall_count += 1
        self._stalled_s += stall[1] - stall[0]
        self._longest.append(stall)
        if len(self._longest) > STALLS_NAMED:
            self._longest.remove(min(self._longest, key=lambda each: each[1] - each[0]))


class _Scheduled:
    """Arrivals by the clock, a lane's windows one after the other: between two windows nothing is due."""

    def __init__(self) -> None:
        self._due_s = self._taken_s = 0.0
        self._gaps = 0
        self._last: dict[str, tuple[float, float]] = {}

    def add(self, lane: str, number: int, due_s: float, begun_s: float) -> None:
        if number:
            last = self._last[lane]
            self._gaps += 1
            self._due_s += due_s - last[0]
            self._taken_s += begun_s - last[1]
        self._last[lane] = due_s, begun_s

    def rates(self) -> tuple[float | None, float | None]:
        """Return arrivals a second as the schedule wanted them and as they were; None of a closed loop."""
        if not self._gaps or self._due_s <= 0 or self._taken_s <= 0:
            return None, None
        return self._gaps / self._due_s, self._gaps / self._taken_s

"""Measures the load generator while it runs: the lateness of its event loop, sends and polls, and its CPU time.

A heartbeat sleeps for a short time and records how late it wakes. The record is corrected for
coordinated omission, as in HdrHistogram: a loop that stood still for one second missed 100 beats, and
each of them counts as late. A quantile of the lag is therefore the wait of a callback that was due at
a random time. Memory stays constant: lateness is counted in buckets, and only the newest stalls are kept.

This module also keeps Python's garbage collector away from the trials in flight. A collection stalls
the event loop by 2 ms (youngest objects, 1,000 trials in flight) to 25 ms (all objects). A trial that
goes well leaves no reference cycle, so collecting can wait until no trial is in flight, or until so
many objects were made that memory matters more.
"""

from __future__ import annotations

import gc
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, log
from typing import Never, Protocol

import anyio

from uderia_bench.runs.generator import GeneratorRecord

BEAT_S = 0.01  # one beat costs about 30 µs of CPU, so 100 a second cost 0.3 % of a core; shorter stalls stay unseen
SENT_LATE_S = 0.01  # a send this late is counted: five times the 2 ms aimed at for p99 (tests/bench/open_loop.py)
STALL_S = 0.015  # a stall this long is noted: the latency error aimed at for p99 (tests/bench/clock.py)
STALLS_KEPT = 4096  # the newest stalls, to find those inside one round trip
STALLS_NAMED = 20  # the longest stalls, for the manifest

COLLECT_IDLE_AFTER = 10_000  # collect while idle once this many objects were allocated since the last collection
# Collect at any time after this many. Trials whose calls all fail once or twice allocate 270 objects and
# 110 KB each, 200 MB in all by then. 1,000 good trials in flight keep at most 210,000 objects alive.
COLLECT_AFTER = 500_000

_FINEST_S = 1e-5  # a tenth of the resolution that our clocks can promise
_STEP = 1.05  # upper edge of a bucket over its lower edge: quantiles are at most 5 % too high


class Collect(Protocol):
    """Runs the garbage collector when enough objects were allocated."""

    def __call__(self, *, idle: bool) -> None:
        """Collect if due; while ``idle``, fewer objects are enough."""


@contextmanager
def collector_paused() -> Iterator[Collect]:
    """Turn the garbage collector off; yield what runs it instead, and restore its state at the end.

    Where the caller has frozen objects already, all stay frozen: it is not known which are the caller's.
    """
    enabled, frozen = gc.isenabled(), gc.get_freeze_count() > 0
    gc.freeze()
    gc.disable()

    def collect(*, idle: bool) -> None:
        if gc.get_count()[0] >= (COLLECT_IDLE_AFTER if idle else COLLECT_AFTER):
            gc.collect()

    try:
        yield collect
    finally:
        if enabled:
            gc.enable()
        if not frozen:
            gc.unfreeze()


class Histogram:
    """Counts durations in buckets of 5 %, so that quantiles need a bounded amount of memory."""

    def __init__(self) -> None:
        self.count = 0
        self.max_s = 0.0
        self._sum_s = 0.0
        self._buckets: dict[int, int] = {}

    def add(self, seconds: float) -> None:
        """Count one value in seconds; a negative value counts as 0."""
        seconds = max(seconds, 0.0)
        bucket = 0 if seconds <= _FINEST_S else ceil(log(seconds / _FINEST_S) / log(_STEP))
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1
        self._sum_s += seconds
        self.max_s = max(self.max_s, seconds)

    @property
    def mean_s(self) -> float | None:
        """The mean, or None without values."""
        return self._sum_s / self.count if self.count else None

    def quantile_s(self, share: float) -> float | None:
        """Return a quantile, at most 5 % too high, or None without values."""
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= share * self.count:
                return min(_FINEST_S * _STEP**bucket, self.max_s)
        return None


@dataclass(slots=True)
class Flight:
    """One trial in flight; ``over`` marks the end of its exchange with the server."""

    begun_s: float
    answered_s: float | None = None

    def over(self) -> None:
        """Mark the end of the exchange; what remains is work of this process."""
        self.answered_s = anyio.current_time()


class Gauge:
    """Measurements of the load generator in one sitting; times are seconds on anyio's clock.

    ``beat_s`` is the time between two heartbeats; ``math.inf`` means no heartbeat, for tests in virtual
    time. ``collect`` is called at every beat, and whenever no trial is in flight any more.
    """

    def __init__(self, *, beat_s: float = BEAT_S, collect: Collect | None = None) -> None:
        self._beat_s = beat_s
        self._collect = collect
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
        """Measure the lag of the event loop until cancelled."""
        while True:
            due_s = anyio.current_time() + self._beat_s
            await anyio.sleep(self._beat_s)
            self.woke(due_s, anyio.current_time())
            if self._collect is not None:
                self._collect(idle=False)

    def woke(self, due_s: float, woke_s: float) -> None:
        """Record one beat: when it was due and when it came."""
        lag_s = max(woke_s - due_s, 0.0)
        if lag_s > STALL_S:
            self._note((due_s, woke_s))
        while lag_s >= 0:
            self._lag.add(lag_s)
            lag_s -= self._beat_s

    def send_late(self, seconds: float) -> None:
        """Record how many seconds late this process began to send a trial."""
        self._sends.add(seconds)

    def sent(self, seconds: float) -> None:
        """Record how many seconds after its due time a query was sent, including a slow creation of its session."""
        self._sent_late += seconds > SENT_LATE_S

    def poll_late(self, seconds: float) -> None:
        """Record how many seconds after its due time a poll was sent."""
        self._polls.add(seconds)

    def scheduled(self, lane: str, number: int, due_s: float, late_s: float) -> None:
        """Record arrival ``number`` (from 0) of a lane's window: its due time and its lateness (negative: early)."""
        self._scheduled.add(lane, number, due_s, due_s + late_s)

    def never_sent(self, trials: int) -> None:
        """Record how many trials were due but not sent when the run was stopped."""
        self._never_sent += trials

    @contextmanager
    def flying(self) -> Iterator[Flight]:
        """Count a trial as in flight, from its first request to its commit."""
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
            if self._collect is not None and not self._in_flight:
                self._collect(idle=True)

    def stalled_s(self, begin_s: float, end_s: float) -> float:
        """Return for how many seconds of an interval the event loop stood still, as far as recorded yet."""
        stalls = tuple(self._stalls)
        first = bisect_right(stalls, begin_s, key=lambda stall: stall[1])
        overlaps = (min(end, end_s) - max(begin, begin_s) for begin, end in stalls[first:] if begin < end_s)
        return sum(overlap for overlap in overlaps if overlap > 0)

    def conditions(self) -> GeneratorRecord:
        """Return the measurements so far; a field without any measurement is None."""
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
        """Record a stall, also among the longest if it is one of them."""
        self._stalls.append(stall)
        self._stall_count += 1
        self._stalled_s += stall[1] - stall[0]
        self._longest.append(stall)
        if len(self._longest) > STALLS_NAMED:
            self._longest.remove(min(self._longest, key=lambda each: each[1] - each[0]))


class _Scheduled:
    """Scheduled and actual arrival rates within the windows of an open loop; pauses between windows are left out."""

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
        """Return the scheduled and the actual arrivals per second; both None in a closed loop."""
        if not self._gaps or self._due_s <= 0 or self._taken_s <= 0:
            return None, None
        return self._gaps / self._due_s, self._gaps / self._taken_s

"""The clock of a run: durations on the monotonic clock, and times of day that only go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf

import anyio


@dataclass(frozen=True, slots=True)
class Clock:
    """The run's clock: monotonic seconds since the start of the sitting, and UTC for people.

    UTC can jump forward during a run, so durations use the monotonic clock only.
    """

    start_s: float
    utc: Callable[[], datetime]

    def now_s(self) -> float:
        """Return seconds since the run began, on anyio's clock."""
        return anyio.current_time() - self.start_s

    def since(self, moment_s: float) -> float:
        """Convert a time on anyio's clock into seconds since the run began."""
        return moment_s - self.start_s


class SteadyUtc:
    """UTC that goes on during a run, whatever is done to the machine's clock: each reading is later than the one before.

    Times of one run are compared with each other: the run asks which trials were sent before a server
    returned, and the report which trials overlapped. After a clock was set back, this one goes on as before.
    It follows a clock that is set forward, as after the machine was asleep.
    """

    def __init__(self, utc: Callable[[], datetime]) -> None:
        self._utc = utc
        self._ahead_s = -inf  # of the monotonic clock
        self._last = datetime.min.replace(tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the time."""
        shown_s = self._utc().timestamp()  # before the monotonic clock: a pause in between must not set this one forward
        now_s = anyio.current_time()
        self._ahead_s = max(self._ahead_s, shown_s - now_s)
        self._last = max(datetime.fromtimestamp(now_s + self._ahead_s, UTC), self._last + timedelta.resolution)
        return self._last

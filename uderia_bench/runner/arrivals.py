"""Decides when the next conversation of a server may start: by free slots, by a schedule, and by a spacing of starts."""

from __future__ import annotations

from itertools import takewhile
from math import inf

import anyio

from uderia_bench.runner import pacing

PREPARE_S = 1.0  # lead time to create a session in an open loop: ten times what an idle server needs
STARTS_A_SECOND = 250.0  # 500 sends at once are up to 130 ms late (p99) in the client alone; at this rate, 2 to 3 ms


class Slots:
    """A number of places that can change: fewer come as their holders leave."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._free = anyio.Semaphore(size)
        self._owed = 0

    async def acquire(self) -> None:
        """Wait for a place."""
        await self._free.acquire()

    def release(self) -> None:
        """Give a place back."""
        if self._owed:
            self._owed -= 1
        else:
            self._free.release()

    def resize(self, size: int) -> None:
        """Change the number of places."""
        for _ in range(size - self.size):
            self.release()
        for _ in range(self.size - size):
            try:
                self._free.acquire_nowait()
            except anyio.WouldBlock:
                self._owed += 1
        self.size = size


class Arrivals:
    """The load of one level on one server.

    A schedule continues from window to window. The first trial of a window is due when the window
    opens, so a ramp does not include the pause in which the last trials of the previous arm end.
    """

    def __init__(self, shape: pacing.Shape, *, ramp_s: float = 0.0) -> None:
        self.slots = Slots(1 if ramp_s else shape.slots)
        self._shape = shape
        self._ramp_s = ramp_s
        self._number = 0
        self._opened_s = 0.0

    async def ramp(self) -> None:
        """Open the slots one after the other over the ramp; without a ramp they are open from the start."""
        begun_s = anyio.current_time()
        for slot in range(1, self._shape.slots if self._ramp_s else 0):
            await anyio.sleep_until(begun_s + pacing.opens_s(slot, slots=self._shape.slots, ramp_s=self._ramp_s))
            self.slots.release()

    def resize(self, size: int) -> bool:
        """Change the number of slots; return False where the ramp or the schedule decides on them."""
        if self._ramp_s or self._shape.pacer(0) is not None:
            return False
        self.slots.resize(size)
        return True

    def postpone(self, seconds: float) -> None:
        """Move the schedule by a pause."""
        self._opened_s += seconds

    def open_window(self) -> None:
        """Continue the schedule, with time to prepare the first trial of the window."""
        self._opened_s = anyio.current_time() + PREPARE_S - (self._shape.pacer(self._number) or 0.0)

    def next_due_s(self) -> float | None:
        """Return when the next conversation is due on anyio's clock, or None for as soon as a slot is free."""
        self._number += 1
        return self._due_s(self._number - 1)

    def overdue(self, left: int) -> int:
        """Return how many of the last conversation and the ``left`` next ones should have started by now."""
        now_s = anyio.current_time()
        dues = map(self._due_s, range(self._number - 1, self._number + left))
        return sum(1 for _ in takewhile(lambda due_s: due_s is not None and due_s <= now_s, dues))

    def _due_s(self, number: int) -> float | None:
        after_s = self._shape.pacer(number)
        return None if after_s is None else self._opened_s + after_s


class Spacing:
    """The distance between two starts in a closed loop, over all servers of a run, which share one event loop.

    Why a rate and not a cap on requests in flight: a cap would wait for a slow server, and so change
    the load on it.
    """

    def __init__(self, rate: float = STARTS_A_SECOND) -> None:
        self._apart_s = 1 / rate
        self._next_s = -inf

    def take(self, now_s: float) -> float:
        """Reserve the next start and return its time: now, or one distance after the start before."""
        start_s = max(now_s, self._next_s)
        self._next_s = start_s + self._apart_s
        return start_s

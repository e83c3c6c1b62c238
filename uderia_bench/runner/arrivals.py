"""When the next conversation of a server may be asked: its slots, opening over a ramp, or its schedule. It asks nothing."""

from __future__ import annotations

from itertools import takewhile

import anyio

from uderia_bench.runner import pacing

PREPARE_S = 1.0  # before its moment an open loop makes a session: ten times what that and a commit take on an idle server


class Arrivals:
    """The load of one level on one server.

    A schedule goes on from window to window: the first trial of a window is due when it opens, and the pause before it, in
    which the last trials of the other arm end, is no part of the ramp.
    """

    def __init__(self, shape: pacing.Shape, *, ramp_s: float = 0.0) -> None:
        self.slots = anyio.Semaphore(1 if ramp_s else shape.slots)
        self._shape = shape
        self._ramp_s = ramp_s
        self._number = 0
        self._opened_s = 0.0

    async def ramp(self) -> None:
        """Open the slots one after the other; returns at once where they are open from the start."""
        begun_s = anyio.current_time()
        for slot in range(1, self._shape.slots if self._ramp_s else 0):
            await anyio.sleep_until(begun_s + pacing.opens_s(slot, slots=self._shape.slots, ramp_s=self._ramp_s))
            self.slots.release()

    def open_window(self) -> None:
        """Let the schedule go on, with the time its first trial takes to prepare."""
        self._opened_s = anyio.current_time() + PREPARE_S - (self._shape.pacer(self._number) or 0.0)

    def next_due_s(self) -> float | None:
        """Return when the next conversation is due, on anyio's clock; None: as soon as it has a slot."""
        self._number += 1
        return self._due_s(self._number - 1)

    def overdue(self, left: int) -> int:
        """Return how many of the last one and the ``left`` that follow it should have been sent by now."""
        now_s = anyio.current_time()
        dues = map(self._due_s, range(self._number - 1, self._number + left))
        return sum(1 for _ in takewhile(lambda due_s: due_s is not None and due_s <= now_s, dues))

    def _due_s(self, number: int) -> float | None:
        after_s = self._shape.pacer(number)
        return None if after_s is None else self._opened_s + after_s

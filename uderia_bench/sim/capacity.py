"""Capacity of one server process: a single event loop with a queue of work.

Source: docs/reference/protocol.md, "Concurrency and limits"; docs/reference/measured.md, "Load".

On two cores the real server sustains 2 to 2.5 tasks a second. Waiting for an LLM or a tool is not
work of the loop.
"""

from __future__ import annotations

import asyncio

from uderia_bench.sim.clock import Clock

MEASURED_TASKS_PER_S = 2.5  # as measured; the work of one task in the engines adds up to it
LLM_CALL_S = 0.06  # work for one LLM call: prompt, token counts, saving the session
TOOL_CALL_S = 0.03  # work for one tool call
_READ_S = 0.0005  # work for one read of a task
# A request waits behind the current work only: with 60 tasks in flight a submit took 3.6 s and a
# poll 2.5 s.
_LONGEST_REQUEST_S = 4.0
_LONGEST_READ_S = 3.0
_SHORTEST_WAIT_S = 0.001  # a shorter timer costs more time than it models


class Loop:
    """The event loop of the server. With ``tasks_per_s`` 0 tasks do not wait for each other."""

    def __init__(self, clock: Clock, tasks_per_s: float) -> None:
        self._clock = clock
        self._scale = MEASURED_TASKS_PER_S / tasks_per_s if tasks_per_s else None
        self._free_at = 0.0

    async def work(self, seconds: float) -> None:
        """Do work of ``seconds`` at speed 1 after all queued work."""
        if self._scale is None:
            await self._clock.sleep(seconds)
            return
        wait = self._queue(seconds * self._scale)
        if wait > _SHORTEST_WAIT_S:
            await asyncio.sleep(wait)

    async def answer(self, seconds: float) -> None:
        """Do the work of a request that changes something, with a bounded waiting time."""
        await self._bounded(seconds, _LONGEST_REQUEST_S)

    async def read(self) -> None:
        """Do the work of a read, with a bounded waiting time."""
        await self._bounded(_READ_S, _LONGEST_READ_S)

    async def _bounded(self, seconds: float, longest: float) -> None:
        if self._scale is None:
            await self._clock.sleep(seconds)
            return
        wait = min(self._queue(seconds * self._scale), longest / self._clock.speed)
        if wait > _SHORTEST_WAIT_S:
            await asyncio.sleep(wait)

    def _queue(self, seconds: float) -> float:
        """Queue work and return the real seconds until it is done."""
        now = self._clock.seconds
        self._free_at = max(now, self._free_at) + seconds / self._clock.speed
        return self._free_at - now

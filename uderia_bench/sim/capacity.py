"""How much one server process can take: a single event loop whose work queues up.

Source: docs/reference/protocol.md, "Concurrency and limits"; docs/reference/measured.md, "Load".

The real server has no queue and no limit; it has one loop, and all its code does on it waits for what is before it. On two
cores it sustains 2 to 2.5 tasks a second, whatever the agents themselves wait for. Waits for an LLM or a tool are not work.
"""

from __future__ import annotations

import asyncio

from uderia_bench.sim.clock import Clock

MEASURED_TASKS_PER_S = 2.5  # what the seconds of work written in the engines add up to, as measured
LLM_CALL_S = 0.06  # work around one LLM call: assembling the prompt, counting, saving the session
TOOL_CALL_S = 0.03  # ... around one tool call
_READ_S = 0.0005  # ... of reading one task, which is serialised once
# A request waits behind the work at hand, not behind all that is queued: at 60 tasks in flight a submit took 3.6 s, a poll 2.5.
_LONGEST_REQUEST_S = 4.0
_LONGEST_READ_S = 3.0
_SHORTEST_WAIT_S = 0.001  # below it a timer costs more than it models


class Loop:
    """The server's one event loop. ``tasks_per_s`` 0: work takes its time, but never another's."""

    def __init__(self, clock: Clock, tasks_per_s: float) -> None:
        self._clock = clock
        self._scale = MEASURED_TASKS_PER_S / tasks_per_s if tasks_per_s else None
        self._free_at = 0.0

    async def work(self, seconds: float) -> None:
        """Do what takes the measured server ``seconds`` at speed 1, after everything queued before."""
        if self._scale is None:
            await self._clock.sleep(seconds)
            return
        wait = self._queue(seconds * self._scale)
        if wait > _SHORTEST_WAIT_S:
            await asyncio.sleep(wait)

    async def answer(self, seconds: float) -> None:
        """Do the work of a request that changes something: queued like all work, but its answer never takes long."""
        await self._bounded(seconds, _LONGEST_REQUEST_S)

    async def read(self) -> None:
        """Answer a read: it waits for the work before it, but never for long."""
        await self._bounded(_READ_S, _LONGEST_READ_S)

    async def _bounded(self, seconds: float, longest: float) -> None:
        if self._scale is None:
            await self._clock.sleep(seconds)
            return
        wait = min(self._queue(seconds * self._scale), longest / self._clock.speed)
        if wait > _SHORTEST_WAIT_S:
            await asyncio.sleep(wait)

    def _queue(self, seconds: float) -> float:
        """Queue so much work and return how long it is until it is done, in real seconds."""
        now = self._clock.seconds
        self._free_at = max(now, self._free_at) + seconds / self._clock.speed
        return self._free_at - now

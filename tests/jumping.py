"""An event loop of asyncio whose time stands still while work is done, and jumps to the next timer when there is none.

For servers and clients in this process: durations do not depend on the machine, and waiting takes no time.
"""

from __future__ import annotations

import asyncio
import heapq


class JumpingLoop(asyncio.SelectorEventLoop):
    """What ``MockClock`` is for trio. A file descriptor or a thread that is waited for does not keep it from jumping."""

    def __init__(self) -> None:
        """Begin at second 0."""
        super().__init__()
        self._now_s = 0.0

    def time(self) -> float:
        """Return the seconds that timers have waited for."""
        return self._now_s

    def _run_once(self) -> None:
        while self._scheduled and self._scheduled[0].cancelled():
            self._timer_cancelled_count -= 1
            heapq.heappop(self._scheduled)._scheduled = False
        if not self._ready and self._scheduled:
            self._now_s = max(self._now_s, self._scheduled[0].when())
        super()._run_once()

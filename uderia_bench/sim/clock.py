"""The server's clocks: real stamps that never go back, and waits that a speed shortens."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime


class Clock:
    """Monotonic seconds, wall-clock stamps made from them, and scaled sleeping."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._wall_zero = time.time() - time.perf_counter()

    @property
    def seconds(self) -> float:
        """Monotonic seconds, for durations."""
        return time.perf_counter()

    @property
    def epoch(self) -> float:
        """Seconds since 1970, never going back."""
        return self._wall_zero + time.perf_counter()

    def stamp(self) -> str:
        """Now, as the server stamps events: ISO, microseconds, UTC."""
        return datetime.fromtimestamp(self.epoch, UTC).isoformat(timespec="microseconds")

    def local_stamp(self) -> str:
        """Now, as the server stamps sessions: naive local time."""
        return datetime.fromtimestamp(self.epoch).isoformat(timespec="microseconds")  # noqa: DTZ006 - the server's own oddity

    async def sleep(self, seconds: float) -> None:
        """Wait for what takes the agent ``seconds`` at speed 1."""
        await asyncio.sleep(seconds / self.speed)

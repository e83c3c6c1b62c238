"""Clock of the server: real timestamps that never go back, and sleeps divided by the speed."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime


class Clock:
    """Monotonic seconds, timestamps derived from them, and scaled sleeps."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._wall_zero = time.time() - time.perf_counter()

    @property
    def seconds(self) -> float:
        """Monotonic seconds, for durations."""
        return time.perf_counter()

    @property
    def epoch(self) -> float:
        """Seconds since 1970 that never go back."""
        return self._wall_zero + time.perf_counter()

    def stamp(self) -> str:
        """Return the present time as the server stamps events: ISO format, microseconds, UTC."""
        return datetime.fromtimestamp(self.epoch, UTC).isoformat(timespec="microseconds")

    def local_stamp(self) -> str:
        """Return the present time as the server stamps sessions: local time without a zone."""
        return datetime.fromtimestamp(self.epoch).isoformat(timespec="microseconds")  # noqa: DTZ006 - as the real server does

    async def sleep(self, seconds: float) -> None:
        """Sleep for ``seconds`` divided by the speed."""
        await asyncio.sleep(seconds / self.speed)

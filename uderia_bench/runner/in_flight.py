"""The trials in flight, so that a stop can wait for them and then end them. It sends and cancels nothing on a server."""

from __future__ import annotations

import anyio
import structlog

from uderia_bench.runner.stop import Stop

log = structlog.get_logger(__name__)


class InFlight:
    """Each trial's scope; ``grace_s`` is what they get to end by themselves when the run is told to stop."""

    def __init__(self, grace_s: float, stop: Stop) -> None:
        self._grace_s = grace_s
        self._stop = stop
        self._scopes: dict[str, anyio.CancelScope] = {}
        self._ended = False

    def scope(self, trial_id: str) -> anyio.CancelScope:
        """Return the scope a trial runs in; one that comes when all have been ended is ended before it begins."""
        scope = self._scopes[trial_id] = anyio.CancelScope()
        if self._ended:
            scope.cancel()
        return scope

    def landed(self, trial_id: str) -> None:
        """Forget a trial that is over."""
        self._scopes.pop(trial_id, None)

    async def guard(self) -> None:
        """Wait for a stop, give what is in flight its grace, then end it."""
        await self._stop.soft.wait()
        log.info("stopping: nothing new is sent", in_flight=len(self._scopes), grace_s=self._grace_s)
        with anyio.move_on_after(self._grace_s):
            await self._stop.hard.wait()
        self._ended = True
        for scope in list(self._scopes.values()):
            scope.cancel()

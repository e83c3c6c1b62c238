"""Stopping a run, by a signal or for a reason found during the run, and ending the trials in flight."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from signal import Signals
from typing import TypeVar

import anyio
import anyio.lowlevel
import structlog

STOP_TEXT = "stopping: no new trials are sent, trials in flight may finish; press Ctrl-C again to cancel them"
NOW_TEXT = "stopping now: trials in flight are cancelled"
_Answer = TypeVar("_Answer")
TIMER_S = 0.0015  # timers may fire 1 ms late; waking a task takes another 0.3 ms
log = structlog.get_logger(__name__)


class Stop:
    """A request to stop the run.

    ``soft`` is set: no new trials are sent, and trials in flight may finish. ``hard`` is set: they are
    cancelled. ``reason`` is set when the run stops itself, as for a used-up budget. ``patient``: trials
    in flight may finish without a grace time, each within its timeout.
    """

    def __init__(self, signals: tuple[Signals, ...] = (), *, say: Callable[[str], None] | None = None) -> None:
        self.soft = anyio.Event()
        self.hard = anyio.Event()
        self.reason: str | None = None
        self.patient = False
        self.paused_s = 0.0
        self._resumed: anyio.Event | None = None
        self._paused_at_s = 0.0
        self._signals = signals
        self._say = say

    def ask(self) -> None:
        """Ask once for a soft stop, again for a hard one."""
        (self.hard if self.soft.is_set() else self.soft).set()

    def because(self, reason: str, *, patient: bool = False) -> None:
        """Ask for a soft stop with a reason; a later reason does not replace the first."""
        if not self.soft.is_set():
            self.reason, self.patient = reason, patient
            self.tell(f"stopping: {reason}")
            self.soft.set()

    @property
    def paused(self) -> bool:
        """Whether new trials are held back for now."""
        return self._resumed is not None

    def pause(self) -> None:
        """Hold back what is not sent yet; trials in flight go on."""
        if self._resumed is None:
            self._resumed = anyio.Event()
            self._paused_at_s = anyio.current_time()

    def go_on(self) -> None:
        """End a pause; ``paused_s`` sums them up."""
        if self._resumed is not None:
            self.paused_s += anyio.current_time() - self._paused_at_s
            self._resumed.set()
            self._resumed = None

    async def released(self) -> bool:
        """Wait while the run is paused; return False if a stop comes first."""
        while self._resumed is not None and not self.soft.is_set():
            resumed = self._resumed

            async def waited() -> bool:
                await resumed.wait()  # noqa: B023 - awaited before the loop goes on
                return True

            await self.unless(waited)
        return not self.soft.is_set()

    def tell(self, text: str) -> None:
        """Print a message to the terminal."""
        if self._say is not None:
            self._say(text)

    async def sleep(self, seconds: float) -> bool:
        """Wait; return False if a stop ends the wait."""
        with anyio.move_on_after(seconds):
            await self.soft.wait()
        return not self.soft.is_set()

    async def unless(self, ask: Callable[[], Awaitable[_Answer]]) -> _Answer | None:
        """Await ``ask`` and return its answer; a stop cancels it and returns None."""
        answer: _Answer | None = None
        async with anyio.create_task_group() as group:

            async def stopped() -> None:
                await self.soft.wait()
                group.cancel_scope.cancel()

            group.start_soon(stopped)
            answer = await ask()
            group.cancel_scope.cancel()
        return answer

    async def until(self, at_s: float) -> bool:
        """Wait for a time on anyio's clock, more exactly than a timer can; return False if a stop ends the wait."""
        if not await self.sleep(at_s - TIMER_S - anyio.current_time()):
            return False
        while (now_s := anyio.current_time()) < at_s:
            await anyio.lowlevel.checkpoint()  # other tasks run meanwhile
            if anyio.current_time() == now_s:  # a virtual clock moves only while every task waits
                await anyio.sleep_until(at_s)
        return not self.soft.is_set()

    async def listen(self) -> None:
        """Turn the process's signals into requests to stop, and print what each does."""
        if not self._signals:
            return
        with anyio.open_signal_receiver(*self._signals) as received:
            async for _ in received:
                self.ask()
                self.tell(NOW_TEXT if self.hard.is_set() else STOP_TEXT)


class InFlight:
    """The cancel scopes of the trials in flight. ``grace_s``: time to finish after a soft stop."""

    def __init__(self, grace_s: float, stop: Stop) -> None:
        self._grace_s = grace_s
        self._stop = stop
        self._scopes: dict[str, anyio.CancelScope] = {}
        self._ended = False

    def scope(self, trial_id: str) -> anyio.CancelScope:
        """Return the cancel scope of a trial; once all have been cancelled, a new one is cancelled too."""
        scope = self._scopes[trial_id] = anyio.CancelScope()
        if self._ended:
            scope.cancel()
        return scope

    @property
    def count(self) -> int:
        """The number of trials in flight."""
        return len(self._scopes)

    def cancel(self, trial_id: str) -> bool:
        """Cancel one trial; return whether it was in flight, and not cancelled before."""
        if (scope := self._scopes.get(trial_id)) is None or scope.cancel_called:
            return False
        scope.cancel()
        return True

    def landed(self, trial_id: str) -> None:
        """Remove a trial that has ended."""
        self._scopes.pop(trial_id, None)

    async def guard(self) -> None:
        """Wait for a soft stop, then for the grace time or a hard stop, then cancel what is still in flight."""
        await self._stop.soft.wait()
        log.info("stopping: no new trials are sent", in_flight=len(self._scopes), grace_s=self._grace_s)
        with anyio.move_on_after(None if self._stop.patient else self._grace_s):
            await self._stop.hard.wait()
        self._ended = True
        for scope in list(self._scopes.values()):
            scope.cancel()

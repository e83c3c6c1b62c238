"""How a run is told to end, by a signal or for a reason of its own. It ends nothing itself: whoever works looks here."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from signal import Signals
from types import FrameType

import anyio
import anyio.lowlevel

STOP_TEXT = "stopping: nothing new is sent, what is in flight may finish; once more to stop now"
AGAIN_S = 0.05  # until a destructor that swallowed a signal is done
TIMER_S = 0.0015  # timers go by whole milliseconds and fire up to one late; some 0.3 ms pass until a task has waked
NOW_TEXT = "stopping now: what is in flight is cancelled"


def take_as_interrupt() -> None:
    """Have every signal that ends a process raise ``KeyboardInterrupt`` where no run listens to it, as Ctrl-C does."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    def lost(unraisable: sys.UnraisableHookArgs) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):  # in a destructor, where nothing can be raised: send it again
            threading.Timer(AGAIN_S, signal.raise_signal, (signal.SIGINT,)).start()
        else:
            sys.__unraisablehook__(unraisable)

    sys.unraisablehook = lost
    for number in listened_to():
        signal.signal(number, interrupt)


def listened_to() -> tuple[Signals, ...]:
    """Return the signals that end a run: the terminal's going away too, unless nohup has it ignored."""
    hang_up = getattr(signal, "SIGHUP", None)
    heard = hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *((hang_up,) if heard else ()))


class Stop:
    """``soft`` sends nothing new and lets trials finish, ``hard`` cancels them at once; ``reason`` is the run's own, if any."""

    def __init__(self, signals: tuple[Signals, ...] = (), *, say: Callable[[str], None] | None = None) -> None:
        self.soft = anyio.Event()
        self.hard = anyio.Event()
        self.reason: str | None = None
        self._signals = signals
        self._say = say

    def ask(self) -> None:
        """Ask once for a soft stop, again for a hard one."""
        (self.hard if self.soft.is_set() else self.soft).set()

    def because(self, reason: str) -> None:
        """Ask for a soft stop, and say why; the first reason stays."""
        if not self.soft.is_set():
            self.reason = reason
            self.tell(f"stopping: {reason}")
            self.soft.set()

    def tell(self, text: str) -> None:
        """Tell people what goes on."""
        if self._say is not None:
            self._say(text)

    async def sleep(self, seconds: float) -> bool:
        """Wait, but no longer than until a stop; True where nobody asked for one."""
        with anyio.move_on_after(seconds):
            await self.soft.wait()
        return not self.soft.is_set()

    async def unless(self, ask: Callable[[], Awaitable[bool]]) -> bool:
        """Ask something that may take long, and drop it at a stop: False then."""
        answer = False
        async with anyio.create_task_group() as group:

            async def stopped() -> None:
                await self.soft.wait()
                group.cancel_scope.cancel()

            group.start_soon(stopped)
            answer = await ask()
            group.cancel_scope.cancel()
        return answer and not self.soft.is_set()

    async def until(self, at_s: float) -> bool:
        """Wait for a moment of anyio's clock, nearer than a timer can tell; True where nobody asked for a stop before."""
        if not await self.sleep(at_s - TIMER_S - anyio.current_time()):
            return False
        while (now_s := anyio.current_time()) < at_s:
            await anyio.lowlevel.checkpoint()  # everybody else goes on meanwhile
            if anyio.current_time() == now_s:  # virtual time passes only while nobody runs
                await anyio.sleep_until(at_s)
        return not self.soft.is_set()

    async def listen(self) -> None:
        """Take the process's signals as asking, and tell people what that does."""
        if not self._signals:
            return
        with anyio.open_signal_receiver(*self._signals) as received:
            async for _ in received:
                self.ask()
                self.tell(NOW_TEXT if self.hard.is_set() else STOP_TEXT)

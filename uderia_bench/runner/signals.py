"""The signals that end a process: imported by every command, from the standard library only."""

from __future__ import annotations

import signal
import sys
import threading
from signal import Signals
from types import FrameType

_AGAIN_S = 0.05  # wait before a signal is raised again that a destructor swallowed


def take_as_interrupt() -> None:
    """Raise ``KeyboardInterrupt`` for every signal that ends a process; a run installs its own handling."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    def lost(unraisable: sys.UnraisableHookArgs) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):  # raised in a destructor and lost: send it again
            threading.Timer(_AGAIN_S, signal.raise_signal, (signal.SIGINT,)).start()
        else:
            sys.__unraisablehook__(unraisable)

    sys.unraisablehook = lost
    for number in listened_to():
        signal.signal(number, interrupt)


def listened_to() -> tuple[Signals, ...]:
    """Return the signals that end a run; SIGHUP is one of them unless nohup makes the process ignore it."""
    hang_up = getattr(signal, "SIGHUP", None)
    heard = hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *((hang_up,) if heard else ()))

"""Waits for what another process or thread does. Each ends with a message that says what did not happen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

LIMIT_S = 150.0  # half of the limit of a test; what takes a second may take a minute on a busy machine
_LOOK_EVERY_S = 0.02
T = TypeVar("T")


def until(holds: Callable[[], T], awaited: str, *, process: Any = None, limit_s: float = LIMIT_S) -> T:
    """Wait until a function returns something true, and return that.

    ``process`` is what should bring it about: the wait fails once that has ended.
    """
    deadline = time.monotonic() + limit_s
    while True:
        ended = process is not None and process.poll() is not None
        if found := holds():
            return found
        if ended:
            raise AssertionError(f"ended with {process.returncode} before this was so: {awaited}; {process.communicate()}")
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {limit_s:.0f} s in vain: {awaited}")
        time.sleep(_LOOK_EVERY_S)

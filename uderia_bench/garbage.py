"""Full garbage collections kept out of the way of the clock: a run's imports and plans are not looked through again and again.

A collection of everything stalls the event loop by 24 to 28 ms (design.md, What bites). So what is there before the asking is
frozen, and full collections happen when nothing is in flight, or when so much may have piled up that memory comes first.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

YOUNG = 10_000  # objects made before the youngest are looked through; a trial cost 8 % less CPU at 20,000 than at CPython's 700
NEVER = 1_000_000_000  # collections of the middle generation before one of everything: more than any run has
QUIET_AFTER = 1  # collections of the middle generation after which a quiet moment is used: 10 * 10,000 objects made
AT_LATEST_AFTER = 20  # 20 * 10 * 10,000 objects may be dead cycles then, some 200 MB at worst


class Tidy(Protocol):
    """Collects when it is time to."""

    def __call__(self, *, quiet: bool) -> None:
        """Look through everything if enough has piled up, for less where this moment is a ``quiet`` one."""


@contextmanager
def held_back() -> Iterator[Tidy]:
    """Keep full collections back; yields what makes up for them.

    Restores the thresholds at the end; what was frozen belongs to the collector again.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(YOUNG, before[1], NEVER)

    def tidy(*, quiet: bool) -> None:
        if gc.get_count()[2] >= (QUIET_AFTER if quiet else AT_LATEST_AFTER):
            gc.collect()

    try:
        yield tidy
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()

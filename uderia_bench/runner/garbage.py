"""Garbage collections kept out of the way of the clock: what a run holds is not looked through again and again.

A collection stalls the event loop: 2 ms for the youngest objects of 1,000 trials in flight, 25 ms for the middle generation or
for everything (docs/explanation/architecture.md, "What costs time"). A trial that goes well leaves
no cycle behind, so there is next to nothing to find: what is there before the asking is frozen, and
the collector works when nothing is in flight, or when so much may have piled up that memory comes first.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

QUIET_AFTER = 10_000  # objects more than after the last collection, at which a quiet moment is used
# At which any moment is. Of trials whose every call fails once or twice that is 200 MB (270 objects and 110 KB each); of 1,000
# good ones in flight some 210,000 are alive at most.
AT_LATEST_AFTER = 500_000


class Tidy(Protocol):
    """Collects when it is time to."""

    def __call__(self, *, quiet: bool) -> None:
        """Look through everything if enough has piled up, for less where this moment is a ``quiet`` one."""


@contextmanager
def held_back() -> Iterator[Tidy]:
    """Keep the collector back; yields what makes up for it.

    It works again at the end as it did before, and what was frozen belongs to it again.
    """
    worked = gc.isenabled()
    gc.freeze()
    gc.disable()

    def tidy(*, quiet: bool) -> None:
        if gc.get_count()[0] >= (QUIET_AFTER if quiet else AT_LATEST_AFTER):
            gc.collect()

    try:
        yield tidy
    finally:
        if worked:
            gc.enable()
        gc.unfreeze()

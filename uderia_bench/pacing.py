"""When trial n of an open loop is due, as a pure function of n; a closed loop asks when a slot is free and has no clock."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from itertools import accumulate
from typing import TypeAlias

Pacer: TypeAlias = Callable[[int], float | None]
"""Trial number from 0 in, seconds after the start at which it is due out; None: as soon as a slot is free."""

_STRETCH = 1024  # arrivals computed and kept at a time: trial n then costs its stretch once, not everything before it


def closed(n: int) -> None:
    """Ask when a slot is free, whatever ``n``."""
    del n


def constant(rate: float) -> Pacer:
    """Ask at even distances, the first at once. ``rate`` is trials a second, above 0."""
    return lambda n: n / rate


def poisson(rate: float, seed: int) -> Pacer:
    """Ask at random distances, exponential with mean 1 / ``rate``, the first at once: users who do not know of each other."""

    def due_s(n: int) -> float:
        stretch, within = divmod(n, _STRETCH)
        start = sum(_arrivals(seed, earlier)[_STRETCH] for earlier in range(stretch))
        return (start + _arrivals(seed, stretch)[within]) / rate

    return due_s


@cache
def _arrivals(seed: int, stretch: int) -> tuple[float, ...]:
    """Arrival times at rate 1 since the stretch's first arrival; the last one is the next stretch's first."""
    rng = random.Random(f"{seed}/{stretch}")  # noqa: S311 - a load shape, not a secret
    return tuple(accumulate((rng.expovariate(1.0) for _ in range(_STRETCH)), initial=0.0))

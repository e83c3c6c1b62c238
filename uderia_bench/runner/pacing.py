"""When trial n of an open loop is due and when slot n of a closed one opens, ramps included: pure functions of n.

A ramp is linear, as vegeta's ``LinearPacer`` has it (``lib/pacer.go``): an open loop's rate grows from 0, so that after t
seconds of a ramp to ``rate`` over T seconds ``rate * t**2 / (2 * T)`` trials are due; trial n is due where that is n. A closed
loop's slots open one after the other at even distances, the first at once. A server has one ramp a sitting, begun by its first
trial: warm-ups are inside it, since a server that is still cold is what both are for.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import TypeAlias

Pacer: TypeAlias = Callable[[int], float | None]
"""Trial number from 0 in, seconds after the start at which it is due out; None: as soon as a slot is free."""

_STRETCH = 1024  # arrivals computed and kept at a time: trial n then costs its stretch once, not everything before it


def closed(n: int) -> None:
    """Ask when a slot is free, whatever ``n``."""
    del n


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The load of one stretch of a plan: so many slots of a closed loop, or, of an open one, a pacer that leaves none free."""

    slots: int
    pacer: Pacer = closed


def opens_s(slot: int, *, slots: int, ramp_s: float) -> float:
    """Return when a closed loop's ``slot`` (from 0) of ``slots`` opens: the first at once, the last at the ramp's end."""
    return ramp_s * slot / (slots - 1) if slots > 1 else 0.0


def constant(rate: float, ramp_s: float = 0.0) -> Pacer:
    """Ask at even distances, the first at once. ``rate`` is trials a second, above 0, reached after ``ramp_s``."""
    return lambda n: _due_s(n, rate, ramp_s)


def poisson(rate: float, seed: int, ramp_s: float = 0.0) -> Pacer:
    """Ask at random distances, exponential with mean 1 / ``rate``, the first at once: users who do not know of each other.

    Inside a ramp it is the Poisson process of the growing rate, by inversion of the integrated rate (Cinlar, *Introduction to
    Stochastic Processes*, 1975, 4.7).
    """
    return lambda n: _due_s(_arrival(seed, n), rate, ramp_s)


def _due_s(arrival: float, rate: float, ramp_s: float) -> float:
    """Return when the integrated rate comes to ``arrival``, which is a time at rate 1."""
    if 2 * arrival >= rate * ramp_s:
        return arrival / rate + ramp_s / 2
    return math.sqrt(2 * arrival * ramp_s / rate)


def _arrival(seed: int, n: int) -> float:
    """Return when trial n arrives at rate 1."""
    stretch, within = divmod(n, _STRETCH)
    start = sum(_arrivals(seed, earlier)[_STRETCH] for earlier in range(stretch))
    return start + _arrivals(seed, stretch)[within]


@cache
def _arrivals(seed: int, stretch: int) -> tuple[float, ...]:
    """Arrival times at rate 1 since the stretch's first arrival; the last one is the next stretch's first."""
    rng = random.Random(f"{seed}/{stretch}")  # noqa: S311 - a load shape, not a secret
    return tuple(accumulate((rng.expovariate(1.0) for _ in range(_STRETCH)), initial=0.0))

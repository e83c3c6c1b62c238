"""Pure functions for the load over time: when trial n of an open loop is due, and when slot n of a closed loop opens.

A ramp is linear, as in vegeta's ``LinearPacer`` (``lib/pacer.go``). In an open loop the rate grows from
0: after t seconds of a ramp to ``rate`` over T seconds, ``rate * t**2 / (2 * T)`` trials are due, and
trial n is due where that equals n. In a closed loop the slots open at even distances, the first at once.
A server has one ramp per sitting, which starts with its first trial, so that warm-ups are inside it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import TypeAlias

from uderia_bench.documents.experiment_parts import Load

Pacer: TypeAlias = Callable[[int], float | None]
"""Maps a trial number (from 0) to its due time in seconds after the start; None means when a slot is free."""

_STRETCH = 1024  # arrivals computed and cached at a time


def closed(n: int) -> None:
    """Return None for every trial: it is due as soon as a slot is free."""
    del n


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The load of one stretch of a plan: a number of slots (closed loop) or a pacer (open loop)."""

    slots: int
    pacer: Pacer = closed


def of(load: Load, seed: int) -> Shape:
    """Return the load of an experiment, or of one level of its sweep."""
    slots = 1 if load.isolation == "trial" else load.concurrency
    if load.rate is None:
        return Shape(slots=slots)
    if load.arrivals == "constant":
        return Shape(slots=slots, pacer=constant(load.rate, load.ramp))
    return Shape(slots=slots, pacer=poisson(load.rate, seed, load.ramp))


def opens_s(slot: int, *, slots: int, ramp_s: float) -> float:
    """Return when slot number ``slot`` (from 0) of a closed loop opens: the first at 0 s, the last at ``ramp_s``."""
    return ramp_s * slot / (slots - 1) if slots > 1 else 0.0


def constant(rate: float, ramp_s: float = 0.0) -> Pacer:
    """Return a pacer with even distances. ``rate`` is trials per second, above 0, reached after ``ramp_s``."""
    return lambda n: _due_s(n, rate, ramp_s)


def poisson(rate: float, seed: int, ramp_s: float = 0.0) -> Pacer:
    """Return a pacer with random distances, exponential with mean 1 / ``rate``, as independent users cause.

    Inside a ramp it is the Poisson process of the growing rate, by inversion of the integrated rate
    (Cinlar, *Introduction to Stochastic Processes*, 1975, 4.7).
    """
    return lambda n: _due_s(_arrival(seed, n), rate, ramp_s)


def _due_s(arrival: float, rate: float, ramp_s: float) -> float:
    """Return the time at which the integrated rate reaches ``arrival``, a time at rate 1."""
    if 2 * arrival >= rate * ramp_s:
        return arrival / rate + ramp_s / 2
    return math.sqrt(2 * arrival * ramp_s / rate)


def _arrival(seed: int, n: int) -> float:
    """Return the arrival time of trial n at rate 1."""
    stretch, within = divmod(n, _STRETCH)
    start = sum(_arrivals(seed, earlier)[_STRETCH] for earlier in range(stretch))
    return start + _arrivals(seed, stretch)[within]


@cache
def _arrivals(seed: int, stretch: int) -> tuple[float, ...]:
    """Return a stretch's arrival times at rate 1, from its first arrival to the first of the next stretch."""
    rng = random.Random(f"{seed}/{stretch}")  # noqa: S311 - a load shape, not a secret
    return tuple(accumulate((rng.expovariate(1.0) for _ in range(_STRETCH)), initial=0.0))

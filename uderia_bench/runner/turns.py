"""Orders in which the arms of a server take turns, and how many turns balance them."""

from __future__ import annotations

import math
from collections import Counter
from itertools import groupby

from uderia_bench.documents import sampling
from uderia_bench.documents.experiment import Experiment

LEAST_TURNS = 8
"""Turns of every arm, at least.

Simulated A/A tests of 24 queries and 5 repeats had drift as random walks, or correlated over a quarter
of the run. Two long turns reject in 48 to 64 % of the runs, four chunks in 10 to 35 %, and eight chunks
in 6 to 15 %. With 15 chunks, which give two arms eight turns each, it is 5 to 7 %.
"""

LEAST_BLOCKS = 2 * LEAST_TURNS
"""Blocks of a comparison, at least: two a turn, so that either arm can ask one of them first."""


def orders_of(experiment: Experiment) -> list[list[tuple[str, ...]]]:
    """Return the orders of the arms of each pool; all arms are one lane where they do not take turns."""
    turns = experiment.load.isolation == "arm"
    lanes = experiment.pools.values() if turns else [[arm.name for arm in experiment.arms]]
    return [_orders(list(arms), experiment.seed) for arms in lanes]


def cycle_of(experiment: Experiment) -> int:
    """Return the number of chunks after which all servers have gone through the orders of their arms."""
    return math.lcm(*map(len, orders_of(experiment)))


def _orders(arms: list[str], seed: int) -> list[tuple[str, ...]]:
    """Return the orders of the arms that follow each other, chunk after chunk.

    They are the rotations of a random order, each followed by its reverse (Williams, *Aust. J. Sci. Res.*
    A 2, 1949). So each arm has each place equally often and each of two arms comes first equally often.
    """
    base = sorted(arms, key=lambda arm: sampling.digest(seed, "turn", arm))
    rotations = [tuple(base[shift:] + base[:shift]) for shift in range(len(base))]
    return list(dict.fromkeys(order for rotation in rotations for order in (rotation, rotation[::-1])))


def _least_chunks(arms: int) -> int:
    """Return the number of chunks that give each of some arms ``LEAST_TURNS`` turns, by whole cycles of their orders."""
    if arms == 1:  # its chunks only keep blocks together
        return LEAST_BLOCKS
    cycle = _orders([str(arm) for arm in range(arms)], 0)
    turns, cycles = 0, 0
    while turns < LEAST_TURNS:
        cycles += 1
        asked = [arm for _ in range(cycles) for order in cycle for arm in order]
        turns = min(Counter(arm for arm, _ in groupby(asked)).values())
    return cycles * len(cycle)


def balanced_chunks(experiment: Experiment) -> int:
    """Return the fewest chunks that give each arm ``LEAST_TURNS`` turns on its servers together."""
    return max(_least_chunks(len(arms)) for arms in experiment.pools.values())

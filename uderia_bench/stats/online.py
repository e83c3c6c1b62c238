"""Levels of tests that follow each other for ever, so that false discoveries stay rare over all of them.

The method is LORD++ (Ramdas, Yang, Wainwright and Jordan, *NeurIPS* 30, 2017) with its whole first
budget, and with the series 6 / (pi^2 k^2), which adds up to 1. After any number of tests, the levels
add up to at most ``alpha`` times the number of tests with a discovery, or ``alpha`` before the first.
Each test must have new data. Then the expected number of tests with a false discovery is at most
``alpha`` times the expected number of tests with a discovery (or ``alpha``, before the first).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi


def level(discovered: Sequence[bool], alpha: float) -> float:
    """Return the level of the next test, given for each earlier one whether it discovered anything."""
    number = len(discovered) + 1
    earned = [place for place, found in enumerate(discovered, 1) if found][1:]  # the first one was paid for in advance
    return alpha * (_share(number) + sum(_share(number - place) for place in earned))


def _share(k: int) -> float:
    return 6 / (pi * k) ** 2

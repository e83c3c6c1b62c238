"""What a metric is: one value that schema, statistics and reports all read. It computes nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from uderia_bench.trace import Trace

# Why two profile types are not tested against each other on something, in the words of
# docs/reference/seed.md, "Comparison methodology".
CALL_COUNT = "LLM call count: architecture difference"
OVERHEAD = "Token overhead: expected to differ by design"
PHASES = "Execution phases: different architectures"

MEASUREMENT = "measurement"
"""The family of what says how well a trial was measured: shown beside the arms' numbers, never compared."""


class Direction(StrEnum):
    """Which way is better; a neutral metric is shown and never judged."""

    LOWER = "lower"
    HIGHER = "higher"
    NEUTRAL = "neutral"


class Assumption(StrEnum):
    """What the metric's author knows of its distribution; the statistics choose the method from it.

    ``POSITIVE``: a positive quantity with multiplicative noise, compared as a ratio of geometric means. ``AMOUNT``: can be
    exactly 0, compared as a difference of means. ``RATE``: lies in 0..1, compared as a difference in points.
    """

    POSITIVE = "positive"
    AMOUNT = "amount"
    RATE = "rate"


class Across(StrEnum):
    """Whether two arms of different profile types may be tested against each other on it.

    Source: docs/reference/seed.md, "Comparison methodology".
    """

    TESTED = "tested"
    STRUCTURAL = "structural"  # tested, labelled, never names a winner: it restates architecture
    SHOWN = "shown"  # shown side by side, never tested


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A named number of one trial.

    ``read`` returns the value or None where it does not apply; its type is ``kind``, checked before the store takes it.
    ``unit`` is a UCUM-like short form (``s``, ``tokens``, ``usd``, ``1`` for ratios and counts). ``needs_answer``: only
    answered trials feed its statistics. ``judged_unless`` names a boolean metric that, where true, takes the trial out of the
    tests but not out of the tables.
    """

    name: str
    family: str
    doc: str
    unit: str
    kind: type[bool | int | float]
    direction: Direction
    assumption: Assumption
    read: Callable[[Trace], bool | int | float | None]
    across: Across = Across.TESTED
    across_reason: str | None = None
    needs_answer: bool = True
    judged_unless: str | None = None

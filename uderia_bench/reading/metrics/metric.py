"""Type of a metric: one value that schema, statistics and reports all read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TypeAlias

from uderia_bench.trace import CallClass, Trace

PURPOSE = {
    CallClass.STRATEGIC: "strategic planning, re-planning included",
    CallClass.TACTICAL: "tactical planning",
    CallClass.REPORT: "writing the final report",
    CallClass.CORRECTION: "self-correction and recovery",
    CallClass.OTHER: "argument refinement, LLM tools and an agent's own steps",
}
"""Purpose of each class of LLM call, in words."""

# Reasons why a metric is not tested between two profile types (docs/reference/seed.md, "Comparison methodology").
CALL_COUNT = "LLM call count: architecture difference"
OVERHEAD = "Token overhead: profile types spend tokens on different steps"
PHASES = "Execution phases: different architectures"

WORK = frozenset({"tokens", "calls", "cost", "tools", "correction"})
"""Families that count a turn's work. They are None where the work of a consulted profile is not known."""

MEASUREMENT = "measurement"
"""Family of the metrics that describe the measurement itself. They are shown and not compared."""


class Direction(StrEnum):
    """Direction of improvement. A neutral metric is only shown."""

    LOWER = "lower"
    HIGHER = "higher"
    NEUTRAL = "neutral"


class Assumption(StrEnum):
    """Distribution of the values as the metric's author knows it; the statistics choose the method by it.

    ``POSITIVE``: a positive quantity with multiplicative noise, compared as a ratio of geometric
    means. ``AMOUNT``: can be exactly 0, compared as a difference of means. ``RATE``: between 0 and
    1, compared as a difference in points.
    """

    POSITIVE = "positive"
    AMOUNT = "amount"
    RATE = "rate"


class Across(StrEnum):
    """Whether arms of different profile types are tested against each other.

    Source: docs/reference/seed.md, "Comparison methodology".
    """

    TESTED = "tested"
    STRUCTURAL = "structural"  # tested and labelled, but no reason to name a winner: it restates architecture
    SHOWN = "shown"  # shown side by side, never tested


Read: TypeAlias = Callable[[Trace], bool | int | float | None]
"""The function that reads a metric's value from a trace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A named number of one trial.

    ``read`` returns a finite value of type ``kind``, or None where the metric does not apply.
    ``unit`` is a short form as in UCUM: ``s``, ``tokens``, ``usd``, or ``1`` for ratios and counts.
    With ``needs_answer``, only answered trials enter its statistics. ``judged_unless`` names a
    boolean metric: trials where it is true are shown, but left out of tests.
    """

    name: str
    family: str
    doc: str
    unit: str
    kind: type[bool | int | float]
    direction: Direction
    assumption: Assumption
    read: Read
    across: Across = Across.TESTED
    across_reason: str | None = None
    needs_answer: bool = True
    judged_unless: str | None = None

    @property
    def definition(self) -> dict[str, str]:
        """The definition as the manifest, ``report.json`` and ``uderia-bench metrics --json`` have it."""
        return {
            "family": self.family,
            "unit": self.unit,
            "type": self.kind.__name__,
            "direction": self.direction.value,
            "assumption": self.assumption.value,
            "across_profile_types": self.across.value,
            "doc": self.doc,
        }


counted = partial(Metric, unit="1", kind=int, direction=Direction.NEUTRAL, assumption=Assumption.AMOUNT)
"""A count. Its family says which direction is better, if one is."""

rated = partial(counted, kind=float, assumption=Assumption.RATE)
"""A share from 0 to 1."""


def if_returned(read: Read) -> Read:
    """Return a function whose value is None where the turn did not come back."""
    return lambda trace: None if trace.profile_type is None else read(trace)


def if_planned(read: Read) -> Read:
    """Return a function whose value is None for profile types without a plan."""
    return lambda trace: None if trace.plan is None else read(trace)

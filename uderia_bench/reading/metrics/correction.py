"""Correction metrics: how often the agent corrected its tool calls, and what that cost."""

from __future__ import annotations

from uderia_bench.reading.metrics.metric import Across, Assumption, Direction, Metric
from uderia_bench.reading.metrics.planning import executed
from uderia_bench.reading.metrics.tokens import class_tokens, total_tokens
from uderia_bench.trace import CallClass, Trace

_FAMILY = "correction"
_ARCHITECTURE = "only a planner logs its corrections; an agent makes them inside its steps"


def correction_rate(trace: Trace) -> float | None:
    """Return self-corrections / phases executed; above 1 where a phase needed several.

    Source: docs/reference/seed.md, "Metrics for optimization".
    """
    ran = len(executed(trace))
    return trace.corrections / ran if ran else None


def correction_token_ratio(trace: Trace) -> float | None:
    """Return correction / total tokens; None for types that log no corrections."""
    total, spent = total_tokens(trace), class_tokens(trace, CallClass.CORRECTION)
    return spent / total if trace.plan is not None and total and spent is not None else None


METRICS: tuple[Metric, ...] = (
    Metric(
        name="corrections",
        family=_FAMILY,
        doc="Attempts to correct a failed tool call with an LLM.",
        unit="1",
        kind=int,
        direction=Direction.LOWER,
        assumption=Assumption.AMOUNT,
        read=lambda trace: trace.corrections if trace.profile_type is not None else None,
        across=Across.SHOWN,
        across_reason=_ARCHITECTURE,
    ),
    Metric(
        name="correction_rate",
        family=_FAMILY,
        doc="Self-corrections / phases executed; None for profile types without phases.",
        unit="1",
        kind=float,
        direction=Direction.LOWER,
        assumption=Assumption.AMOUNT,
        read=correction_rate,
        across=Across.SHOWN,
        across_reason=_ARCHITECTURE,
    ),
    Metric(
        name="correction_token_ratio",
        family=_FAMILY,
        doc="Tokens of self-correction and recovery / total tokens; None for profile types without a plan.",
        unit="1",
        kind=float,
        direction=Direction.LOWER,
        assumption=Assumption.RATE,
        read=correction_token_ratio,
        across=Across.SHOWN,
        across_reason=_ARCHITECTURE,
    ),
    Metric(
        name="format_repairs",
        family=_FAMILY,
        doc="LLM replies whose format the server repaired or asked for again.",
        unit="1",
        kind=int,
        direction=Direction.LOWER,
        assumption=Assumption.AMOUNT,
        read=lambda trace: trace.format_repairs if trace.profile_type is not None else None,
        across=Across.SHOWN,
        across_reason=_ARCHITECTURE,
    ),
)

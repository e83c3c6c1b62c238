"""Correction metrics: how often the agent corrected its tool calls, and what that cost."""

from __future__ import annotations

from functools import partial

from uderia_bench.reading.metrics.metric import Across, Assumption, Direction, Metric, counted, if_planned, if_returned
from uderia_bench.reading.metrics.planning import executed
from uderia_bench.reading.metrics.tokens import token_share
from uderia_bench.trace import CallClass, Trace

_ARCHITECTURE = "only a planner logs its corrections; an agent makes them inside its steps"

_correction = partial(counted, family="correction", direction=Direction.LOWER, across=Across.SHOWN, across_reason=_ARCHITECTURE)


def correction_rate(trace: Trace) -> float | None:
    """Return self-corrections / phases executed; above 1 where a phase needed several.

    Source: docs/reference/seed.md, "Metrics for optimization".
    """
    ran = len(executed(trace))
    return trace.corrections / ran if ran else None


METRICS: tuple[Metric, ...] = (
    _correction(
        name="corrections",
        doc="Attempts to correct a failed tool call with an LLM.",
        read=if_returned(lambda trace: trace.corrections),
    ),
    _correction(
        name="correction_rate",
        doc="Self-corrections / phases executed; None for profile types without phases.",
        kind=float,
        read=correction_rate,
    ),
    _correction(
        name="correction_token_ratio",
        doc="Tokens of self-correction and recovery / total tokens; None for profile types without a plan.",
        kind=float,
        assumption=Assumption.RATE,
        read=if_planned(lambda trace: token_share(trace, CallClass.CORRECTION)),
    ),
    _correction(
        name="format_repairs",
        doc="LLM replies whose format the server repaired or asked for again.",
        read=if_returned(lambda trace: trace.format_repairs),
    ),
)

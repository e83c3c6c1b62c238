"""Learning metrics: whether a planner reused, summarised or expanded anything; None for other profile types."""

from __future__ import annotations

from uderia_bench.reading.metrics.metric import PHASES, Across, Assumption, Direction, Metric

_FAMILY = "learning"

METRICS: tuple[Metric, ...] = (
    Metric(
        name="rag_used",
        family=_FAMILY,
        doc="The planner retrieved a stored case of an earlier run before planning: the trial was warm.",
        unit="1",
        kind=bool,
        direction=Direction.NEUTRAL,
        assumption=Assumption.RATE,
        read=lambda trace: trace.rag_used,
        across=Across.SHOWN,
        across_reason=PHASES,
    ),
    Metric(
        name="hydrated",
        family=_FAMILY,
        doc="The plan used results of an earlier turn instead of fetching them again.",
        unit="1",
        kind=bool,
        direction=Direction.NEUTRAL,
        assumption=Assumption.RATE,
        read=lambda trace: trace.hydrated,
        across=Across.SHOWN,
        across_reason=PHASES,
    ),
    Metric(
        name="distillations",
        family=_FAMILY,
        doc="Number of times the server summarised results or documents to save context.",
        unit="1",
        kind=int,
        direction=Direction.NEUTRAL,
        assumption=Assumption.AMOUNT,
        read=lambda trace: None if trace.plan is None else trace.distillations,
        across=Across.SHOWN,
        across_reason=PHASES,
    ),
    Metric(
        name="orchestrations",
        family=_FAMILY,
        doc="Number of date ranges and column iterations that the server expanded into several calls.",
        unit="1",
        kind=int,
        direction=Direction.NEUTRAL,
        assumption=Assumption.AMOUNT,
        read=lambda trace: None if trace.plan is None else trace.orchestrations,
        across=Across.SHOWN,
        across_reason=PHASES,
    ),
)

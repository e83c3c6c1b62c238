"""Learning metrics: what a planner remembered, reused, summarised or expanded; None for types that do none of it."""

from __future__ import annotations

from uderia_bench.reading.metrics.metric import PHASES, Across, Assumption, Direction, Metric

_FAMILY = "learning"

METRICS: tuple[Metric, ...] = (
    Metric(
        name="rag_used",
        family=_FAMILY,
        doc="A stored case of an earlier run was retrieved before planning: the trial was warm.",
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
        doc="Results of an earlier turn were put into the plan instead of being fetched again.",
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
        doc="Times the server summarised results or documents to save context.",
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
        doc="Date ranges and column iterations that the server expanded into several calls.",
        unit="1",
        kind=int,
        direction=Direction.NEUTRAL,
        assumption=Assumption.AMOUNT,
        read=lambda trace: None if trace.plan is None else trace.orchestrations,
        across=Across.SHOWN,
        across_reason=PHASES,
    ),
)

"""Learning metrics: whether a planner reused, summarised or expanded anything; None for other profile types."""

from __future__ import annotations

from functools import partial

from uderia_bench.reading.metrics.metric import PHASES, Across, Assumption, Metric, counted, if_planned

_planner = partial(counted, family="learning", across=Across.SHOWN, across_reason=PHASES)
_flag = partial(_planner, kind=bool, assumption=Assumption.RATE)

METRICS: tuple[Metric, ...] = (
    _flag(
        name="rag_used",
        doc="The planner retrieved a stored case of an earlier run before planning: the trial was warm.",
        read=lambda trace: trace.rag_used,
    ),
    _flag(
        name="rag_exact",
        doc="The stored case that the planner retrieved first answered the same question, word for word; None without a case.",
        read=lambda trace: trace.rag_exact,
    ),
    _flag(
        name="hydrated",
        doc="The plan used results of an earlier turn instead of fetching them again.",
        read=lambda trace: trace.hydrated,
    ),
    _planner(
        name="distillations",
        doc="Number of times the server summarised results or documents to save context.",
        read=if_planned(lambda trace: trace.distillations),
    ),
    _planner(
        name="orchestrations",
        doc="Number of date ranges and column iterations that the server expanded into several calls.",
        read=if_planned(lambda trace: trace.orchestrations),
    ),
)

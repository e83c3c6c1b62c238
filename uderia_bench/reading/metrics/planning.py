"""Planning metrics: phases, how many of them took a fast path, and an estimate of the tokens saved.

A fast path is a phase that ran without a tactical LLM call. The server's own announcements are a
separate metric, because dispatched and orchestrated phases are not announced.
"""

from __future__ import annotations

from functools import partial

from uderia_bench.reading.metrics.metric import PHASES, Across, Assumption, Direction, Metric, counted, if_planned
from uderia_bench.trace import CallClass, Phase, PhasePath, Trace

_count = partial(counted, family="planning", across=Across.SHOWN, across_reason=PHASES)
_rate = partial(_count, kind=float, direction=Direction.HIGHER, assumption=Assumption.RATE)
_WITHOUT_TACTICAL = frozenset({PhasePath.FAST, PhasePath.DISPATCHED, PhasePath.ORCHESTRATED})


def executed(trace: Trace) -> list[Phase]:
    """Return the phases that ran, without the skipped ones."""
    return [phase for phase in trace.phases if phase.path is not PhasePath.SKIPPED]


def skipped_tactical(trace: Trace) -> list[Phase]:
    """Return the phases that ran without a tactical call."""
    return [phase for phase in trace.phases if phase.path in _WITHOUT_TACTICAL]


def _data_numbers(trace: Trace) -> set[int]:
    return {call.phase for call in trace.tool_calls if not call.system and call.phase is not None}


def fastpath_rate(trace: Trace) -> float | None:
    """Return phases without a tactical call / phases executed (docs/reference/seed.md, "Metrics for optimization")."""
    ran = len(executed(trace))
    return len(skipped_tactical(trace)) / ran if ran else None


def data_fastpath_rate(trace: Trace) -> float | None:
    """Return the fast-path rate of the phases that called a data tool; a report phase always takes the fast path."""
    numbers = _data_numbers(trace)
    ran = [phase for phase in executed(trace) if phase.number in numbers]
    return sum(1 for phase in ran if phase.path in _WITHOUT_TACTICAL) / len(ran) if ran else None


def direct_tool_rate(trace: Trace) -> float | None:
    """Return the data-tool calls that the plan or the dispatcher chose / all data-tool calls."""
    data = [call for call in trace.tool_calls if not call.system]
    return sum(1 for call in data if not call.llm_chosen) / len(data) if data and not trace.lower_bound else None


def fastpath_tokens_saved(trace: Trace) -> float | None:
    """Return data phases on a fast path x the mean tactical call of this trial; None without a tactical call."""
    tactical = [call.tokens for call in trace.llm_calls if call.call_class is CallClass.TACTICAL]
    if not tactical:
        return None
    numbers = _data_numbers(trace)
    saved = sum(1 for phase in skipped_tactical(trace) if phase.number in numbers)
    return saved * sum(tactical) / len(tactical)


METRICS: tuple[Metric, ...] = (
    _count(
        name="phases_planned",
        doc="Phases of the plan after the server's rewrites; 0 where planning failed, None for profile types without a plan.",
        read=if_planned(lambda trace: len(trace.plan or ())),
    ),
    _count(
        name="phases",
        doc="Phases executed, without the skipped ones.",
        read=if_planned(lambda trace: len(executed(trace))),
    ),
    _count(
        name="fastpath_phases",
        doc="Phases executed without a tactical LLM call.",
        direction=Direction.HIGHER,
        read=if_planned(lambda trace: len(skipped_tactical(trace))),
    ),
    _rate(
        name="fastpath_rate",
        doc="Phases without a tactical LLM call / phases executed; None for profile types without phases.",
        read=fastpath_rate,
    ),
    _count(
        name="fastpath_logged",
        doc="Phases that the server announced as FASTPATH. It does not announce dispatched and orchestrated phases.",
        read=if_planned(lambda trace: sum(phase.fastpath_logged for phase in trace.phases)),
    ),
    _rate(
        name="data_fastpath_rate",
        doc="Phases without a tactical LLM call / phases executed, of the phases that called a data tool.",
        read=data_fastpath_rate,
    ),
    _rate(
        name="direct_tool_rate",
        doc="Data-tool calls chosen by the plan or the dispatcher, not by an LLM step / all data-tool calls.",
        read=direct_tool_rate,
        across=Across.STRUCTURAL,
        across_reason="architecture: an agent's LLM chooses every tool call, a planner's plan chooses most of them",
    ),
    _rate(
        name="fastpath_tokens_saved",
        doc="Estimate: data phases on a fast path x the trial's mean tactical call; None without a tactical call.",
        unit="tokens",
        assumption=Assumption.AMOUNT,
        read=fastpath_tokens_saved,
    ),
    _count(
        name="plan_rewrites",
        doc="Number of times the server changed the LLM's plan before it ran; None for profile types without a plan.",
        direction=Direction.LOWER,
        read=if_planned(lambda trace: trace.plan_rewrites),
    ),
)

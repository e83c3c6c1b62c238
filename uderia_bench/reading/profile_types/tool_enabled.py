"""Read tool_enabled turns: a strategic plan, then phases with or without a tactical call.

Source: docs/reference/protocol.md, "Planner events" and "Execution trace".
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from uderia_bench.reading.profile_types import planner_log, planner_phases, planner_steps
from uderia_bench.reading.profile_types.accounts import naming, need_calls
from uderia_bench.reading.profile_types.assemble import Kind, assemble
from uderia_bench.reading.profile_types.exchange import Exchange
from uderia_bench.reading.profile_types.lenient import mapping, seconds, sequence, text
from uderia_bench.reading.profile_types.planner_log import ORCHESTRATION, LogEntry, PlannerLog, ToolEntry
from uderia_bench.reading.profile_types.planner_phases import OpenPhase, PhaseLedger
from uderia_bench.reading.profile_types.profile_type import ProfileType
from uderia_bench.reading.profile_types.wordings import Meaning
from uderia_bench.trace import PlannedPhase, Signal, SignalKind, Trace

_KIND = Kind(profile_type="tool_enabled", execution_path="planner/executor")
_PLANNER_KINDS = ("plan_generated", "phase_start", "phase_end", "tool_intent")
_SIGNALS = {
    Meaning.REWRITE: SignalKind.REWRITE,
    Meaning.HYDRATION: SignalKind.HYDRATION,
    Meaning.DISTILLATION: SignalKind.DISTILLATION,
    Meaning.CORRECTION: SignalKind.CORRECTION,
    Meaning.FORMAT_REPAIR: SignalKind.FORMAT_REPAIR,
    Meaning.RECURSION_GUARD: SignalKind.RECURSION_GUARD,
}


def _recognises(exchange: Exchange) -> bool:
    if any(kind in exchange.by_kind for kind in _PLANNER_KINDS):
        return True
    if exchange.first("execution_start").get("profile_type") == "tool_enabled":
        return True
    turn = exchange.turn
    return bool(sequence(turn.get("execution_trace")) or sequence(turn.get("original_plan")) or "tool_enabled_events" in turn)


def _read(exchange: Exchange) -> Trace:
    log = planner_log.read(exchange)
    plan = _plan(exchange, log)
    ledger = planner_phases.ledger(log.entries, plan)
    calls = planner_steps.llm_calls(exchange, log.entries, ledger)
    trace = assemble(exchange, _KIND, calls, agent_s=_agent_s(exchange), notes=log.notes)
    signals = _signals(log, ledger)
    counts = Counter(signal.kind for signal in signals)
    return replace(
        trace,
        plan=plan,
        phases=ledger.trace(),
        tool_calls=planner_steps.tool_calls(log.entries, ledger, exchange),
        signals=signals,
        plan_rewrites=counts[SignalKind.REWRITE],
        corrections=counts[SignalKind.CORRECTION],
        format_repairs=counts[SignalKind.FORMAT_REPAIR],
        rag_used="rag_retrieval" in exchange.by_kind or exchange.turn.get("rag_source_collection_id") is not None,
        **_found(exchange, trace.question),
        hydrated=counts[SignalKind.HYDRATION] > 0,
        distillations=counts[SignalKind.DISTILLATION],
        orchestrations=_orchestrations(log),
        unclassified=trace.unclassified + log.unclassified,
    )


def _found(exchange: Exchange, question: str | None) -> dict[str, Any]:
    """Return which stored plan was found first, and whether its question is this one. The event has it; the turn changes."""
    event = exchange.first("rag_retrieval")
    case = event.get("case_id")
    stored = mapping(mapping(event.get("full_case_data")).get("intent")).get("user_query")
    return {
        "rag_case": case.removeprefix("case_") if isinstance(case, str) else None,
        "rag_exact": question.split() == stored.split() if isinstance(stored, str) and question is not None else None,
    }


def _totals(exchange: Exchange) -> Trace:
    return _read(exchange) if need_calls(exchange) else assemble(exchange, _KIND, agent_s=_agent_s(exchange))


def _plan(exchange: Exchange, log: PlannerLog) -> tuple[PlannedPhase, ...]:
    """Return the executed plan: the turn's, else the last plan before the first phase began."""
    executed = sequence(exchange.turn.get("original_plan"))
    if not executed:
        for entry in log.entries:
            if isinstance(entry, LogEntry) and entry.depth == 0:
                if entry.meaning is Meaning.PLAN:
                    executed = sequence(entry.details)
                elif entry.meaning is Meaning.PHASE_START:
                    break
    return planner_phases.planned(executed)


def _agent_s(exchange: Exchange) -> float | None:
    """Return the planner's own duration, naming excluded: the live event's, else the turn's less naming.

    Source: docs/reference/protocol.md, "Timestamps and durations".
    """
    live = seconds(exchange.last("execution_complete").get("duration_ms")) if exchange.task.get("events") else None
    whole = seconds(exchange.turn.get("duration_ms"))
    if live is not None or whole is None:
        return live
    return max(0.0, whole - sum(end - start for start, end in naming(exchange).intervals))


def _signals(log: PlannerLog, ledger: PhaseLedger) -> tuple[Signal, ...]:
    """Return what the server did differently from the plan: from the log, then from the stream."""
    logged = [(e, owner) for e, owner in zip(log.entries, ledger.owners, strict=True) if isinstance(e, LogEntry)]
    streamed: list[tuple[LogEntry, OpenPhase | None]] = [(entry, None) for entry in log.signals]
    return tuple(
        Signal(
            kind=_SIGNALS[entry.meaning],
            said=entry.said or text(mapping(entry.details).get("pass")) or entry.message,  # a rewrite names its pass
            phase=phase.number if phase else None,
            at_s=entry.at,
        )
        for entry, phase in (*logged, *streamed)
        if entry.meaning in _SIGNALS
    )


def _orchestrations(log: PlannerLog) -> int:
    """Count column iterations and date ranges. A range has an end, and a start unless its dates were already known."""
    columns = sum(1 for entry in log.entries if isinstance(entry, LogEntry) and entry.meaning is Meaning.COLUMNS)
    kinds = [
        mapping(e.arguments).get("orchestration_type")
        for e in log.entries
        if isinstance(e, ToolEntry) and e.name == ORCHESTRATION
    ]
    return columns + max(kinds.count("date_range"), kinds.count("date_range_complete"))


TOOL_ENABLED = ProfileType(
    name="tool_enabled",
    doc="A strategic plan of phases, each run with a tactical call or without, such as OPTIM.",
    recognises=_recognises,
    read=_read,
    totals=_totals,
)

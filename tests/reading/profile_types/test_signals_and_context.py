"""Signals and context of a turn: the server's own signals, what filled its prompts, what was asked."""

from __future__ import annotations

import exchanges
import traces

from uderia_bench.reading import profile_types
from uderia_bench.trace import ContextModule, Signal, SignalKind


def _snapshot(step, *modules):
    contributions = [{"label": label, "module_id": label.lower(), "used": used} for label, used in modules]
    return exchanges.event(
        None, 0.5, type="context_window_snapshot", step=step, payload={"contributions": contributions, "budget": {}}
    )


def test_signals_carry_the_servers_words_their_phase_and_their_time():
    """A correction in phase 1 has that phase, a rewrite names its pass, and signals of the stream alone come last."""
    trace = (
        exchanges.log("Plan Rewrite", 1.5, {"pass": "sql_consolidation", "delta": -1}, "plan_rewrite_diff"),
        exchanges.phase_start(1, 2.0, "base_tableList"),
        exchanges.log("System Self-Correction", 2.5, {"summary": "Tool failed. Attempting self-correction (1/2)."}),
        exchanges.phase_end(1, 2.9),
    )
    guard = exchanges.event("tool_result", 2.7, step="System Error", details="Repetitive action detected.", type="error")
    read = profile_types.read(traces.record(*exchanges.planner_run(*trace, extra_events=(guard,))))
    assert read.signals == (
        Signal(kind=SignalKind.REWRITE, said="sql_consolidation", at_s=1.5),
        Signal(kind=SignalKind.CORRECTION, said="Tool failed. Attempting self-correction (1/2).", phase=1, at_s=2.5),
        Signal(kind=SignalKind.RECURSION_GUARD, said="Repetitive action detected.", at_s=2.7),
    )
    assert (read.plan_rewrites, read.corrections) == (1, 1)


def test_the_context_is_what_the_snapshots_say():
    """Modules that put nothing into the prompt are left out; each names the prompt it went into."""
    events = (
        _snapshot("Context Window Assembly", ("System Prompt", 714), ("RAG Cases", 0)),
        _snapshot("Context Assembly (Strategic)", ("Tool Definitions", 794)),
    )
    read = profile_types.read(traces.record(*exchanges.planner_run(*exchanges.REPORT, extra_events=events)))
    assert read.context == (
        ContextModule(assembly="Context Window Assembly", label="System Prompt", tokens=714),
        ContextModule(assembly="Context Assembly (Strategic)", label="Tool Definitions", tokens=794),
    )


def test_without_events_the_turns_two_snapshots_are_read():
    """The turn has two snapshots of its prompts."""
    kept = {"contributions": [{"label": "System Prompt", "used": 714}, "odd", {"used": -1}]}
    _, session = exchanges.planner_run(*exchanges.REPORT, context_window_snapshot_event=kept)
    read = profile_types.read(traces.record(None, session))
    assert read.context == (ContextModule(assembly="Context Window Assembly", label="System Prompt", tokens=714),)


def test_the_question_is_the_trials_and_without_one_the_turns():
    """A raw file has no plan behind it: the turn says what was asked, else the first event that does."""
    task, session = exchanges.planner_run(*exchanges.REPORT, user_query="which tables are there?")
    planned = traces.trial(prompt="how many?", complexity="simple")
    read = profile_types.read(traces.record(task, session, trial=planned))
    assert (read.question, read.complexity) == ("how many?", "simple")
    raw = profile_types.read(traces.record(task, session, trial=traces.trial(prompt="")))
    assert (raw.question, raw.complexity) == ("which tables are there?", None)
    started = exchanges.task([exchanges.notification("execution_start", 0.1, profile_type="tool_enabled", query="and now?")])
    assert profile_types.read(traces.record(started, trial=traces.trial(prompt=""))).question == "and now?"

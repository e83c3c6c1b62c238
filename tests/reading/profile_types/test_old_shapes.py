"""JSON of older servers: string details, no phase marks, no stamps, cumulative totals only."""

from __future__ import annotations

import traces

from uderia_bench.reading import profile_types
from uderia_bench.trace import CallClass, PhasePath
from uderia_bench.trial import Outcome

_PLAN = [
    {"phase": 1, "goal": "Get the list of all databases", "relevant_tools": ["base_databaseList"], "arguments": {}},
    {"phase": 2, "goal": "Generate the final report", "relevant_tools": ["TDA_FinalReport"], "arguments": {}},
]


def _log(message, details=None):
    return {
        "action": {"tool_name": "TDA_SystemLog", "arguments": {"message": message, "details": details}},
        "result": {"status": "info"},
    }


_TURN = {
    "turn": 1,
    "turn_input_tokens": 10698,
    "turn_output_tokens": 1300,
    "duration_ms": 20330,
    "tools_used": ["base_databaseList", "TDA_FinalReport"],
    "original_plan": _PLAN,
    "execution_trace": [
        _log(
            "Calling LLM for Planning",
            {"summary": "Generating strategic meta-plan", "input_tokens": 7376, "output_tokens": 262},
        ),
        _log("Strategic Meta-Plan Generated", _PLAN),
        _log("Plan Optimization", "FASTPATH initiated for 'base_databaseList'."),
        {"action": {"tool_name": "base_databaseList", "arguments": {}}, "result": {"status": "success", "results": [{}]}},
    ],
}
_SESSION = {
    "profile_tag": "OPTIM",
    "provider": "Friendli",
    "model": "MiniMaxAI/MiniMax-M2.1",
    "last_turn_data": {"workflow_history": [_TURN]},
}


def test_the_seeds_session_file_reads():
    """A string FASTPATH without marks of phases: the plan stands in, the announcement is found, the calls are counted."""
    trace = profile_types.read(
        traces.record({"status": "completed", "events": [], "result": {"final_answer_text": "3"}}, _SESSION)
    )
    assert trace.outcome is Outcome.ANSWERED
    assert trace.profile_type == "tool_enabled"
    assert [(phase.number, phase.goal, phase.tools) for phase in trace.plan] == [
        (1, "Get the list of all databases", ("base_databaseList",)),
        (2, "Generate the final report", ("TDA_FinalReport",)),
    ]
    assert [(phase.number, phase.path, phase.fastpath_logged) for phase in trace.phases] == [(1, PhasePath.FAST, True)]
    assert [(call.call_class, call.input_tokens, call.output_tokens) for call in trace.llm_calls] == [
        (CallClass.STRATEGIC, 7376, 262)
    ]
    assert [(call.name, call.phase) for call in trace.tool_calls] == [("base_databaseList", 1)]
    assert (trace.tokens.input, trace.tokens.output) == (10698, 1300)
    assert trace.unclassified == 0


def test_the_old_wording_of_the_tactical_call_is_tactical():
    """Older servers call it Tactical Selection."""
    entry = _log("Calling LLM for Tactical Selection", {"input_tokens": 3, "output_tokens": 1})
    turn = {**_TURN, "execution_trace": [entry]}
    trace = profile_types.read(traces.record(None, {"last_turn_data": {"workflow_history": [turn]}}))
    assert [call.call_class for call in trace.llm_calls] == [CallClass.TACTICAL]


def test_the_seeds_events_read():
    """A step without a provider and an update with session totals only."""
    step = {"step_number": 1, "step_name": "Tool Selection", "input_tokens": 542, "output_tokens": 89, "duration_ms": 2345}
    events = [
        {"event_type": "notification", "event_data": {"type": "conversation_llm_step", "payload": step}},
        {"event_type": "token_update", "event_data": {"total_input": 10384, "total_output": 1119}},
    ]
    trace = profile_types.read(traces.record({"status": "complete", "events": events, "result": {"final_answer_text": "3"}}))
    assert (trace.outcome, trace.profile_type) == (Outcome.ANSWERED, "llm_only")
    assert (trace.tokens.input, trace.tokens.output) == (10384, 1119)
    assert [(call.input_tokens, call.duration_s) for call in trace.llm_calls] == [(542, 2.345)]

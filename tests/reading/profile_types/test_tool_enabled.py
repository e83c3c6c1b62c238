"""Reading a planner's turn: phases, LLM calls by class, tool calls, from traces written by hand."""

from __future__ import annotations

from collections import Counter

import exchanges
import pytest
import traces

from uderia_bench.reading import profile_types
from uderia_bench.trace import CallClass, PhasePath, SignalKind, ToolStatus
from uderia_bench.trial import Outcome


def read(task, session=None, **changes):
    """Return the trace of these bodies."""
    return profile_types.read(traces.record(task, session, **changes))


def classes(trace):
    """Count a trace's LLM calls by class."""
    return Counter(call.call_class for call in trace.llm_calls)


def data_calls(trace):
    """Return a trace's calls of data tools."""
    return [call for call in trace.tool_calls if not call.system]


def test_a_fast_path_run_has_a_plan_two_fast_phases_and_two_llm_calls():
    """The commonest run: planned, one tool without a tactical call, reported; naming is in no total."""
    trace = read(*exchanges.one_tool_run())
    assert (trace.outcome, trace.profile_type, trace.execution_path) == (Outcome.ANSWERED, "tool_enabled", "planner/executor")
    assert [phase.path for phase in trace.phases] == [PhasePath.FAST, PhasePath.FAST]
    assert [phase.fastpath_logged for phase in trace.phases] == [True, True]
    assert classes(trace) == {CallClass.STRATEGIC: 1, CallClass.REPORT: 1}
    assert (trace.tokens.input, trace.tokens.output) == (1200, 90)
    assert (trace.tokens.naming_input, trace.tokens.naming_output) == exchanges.NAMING
    assert trace.tokens.cost_usd == pytest.approx(0.1)
    assert [(planned.number, planned.tools) for planned in trace.plan] == [(1, ("base_tableList",)), (2, ("TDA_FinalReport",))]
    assert trace.timing.agent_s == 4.0
    assert trace.timing.answer_s == 5.0
    assert trace.timing.naming_before_answer_s == 0.0
    assert trace.notes == ()
    assert trace.unclassified == 0


def test_a_tactical_call_makes_its_phase_tactical_and_its_tool_chosen_by_the_llm():
    """A phase has a tactical path when a tactical call quotes its goal."""
    trace = read(*exchanges.one_tool_run(tactical=True))
    assert [phase.path for phase in trace.phases] == [PhasePath.TACTICAL, PhasePath.FAST]
    assert classes(trace)[CallClass.TACTICAL] == 1
    assert [call.llm_chosen for call in data_calls(trace)] == [True]


def test_phase_times_come_from_its_marks():
    """A phase lasts from its start mark to its end mark, relative to the first event."""
    first = read(*exchanges.one_tool_run()).phases[0]
    assert (first.start_s, first.duration_s) == (2.0, pytest.approx(0.9))


def test_a_correction_is_logged_twice_and_counted_once():
    """The pre and post messages of one call id are one call; the retry is a second attempt that the LLM chose."""
    summary = "Tool failed. Attempting self-correction (1/2)."
    trace = read(*exchanges.planner_run(
        exchanges.PLANNED,
        exchanges.phase_start(1, 2.0, "base_readQuery"),
        exchanges.tool("base_readQuery", 2.1, 1, "error", result={"status": "error", "error": "no such column"}),
        exchanges.log("System Self-Correction", 2.2, {"summary": summary}, "workaround"),
        exchanges.log("Calling LLM for Self-Correction", 2.3, {"call_id": "c-fix"}),
        exchanges.llm("Calling LLM for Self-Correction", 2.3, "c-fix", (70, 7)),
        exchanges.tool("base_readQuery", 2.6, 1, arguments={"sql": "select 1"}),
        exchanges.phase_end(1, 2.9),
        *exchanges.REPORT,
        spent=(1270, 97),
    ))  # fmt: skip
    assert trace.corrections == 1
    assert classes(trace)[CallClass.CORRECTION] == 1
    calls = data_calls(trace)
    assert [(call.status, call.attempt, call.llm_chosen) for call in calls] == [
        (ToolStatus.ERROR, 1, False),
        (ToolStatus.SUCCESS, 2, True),
    ]
    assert calls[0].error == "no such column"


def test_a_tool_that_fails_for_good_inside_an_answer_leaves_it_answered():
    """The outcome is the agent's; the failing tool is a finding."""
    failing = exchanges.tool("base_readQuery", 2.1, 1, "error")
    error = exchanges.event(None, 2.2, type="error", step="System Self-Correction", details={"summary": "failed after 3"})
    trace = read(*exchanges.planner_run(
        exchanges.PLANNED, exchanges.phase_start(1, 2.0, "base_readQuery"), failing, exchanges.phase_end(1, 2.9),
        *exchanges.REPORT,
        extra_events=(error,),
    ))  # fmt: skip
    assert trace.outcome is Outcome.ANSWERED
    assert [call.status for call in data_calls(trace)] == [ToolStatus.ERROR]


def test_a_date_range_counts_its_daily_calls_and_not_their_consolidated_copy():
    """Two days are two calls, found in their phase by time although the parallel group let them sink to its end."""
    start = {
        "orchestration_type": "date_range",
        "target_tool": "usage",
        "date_phrase": "past 2 days",
        "date_param_name": "date",
    }
    end = {"orchestration_type": "date_range_complete", "target_tool": "usage", "num_iterations": 2}
    trace = read(*exchanges.planner_run(
        exchanges.PLANNED,
        exchanges.log("Parallel Execution: phases [1, 2]", 1.9, {"parallel_phases": [1, 2]}),
        exchanges.phase_start(1, 2.0, "TDA_CurrentDate"),
        exchanges.tool("TDA_CurrentDate", 2.01, 1),
        exchanges.phase_end(1, 2.02),
        exchanges.phase_start(2, 2.0, "usage"),
        exchanges.tool("TDA_SystemOrchestration", 2.03, 2, arguments=start),
        exchanges.tool("TDA_SystemOrchestration", 2.8, 2, arguments=end),
        exchanges.phase_end(2, 2.9),
        exchanges.tool("usage", 2.4, arguments={"date": "2026-11-22"}),
        exchanges.tool("usage", 2.5, arguments={"date": "2026-11-23"}),
        exchanges.tool(
            "usage", 2.85, arguments={"date": "past 2 days"},
            result={"status": "success", "metadata": {"comment": "Consolidated results for past 2 days"}},
        ),
    ))  # fmt: skip
    calls = data_calls(trace)
    assert [(call.arguments, call.phase, call.iteration) for call in calls] == [
        ('{"date":"2026-11-22"}', 2, "day"),
        ('{"date":"2026-11-23"}', 2, "day"),
    ]
    assert [(phase.path, phase.parallel) for phase in trace.phases] == [
        (PhasePath.FAST, True),
        (PhasePath.ORCHESTRATED, True),
    ]
    assert trace.orchestrations == 1


def test_a_date_phrase_that_was_never_sent_is_no_call():
    """Without the comment the phrase itself gives the consolidated entry away."""
    start = {
        "orchestration_type": "date_range",
        "target_tool": "usage",
        "date_phrase": "past 2 days",
        "date_param_name": "date",
    }
    trace = read(*exchanges.planner_run(
        exchanges.phase_start(1, 2.0, "usage"),
        exchanges.tool("TDA_SystemOrchestration", 2.1, 1, arguments=start),
        exchanges.tool("usage", 2.2, 1, arguments={"date": "2026-11-22"}),
        exchanges.tool("usage", 2.3, 1, arguments={"date": "past 2 days"}),
        exchanges.phase_end(1, 2.9),
    ))  # fmt: skip
    assert [call.arguments for call in data_calls(trace)] == ['{"date":"2026-11-22"}']


def test_one_call_for_a_whole_range_is_a_range():
    """The single-call mode of a date range says so."""
    end = {"orchestration_type": "date_range_complete", "target_tool": "usage", "orchestration_mode": "range_resolution"}
    trace = read(*exchanges.planner_run(
        exchanges.phase_start(1, 2.0, "usage"),
        exchanges.tool("usage", 2.2, 1, arguments={"from": "a", "to": "b"}),
        exchanges.tool("TDA_SystemOrchestration", 2.3, 1, arguments=end),
        exchanges.phase_end(1, 2.9),
    ))  # fmt: skip
    assert [call.iteration for call in data_calls(trace)] == ["range"]


def test_a_column_iteration_is_as_many_calls_as_it_has_results():
    """One entry holds the description and a result per column; one failed and one was skipped."""
    results = [
        {"status": "success", "metadata": {"tool_name": "base_columnDescription"}},
        {"status": "success", "metadata": {"tool_name": "quality", "column_name": "a"}},
        {"status": "error", "error": "bad type", "metadata": {"tool_name": "quality", "column_name": "b"}},
        {"status": "skipped", "metadata": {"tool_name": "quality", "column_name": "c"}},
    ]
    said = "Dispatcher is invoking column iteration for 'quality' because 'column_name' was missing."
    trace = read(*exchanges.planner_run(
        exchanges.phase_start(1, 2.0, "quality"),
        exchanges.log("Scope-Aware Dispatcher Action", 2.1, said, "plan_optimization"),
        exchanges.tool("quality", 2.2, 1, arguments={"t": "x"}, result={"status": "success", "results": results}),
        exchanges.phase_end(1, 2.9),
    ))  # fmt: skip
    assert [(call.name, call.status) for call in data_calls(trace)] == [
        ("base_columnDescription", ToolStatus.SUCCESS),
        ("quality", ToolStatus.SUCCESS),
        ("quality", ToolStatus.ERROR),
        ("quality", ToolStatus.SKIPPED),
    ]
    assert data_calls(trace)[1].arguments == '{"column_name":"a","t":"x"}'
    assert trace.phases[0].path is PhasePath.ORCHESTRATED


def test_a_loop_marks_its_calls_and_has_no_retries():
    """Items of a loop repeat on purpose: a failed item does not make the next one a retry."""
    trace = read(*exchanges.planner_run(
        exchanges.phase_start(1, 2.0, "base_tableList", type="loop"),
        exchanges.log("Plan Optimization", 2.1, "FASTPATH enabled for tool loop: 'base_tableList'", "plan_optimization"),
        exchanges.tool("base_tableList", 2.2, 1, "error", arguments={"db": "a"}),
        exchanges.tool("base_tableList", 2.3, 1, arguments={"db": "b"}),
        exchanges.phase_end(1, 2.9),
    ))  # fmt: skip
    assert [(call.iteration, call.attempt) for call in data_calls(trace)] == [("loop", 1), ("loop", 1)]
    assert (trace.phases[0].looped, trace.phases[0].fastpath_logged) == (True, True)


def test_a_dispatched_phase_runs_several_tools_without_announcing_a_fast_path():
    """Several tools in a phase are dispatched: no tactical call, no announcement."""
    trace = read(*exchanges.planner_run(
        exchanges.phase_start(1, 2.0, "a", "b"),
        exchanges.log("Scope-Aware Dispatcher Active", 2.1, "Multi-tool phase detected.", "workaround"),
        exchanges.tool("a", 2.2, 1),
        exchanges.tool("b", 2.3, 1),
        exchanges.phase_end(1, 2.9),
    ))  # fmt: skip
    assert (trace.phases[0].path, trace.phases[0].fastpath_logged) == (PhasePath.DISPATCHED, False)
    assert [call.llm_chosen for call in data_calls(trace)] == [False, False]


def test_skipped_and_aborted_phases_say_so():
    """A skipped phase never ran; one without an end and without a call ended before it came to a tool."""
    trace = read(*exchanges.planner_run(
        exchanges.phase_start(1, 2.0, "a"), exchanges.phase_end(1, 2.1, "skipped"), exchanges.phase_start(2, 2.2, "b")
    ))  # fmt: skip
    assert [(phase.status, phase.path) for phase in trace.phases] == [
        ("skipped", PhasePath.SKIPPED),
        ("aborted", PhasePath.UNKNOWN),
    ]


def test_what_a_nested_prompt_does_belongs_to_the_phase_it_runs_in():
    """Phases at depth 1 are not counted; their calls and tools belong to the phase around them."""
    trace = read(*exchanges.planner_run(
        exchanges.phase_start(3, 2.0, "x"),
        exchanges.phase_start(1, 2.1, "a", depth=1),
        exchanges.llm("Calling LLM for Tactical Action", 2.2, "c-in", (10, 1)),
        exchanges.tool("a", 2.3, 1, depth=1),
        exchanges.phase_end(1, 2.4, depth=1),
        exchanges.phase_end(3, 2.9),
    ))  # fmt: skip
    assert [phase.number for phase in trace.phases] == [3]
    assert [call.phase for call in data_calls(trace)] == [3]
    assert trace.phases[0].path is PhasePath.TACTICAL


def test_a_phase_started_twice_under_one_number_and_goal_is_one_phase():
    """A repeated mark is no second phase; the same number with another goal, after a re-plan, is."""
    trace = read(*exchanges.planner_run(
        exchanges.phase_start(1, 2.0, "a"), exchanges.phase_start(1, 2.0, "a"), exchanges.phase_end(1, 2.1),
        exchanges.phase_start(1, 2.2, "b", goal="another"), exchanges.phase_end(1, 2.3),
    ))  # fmt: skip
    assert [phase.goal for phase in trace.phases] == ["goal 1", "another"]


def test_calls_that_only_a_token_update_shows_are_listed_with_their_announcement():
    """SQL consolidation announces itself and gives its tokens only in the update; an update without an id counts once."""
    updates = (
        exchanges.token_update("c-sql", 1.5, (80, 8), (1080, 58)),
        exchanges.token_update(None, 1.6, (5, 1), (1085, 59)),
        exchanges.token_update("extensions", 1.7, (7, 7), (1085, 59)),
    )
    trace = read(*exchanges.planner_run(
        exchanges.PLANNED, exchanges.log("Optimizing SQL Plan", 1.4, {"call_id": "c-sql"}),
        spent=(1085, 59), extra_events=updates,
    ))  # fmt: skip
    assert [(call.label, call.input_tokens) for call in trace.llm_calls] == [
        ("Calling LLM for Planning", 1000),
        ("Optimizing SQL Plan", 80),
        ("token_update", 5),
    ]


def test_a_parse_retry_shows_as_unattributed_tokens_and_a_note():
    """The turn's totals are the truth; the last update knows only the first try."""
    events = [
        *exchanges.head("OPTIM"),
        exchanges.notification("execution_start", 0.1, profile_type="tool_enabled", turn_id=1),
        exchanges.token_update("c-plan", 1.0, (1000, 50), (1000, 50)),
        exchanges.event(
            None,
            1.1,
            type="workaround",
            step="System Correction",
            details="Strategic plan response was not valid JSON. Retrying.",
        ),
        exchanges.event(
            "error",
            2.0,
            error="Execution stopped due to an unrecoverable error.",
            details="Failed to generate a valid meta-plan",
        ),
    ]
    turn = exchanges.turn(
        "OPTIM", (2000, 100), status="error", task_id="task-1", execution_trace=[exchanges.PLANNED], original_plan=None
    )
    trace = read(exchanges.task(events), exchanges.session(turn))
    assert (trace.outcome, trace.outcome_detail) == (Outcome.FAILED, "Failed to generate a valid meta-plan")
    assert (trace.tokens.input, trace.tokens.output) == (2000, 100)
    assert [call.input_tokens for call in trace.llm_calls] == [1000]
    assert trace.notes == ("the turn says 2000/100 tokens, the last token update says 1000/50",)
    assert trace.format_repairs == 1
    assert trace.plan == ()


def test_learning_and_rewrites_are_counted():
    """Rewrites, hydration, distillation and a retrieved case each have their message."""
    trace = read(*exchanges.planner_run(
        exchanges.PLANNED,
        exchanges.log("Plan Rewrite", 1.1, {"pass": "plan_validation"}, "plan_rewrite_diff"),
        exchanges.log("Plan Optimization", 1.2, "PLAN HYDRATION: Injected data from the previous turn", "plan_optimization"),
        exchanges.log("Context Optimization", 1.3, {"subtype": "context_distillation"}, "context_optimization"),
        exchanges.log("System Auto-Correction", 1.4, {"corrections": ["x"]}, "auto_correction"),
        extra_events=(exchanges.event("rag_retrieval", 0.2, case_id="c"),),
    ))  # fmt: skip
    assert (trace.plan_rewrites, trace.hydrated, trace.distillations, trace.format_repairs, trace.rag_used) == (
        1,
        True,
        1,
        1,
        True,
    )


def test_without_a_turn_the_stream_tells_the_same_story():
    """A session that cannot be read costs nothing that the events also say."""

    def planner(step, seconds, details, kind="system_message"):
        return exchanges.event(None, seconds, type=kind, step=step, details=details)

    plan = exchanges.plan("base_tableList")
    phase = {"phase_num": 1, "goal": "goal 1", "phase_details": plan[0]}
    events = [
        *exchanges.head("OPTIM"),
        exchanges.event("status_indicator_update", 0.5, target="llm", state="busy"),
        exchanges.event("status_indicator_update", 0.9, target="llm", state="idle"),
        planner("Calling LLM for Planning", 1.0, {"call_id": "c", "input_tokens": 1000, "output_tokens": 50}),
        exchanges.token_update("c", 1.0, (1000, 50), (1000, 50), planning_phase="strategic", provider="OpenAI", model="m"),
        planner("Strategic Meta-Plan Generated", 1.1, plan, "plan_generated"),
        planner("Starting Plan Phase 1/1", 2.0, phase, "phase_start"),
        planner("Tool Execution Intent", 2.1, {"tool_name": "base_tableList", "arguments": {"db": "x"}}, "tool_intent"),
        planner("Tool Execution Result", 2.6, {"status": "success"}, "tool_result"),
        planner("Ending Plan Phase 1/1", 2.9, {"phase_num": 1, "status": "completed"}, "phase_end"),
        exchanges.final_answer(5.0),
    ]
    trace = read(exchanges.task(events))
    assert trace.outcome is Outcome.ANSWERED
    assert [(phase.number, phase.path) for phase in trace.phases] == [(1, PhasePath.FAST)]
    assert [(call.name, call.arguments, call.phase) for call in trace.tool_calls] == [("base_tableList", '{"db":"x"}', 1)]
    assert trace.tool_calls[0].duration_s == pytest.approx(0.5)
    call = trace.llm_calls[0]
    assert (call.call_class, call.model, call.start_s) == (CallClass.STRATEGIC, "OpenAI/m", 0.5)
    assert call.duration_s == pytest.approx(0.4)
    assert (trace.tokens.input, trace.tokens.output) == (1000, 50)
    assert len(trace.plan) == 1


def test_unknown_messages_and_events_are_counted_not_fatal():
    """An unknown message or event is counted as unclassified."""
    trace = read(*exchanges.planner_run(
        exchanges.PLANNED, exchanges.log("A message from next year", 1.5), extra_events=(exchanges.event("new_event", 0.3),)
    ))  # fmt: skip
    assert trace.unclassified == 2


def test_the_turns_price_gives_way_to_the_calls_under_dual_models():
    """The server prices a dual-model turn at its base model: the calls' own costs add up instead."""
    trace = (
        exchanges.llm("Calling LLM for Planning", 1.0, "c1", (1000, 50), cost_usd=0.5),
        exchanges.llm("Calling LLM for Tactical Action", 2.0, "c2", (200, 40), cost_usd=0.25),
    )
    task, session = exchanges.planner_run(*trace)
    session |= {
        "is_dual_model_active": True,
        "tactical_provider": "Google",
        "tactical_model": "g",
        "models_used": ["OpenAI/m", "Google/g"],
    }
    read_trace = read(task, session)
    assert read_trace.tokens.cost_usd == 0.75
    assert read_trace.outcome is Outcome.ANSWERED


def test_the_servers_own_stop_of_a_repetition_is_counted_once():
    """A repeated action is only streamed, a circular prompt is in both: each counts once."""
    said = "Circular prompt execution blocked: x"
    both = exchanges.event(None, 2.2, type="workaround", step="System Correction", details=said)
    streamed = exchanges.event("tool_result", 2.3, step="System Error", details="Repetitive action detected.", type="error")
    logged = exchanges.log("System Correction", 2.2, said, "workaround")
    trace = read(*exchanges.planner_run(exchanges.PLANNED, logged, extra_events=(both, streamed)))
    assert [signal.kind for signal in trace.signals] == [SignalKind.RECURSION_GUARD] * 2
    assert trace.unclassified == 0


def test_rows_of_data_in_a_column_iteration_are_no_calls():
    """Results without a tool's metadata are rows, whatever their columns are called."""
    said = "Dispatcher is invoking column iteration for 'quality' because 'column_name' was missing."
    rows = {"status": "success", "results": [{"status": "error"}, {"status": "ok"}]}
    trace = read(*exchanges.planner_run(
        exchanges.phase_start(1, 2.0, "quality"),
        exchanges.log("Scope-Aware Dispatcher Action", 2.1, said, "plan_optimization"),
        exchanges.tool("quality", 2.2, 1, result=rows),
        exchanges.phase_end(1, 2.9),
    ))  # fmt: skip
    assert [(call.name, call.iteration) for call in data_calls(trace)] == [("quality", "column")]


def test_without_its_events_the_planners_clock_is_the_turns_less_naming():
    """The turn's own duration includes naming, which comes out of it."""
    _, session = exchanges.planner_run(exchanges.PLANNED, duration_ms=4500, system_events=[
        {**item["event_data"], "timestamp": item["timestamp"]} for item in exchanges.naming(6.0, 6.5)
    ])  # fmt: skip
    trace = read(None, session, task_id="task-1")
    assert trace.timing.agent_s == pytest.approx(4.0)
    assert trace.tokens.naming_input == exchanges.NAMING[0]


def test_a_tool_error_without_words_is_an_error_all_the_same():
    """Status decides; the words may be missing or an object with a summary."""
    results = ({"status": "error"}, {"status": "error", "error_message": {"summary": "no rows"}})
    for result, words in zip(results, (None, "no rows"), strict=True):
        trace = read(*exchanges.planner_run(exchanges.tool("t", 2.0, 1, result=result)))
        assert [(call.status, call.error) for call in data_calls(trace)] == [(ToolStatus.ERROR, words)]


def test_calls_of_a_parallel_group_without_a_number_go_to_the_phase_that_may_use_them():
    """Two phases overlap in time: the tool decides; a tool of neither belongs to none."""
    trace = read(*exchanges.planner_run(
        exchanges.phase_start(1, 2.0, "a"), exchanges.phase_end(1, 3.0),
        exchanges.phase_start(2, 2.0, "b"), exchanges.phase_end(2, 3.0),
        exchanges.tool("b", 2.5), exchanges.tool("c", 2.5),
    ))  # fmt: skip
    assert [(call.name, call.phase) for call in data_calls(trace)] == [("b", 2), ("c", None)]


def test_naming_is_known_from_its_update_where_its_event_was_lost():
    """The token update of naming carries the same tokens."""
    update = exchanges.token_update("session_name_generation", 6.4, exchanges.NAMING, (1220, 92), cost_usd=0.001)
    task, session = exchanges.planner_run(exchanges.PLANNED, extra_events=(update,))
    task["events"] = [event for event in task["events"] if not str(event["event_type"]).startswith("session_name")]
    trace = read(task, session)
    assert (trace.tokens.naming_input, trace.tokens.input) == (exchanges.NAMING[0], 1200)


@pytest.mark.parametrize(
    ("model", "cost", "fallback"),
    [("m", 1e-6 * (0.1 * 1200 + 0.4 * 90), True), ("m", 0.01, False), ("gemini-2.0-flash", 156e-6, False)],
)
def test_the_fallback_price_gives_itself_away(model, cost, fallback):
    """A cost that is exactly the default price is the default price, unless the model really costs that."""
    task, session = exchanges.one_tool_run()
    session["last_turn_data"]["workflow_history"][0] |= {"model": model, "turn_cost": cost + 0.001}
    assert read(task, session).price_fallback is fallback

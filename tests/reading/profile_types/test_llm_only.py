"""Reading a conversation agent's turn, and a direct call without tools."""

from __future__ import annotations

import time

import exchanges
import pytest
import traces

from uderia_bench.reading import profile_types
from uderia_bench.reading.profile_types.conversation import own_value
from uderia_bench.trace import CallClass, ToolStatus
from uderia_bench.trial import Outcome

_OK = """content=[{'type': 'text', 'text': '{"status": "success", "results": [{"status": "error"}]}', 'id': 'x'}] name='t'"""
_ERROR = (
    """content=[{'type': 'text', 'text': '{"metadata": {"status": "success"}, "status": "error", """
    """"error": "it\\'s \\\\"bad\\\\""}'}]"""
)


def read(task, session=None, **changes):
    """Return the trace of these bodies."""
    return profile_types.read(traces.record(task, session, **changes))


def test_an_agents_steps_are_its_calls_and_naming_before_the_answer_is_known():
    """Two steps are two calls; the naming that IDEAT does before its answer is told apart from the answer's time."""
    task, session = exchanges.agent_run(
        exchanges.step(1.0, (100, 10)),
        *exchanges.agent_tool(1.5, "base_tableList", _OK, {"db": "x"}),
        exchanges.step(3.0, (200, 20), "Response Generation"),
    )
    trace = read(task, session)
    assert (trace.outcome, trace.profile_type, trace.execution_path) == (Outcome.ANSWERED, "llm_only", "conversation_agent")
    assert [(call.call_class, call.label, call.input_tokens) for call in trace.llm_calls] == [
        (CallClass.OTHER, "Tool Selection", 100),
        (CallClass.OTHER, "Response Generation", 200),
    ]
    assert (trace.llm_calls[0].start_s, trace.llm_calls[0].duration_s, trace.llm_calls[0].model) == (0.5, 0.5, "OpenAI/m")
    assert [(call.name, call.arguments, call.status, call.llm_chosen) for call in trace.tool_calls] == [
        ("base_tableList", '{"db":"x"}', ToolStatus.SUCCESS, True)
    ]
    assert (trace.tool_calls[0].start_s, trace.tool_calls[0].duration_s) == (1.5, 0.25)
    assert (trace.tokens.input, trace.tokens.output) == (300, 30)
    assert (trace.timing.answer_s, trace.timing.naming_before_answer_s, trace.timing.agent_s) == (5.0, 0.5, 3.4)
    assert trace.plan is None
    assert trace.notes == ()


def test_the_extra_update_of_the_whole_turn_is_no_call():
    """The agent repeats its turn as one more token update: it changes neither calls nor totals."""
    task, session = exchanges.agent_run(
        exchanges.step(1.0, (300, 30)),
        exchanges.token_update("a", 1.0, (300, 30), (300, 30)),
        exchanges.token_update("b", 3.6, (300, 30), (300, 30)),
    )
    trace = read(task, session)
    assert len(trace.llm_calls) == 1
    assert (trace.tokens.input, trace.tokens.output) == (300, 30)


@pytest.mark.parametrize(
    ("preview", "more", "status"),
    [
        (_OK, {}, ToolStatus.SUCCESS),
        (_ERROR, {}, ToolStatus.ERROR),
        ("content='boom' name='t' tool_call_id='c' status='error'", {}, ToolStatus.ERROR),
        ("content='boom'", {"success": False, "error": "boom"}, ToolStatus.ERROR),
        ('{"status": "skipped"}', {}, ToolStatus.SKIPPED),
        ("three rows", {}, ToolStatus.SUCCESS),
        ("", {}, ToolStatus.SUCCESS),
    ],
)
def test_a_tools_own_word_decides_how_it_ended(preview, more, status):
    """The event says success even of an error; the tool's own JSON is believed, a row's is not."""
    trace = read(*exchanges.agent_run(exchanges.step(1.0, (1, 1)), *exchanges.agent_tool(1.5, "t", preview, **more)))
    assert [call.status for call in trace.tool_calls] == [status]


@pytest.mark.parametrize(
    ("preview", "status"),
    [
        ('{"rows": [{"status": "error"}], "status": "success"}', "success"),
        ('{"rows": [{"status": "err', None),
        ('{"note": "status", "status" : "error"', "error"),
        ('{"status": {"status": "error"}}', None),
        ("[1, 2]", None),
        ("", None),
    ],
)
def test_own_status_reads_the_top_level_only(preview, status):
    """A preview may be cut off anywhere, and its rows may have a status too."""
    assert own_value(preview, "status") == status


def test_a_preview_that_was_cut_off_is_read_at_once():
    """In a text of many quotes each could begin another text."""
    begin = time.process_time()
    assert own_value('{"status": "error", "error": "' + '\\"' * 60_000, "error") is None
    assert own_value('{"status": "error", "error": "cut', "status") == "error"
    assert time.process_time() - begin < 3


def test_own_value_undoes_the_printing():
    """The tool's error is found behind Python's and JSON's escapes."""
    assert own_value(_ERROR, "error") == 'it\'s \\"bad\\"'


def test_tools_of_one_name_are_matched_in_order_and_a_lost_end_is_an_error():
    """Two invocations and one completion: the first completed, the second never did."""
    first, done = exchanges.agent_tool(1.0, "t", _OK, {"n": 1})
    second, _ = exchanges.agent_tool(1.1, "t", _OK, {"n": 2})
    trace = read(*exchanges.agent_run(exchanges.step(0.9, (1, 1)), first, second, done))
    assert [(call.arguments, call.status) for call in trace.tool_calls] == [
        ('{"n":1}', ToolStatus.SUCCESS),
        ('{"n":2}', ToolStatus.ERROR),
    ]


def test_a_completion_without_its_invocation_is_still_a_call():
    """A truncated stream loses the invocation, not the call."""
    trace = read(*exchanges.agent_run(exchanges.step(0.9, (1, 1)), exchanges.agent_tool(1.0, "t", _OK)[1]))
    assert [(call.name, call.start_s) for call in trace.tool_calls] == [("t", 1.0)]


def test_a_failed_agents_turn_says_no_tokens_and_its_steps_are_believed():
    """The turn of a failed agent says 0/0 although its steps were paid for."""
    task, session = exchanges.agent_run(exchanges.step(1.0, (100, 10)), spent=(0, 0))
    session["last_turn_data"]["workflow_history"][0] |= {"status": "failed", "turn_input_tokens": 0, "turn_output_tokens": 0}
    task["events"] = [e for e in task["events"] if e["event_data"].get("type") != "conversation_agent_complete"]
    trace = read(task, session)
    assert trace.outcome is Outcome.FAILED
    assert (trace.tokens.input, trace.tokens.output) == (100, 10)


def test_a_direct_call_is_read_from_its_pair_of_events():
    """llm_only without tools makes one call, timed by its two events."""
    details = {"input_tokens": 50, "output_tokens": 5, "provider": "OpenAI", "model_name": "m", "cost_usd": 0.01}
    events = [
        *exchanges.head("PLAIN"),
        exchanges.notification("execution_start", 0.1, profile_type="llm_only", profile_tag="PLAIN", turn_id=1),
        exchanges.event("llm_execution", 1.0, step="Calling LLM for Execution", details={}),
        exchanges.event("llm_execution_complete", 2.5, details=details),
        exchanges.final_answer(3.0),
        *exchanges.naming(4.0, 4.5),
        exchanges.notification("execution_complete", 5.0, total_input_tokens=70, total_output_tokens=7, success=True),
    ]
    trace = read(
        exchanges.task(events), exchanges.session(exchanges.turn("PLAIN", (70, 7), profile_type="llm_only", task_id="task-1"))
    )
    assert (trace.outcome, trace.profile_type, trace.execution_path) == (Outcome.ANSWERED, "llm_only", "direct")
    call = trace.llm_calls[0]
    assert (call.input_tokens, call.output_tokens, call.model, call.start_s, call.duration_s) == (50, 5, "OpenAI/m", 1.0, 1.5)
    assert (trace.tokens.input, trace.tokens.output) == (50, 5)
    assert trace.timing.agent_s == 1.5
    assert trace.notes == ()

"""Reading a retriever's and a coordinator's turn."""

from __future__ import annotations

import exchanges
import traces

from uderia_bench.reading import profile_types
from uderia_bench.trace import Source, ToolStatus
from uderia_bench.trial import Outcome


def read(task, session=None, **changes):
    """Return the trace of these bodies."""
    return profile_types.read(traces.record(task, session, **changes))


def rag_run(*middle, **answer):
    """Return a retriever's run with these steps; ``answer`` goes into its final answer."""
    events = [
        *exchanges.head("FOCUS"),
        exchanges.notification("execution_start", 0.1, profile_type="rag_focused", profile_tag="FOCUS", turn_id=1),
        exchanges.notification("knowledge_retrieval_complete", 0.5, document_count=3, duration_ms=30),
        *middle,
        exchanges.notification("knowledge_search_complete", 2.0, total_time_ms=1900),
        exchanges.event("final_answer", 3.0, final_answer_text="from the book", turn_id=1, **answer),
        exchanges.notification(
            "execution_complete", 3.1, total_input_tokens=100, total_output_tokens=10, total_duration_ms=1800
        ),
        *exchanges.naming(4.0, 4.5),
    ]
    turn = exchanges.turn("FOCUS", (120, 12), profile_type="rag_focused", task_id="task-1")
    return exchanges.task(events), exchanges.session(turn)


def test_a_synthesis_is_one_call():
    """Retrieval and one synthesis: one LLM call, no phases, the server's own clock."""
    step = exchanges.notification(
        "rag_llm_step", 1.5, step_name="Knowledge Synthesis", input_tokens=100, output_tokens=10, duration_ms=700, model="m"
    )
    trace = read(*rag_run(step))
    assert (trace.outcome, trace.profile_type, trace.execution_path) == (Outcome.ANSWERED, "rag_focused", "retrieval")
    assert [(call.label, call.duration_s, call.model) for call in trace.llm_calls] == [("Knowledge Synthesis", 0.7, "OpenAI/m")]
    assert (trace.tokens.input, trace.tokens.output, trace.timing.agent_s, trace.plan) == (100, 10, 1.8, None)
    assert trace.notes == ()


def test_a_retriever_with_tools_is_still_a_retriever():
    """With component tools the events are an agent's; the type is rag_focused all the same."""
    trace = read(*rag_run(exchanges.step(1.0, (100, 10)), *exchanges.agent_tool(1.1, "TDA_Charting", "{}")))
    assert (trace.profile_type, trace.execution_path) == ("rag_focused", "retrieval/conversation_agent")
    assert (len(trace.llm_calls), [call.system for call in trace.tool_calls]) == (1, [True])


def test_retrieved_chunks_are_the_sources_in_order_of_rank():
    """By title or collection and by id. A search without a hit has none, and without a search they are not known."""
    ranked = [{"source": "Handbook", "document_id": "d1"}, {"collection_name": "Lab", "document_id": "d2"}, "torn"]
    found = exchanges.notification("knowledge_retrieval_complete", 0.6, chunks=ranked)
    assert read(*rag_run(found)).sources == (
        Source(name="Handbook", document_id="d1"),
        Source(name="Lab", document_id="d2"),
        Source(name=None, document_id=None),
    )
    assert read(*rag_run()).sources == ()
    assert read(exchanges.task([exchanges.final_answer(1.0)])).sources is None
    planner = exchanges.event("knowledge_retrieval", 0.2, collections=["Lab"], chunks=ranked[:1])
    assert read(exchanges.task([planner, exchanges.final_answer(1.0)])).sources == (Source(name="Handbook", document_id="d1"),)


def test_no_knowledge_is_no_answer():
    """The polite text that nothing was found is not an answer to compare."""
    trace = read(*rag_run(exchanges.step(1.0, (100, 10)), no_knowledge_found=True))
    assert (trace.outcome, trace.outcome_detail) == (Outcome.FAILED, "no knowledge was found")


def genie_run(*middle, success=True, **turn):
    """Return a coordinator's run with these steps."""
    events = [
        *exchanges.head("COORD"),
        exchanges.event("execution_start", 0.1, profile_type="genie", profile_tag="COORD", turn_id=1),
        exchanges.event("genie_coordination_start", 0.2, profile_tag="COORD"),
        exchanges.event("genie_llm_step", 1.0, step_name="Routing Decision", input_tokens=90, output_tokens=3, cost_usd=0.0),
        *middle,
        exchanges.event(
            "genie_coordination_complete", 4.0, total_duration_ms=3800, success=success, input_tokens=90, output_tokens=3
        ),
        exchanges.final_answer(5.0, "the long answer"),
        *exchanges.naming(6.0, 6.5),
    ]
    more = {"profile_type": "genie", "final_response": "the long", **turn}
    return exchanges.task(events), exchanges.session(exchanges.turn("COORD", (90, 3), **more))


def test_a_coordinator_names_its_children_and_leaves_naming_out_of_its_tokens():
    """A genie's turn has the coordinator's tokens alone, without naming. Its experts' sessions are missing here."""
    trace = read(*genie_run(
        exchanges.event("genie_slave_invoked", 1.1, profile_tag="IDEAT"),
        exchanges.event("genie_slave_invoked", 1.2, profile_tag="OPTIM"),
        exchanges.event("genie_slave_completed", 3.0, profile_tag="IDEAT", slave_session_id="s2", duration_ms=1900),
    ))  # fmt: skip
    assert (trace.outcome, trace.profile_type, trace.answer) == (Outcome.ANSWERED, "genie", "the long answer")
    assert [(child.profile_tag, child.session_id, child.status, child.duration_s) for child in trace.children] == [
        ("IDEAT", "s2", ToolStatus.SUCCESS, 1.9),
        ("OPTIM", None, ToolStatus.ERROR, None),
    ]
    assert (trace.tokens.input, trace.tokens.output, trace.tokens.naming_input) == (90, 3, 20)
    assert trace.notes == (
        "lower bound: the session of IDEAT, OPTIM is missing, so tokens, cost, calls and tools are incomplete",
    )


def test_a_childs_apology_is_its_failure():
    """A child that timed out completes with a text that says so."""
    trace = read(*genie_run(
        exchanges.event("genie_slave_completed", 3.0, profile_tag="OPTIM", result="Timeout waiting for @OPTIM response")
    ))  # fmt: skip
    assert [child.status for child in trace.children] == [ToolStatus.ERROR]


def test_a_failed_coordination_fails_whatever_it_answers():
    """A failed coordinator still returns a text."""
    trace = read(*genie_run(success=False))
    assert trace.outcome is Outcome.FAILED

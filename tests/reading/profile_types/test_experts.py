"""A coordinator's experts: their sessions are read and counted, and a session that is missing makes a lower bound."""

from __future__ import annotations

import exchanges
import pytest
import traces
from coordinations import agent, completed, coordinator, invoked, planner

from uderia_bench.reading import metrics
from uderia_bench.reading.profile_types import read as read_record
from uderia_bench.reading.profile_types import totals
from uderia_bench.trace import CallClass, ToolStatus

WORK = ("total_tokens", "input_tokens", "cost_usd", "llm_calls", "other_calls", "tool_calls", "tool_errors", "ms_per_token")


def read(task_and_session, *children):
    """Read a coordinator's trial with the sessions of these experts."""
    task, session = task_and_session
    bodies = tuple(traces.record(session=child).session for child in children)
    record = traces.record(task, session, sent_s=10.0, accepted_s=10.05, children=bodies)
    found = read_record(record)
    assert (totals(record).tokens, totals(record).lower_bound) == (found.tokens, found.lower_bound)
    return found


def test_the_work_of_the_experts_is_counted():
    """Tokens, naming, cost, calls by class, tools and their errors are those of the coordinator and its experts."""
    asked = (
        invoked("OPTIM", 1.1),
        invoked("IDEAT", 1.2),
        completed("OPTIM", 3.5, "planner-1"),
        completed("IDEAT", 3.6, "agent-1"),
    )
    trace = read(coordinator(*asked), planner(), agent())
    observed = metrics.observe(trace)
    assert (observed["input_tokens"], observed["output_tokens"]) == (100 + 1200 + 300, 10 + 90 + 30)
    assert observed["naming_tokens"] == 3 * sum(exchanges.NAMING)
    assert observed["cost_usd"] == pytest.approx(0.02 + 2 * (0.101 - 0.001))
    assert observed["llm_calls"] == 2 + 2 + 1
    assert observed["strategic_tokens"] == 1050
    assert (observed["tool_calls"], observed["tool_errors"], observed["system_tool_calls"]) == (1, 1, 1)
    assert observed["unattributed_tokens"] == 0
    assert observed["lower_bound"] is False
    assert {call.depth for call in trace.llm_calls if call.call_class is CallClass.STRATEGIC} == {1}
    assert trace.notes == ()


def test_chunks_of_the_experts_are_ranked_together():
    """The best chunk of each search comes first. Without a search the sources are not known."""

    def retriever(name, *sources):
        found = {"type": "knowledge_retrieval_complete", "payload": {"chunks": [{"source": source} for source in sources]}}
        more = {"timestamp": exchanges.at(3.0), "knowledge_events": [found]}
        turn = exchanges.turn("FOCUS", (40, 4), profile_type="rag_focused", **more)
        return exchanges.session(turn, id=name)

    asked = (completed("FOCUS", 3.5, "one"), completed("DIGEST", 3.6, "two"))
    trace = read(coordinator(*asked), retriever("one", "a", "b"), retriever("two", "c"))
    assert [source.name for source in trace.sources] == ["a", "c", "b"]
    assert read(coordinator(completed("IDEAT", 3.5, "agent-1")), agent()).sources is None


def test_sessions_of_other_coordinations_are_left_out():
    """Only the sessions that the events name count, even if the record has more."""
    trace = read(coordinator(completed("OPTIM", 3.5, "planner-1")), planner(), agent("somebody-else"))
    assert (trace.tokens.input, trace.lower_bound) == (1300, False)


@pytest.mark.parametrize(
    ("asked", "children"),
    [
        ((completed("OPTIM", 3.5, "planner-1"), completed("IDEAT", 3.6, "agent-1")), (agent(),)),
        ((completed("OPTIM", 3.5, "planner-1"),), ({"id": "planner-1", "last_turn_data": {"workflow_history": []}},)),
        ((completed("OPTIM", 3.5, "planner-1"),), (planner(seconds=-600.0),)),
        ((completed("OPTIM", 3.5, "planner-1"),), (exchanges.session({"turn": 1, "profile_tag": "OPTIM"}, id="planner-1"),)),
        ((completed("OPTIM", 3.0, "planner-1"), completed("OPTIM", 3.5, "planner-1")), (planner(),)),
        ((invoked("OPTIM", 1.1),), ()),
        ((completed("OPTIM", 3.5, "planner-1"),), (b"no JSON",)),
    ],
    ids=["one of two", "no turn yet", "only an old turn", "no tokens", "one turn of two", "never ended", "broken body"],
)  # fmt: skip
def test_totals_without_an_expert_are_a_lower_bound(asked, children):
    """Every metric of work is None, the flag is set, and a note names the expert."""
    trace = read(coordinator(*asked), *children)
    observed = metrics.observe(trace)
    assert trace.lower_bound
    assert [observed[name] for name in WORK] == [None] * len(WORK)
    assert (observed["lower_bound"], observed["answered"]) == (True, True)
    assert observed["latency_s"] is not None
    assert any(note.startswith("lower bound: ") and "OPTIM" in note for note in trace.notes)


def test_an_expert_that_never_began_spent_nothing():
    """It failed before it had a session, as on a port the coordinator does not know."""
    failed = completed("OPTIM", 1.3, None, success=False, error="All connection attempts failed")
    trace = read(coordinator(invoked("OPTIM", 1.1), failed))
    assert (trace.tokens.input, trace.lower_bound) == (100, False)
    assert [child.status for child in trace.children] == [ToolStatus.ERROR]


def test_a_failed_expert_with_a_session_is_counted():
    """A progress event names the session of an expert whose end does not."""
    progress = exchanges.event("genie_slave_progress", 1.5, profile_tag="OPTIM", slave_session_id="planner-1")
    failed = completed("OPTIM", 3.5, None, success=False, error="Timeout waiting for @OPTIM")
    trace = read(coordinator(invoked("OPTIM", 1.1), progress, failed), planner())
    assert (trace.tokens.input, trace.lower_bound) == (1300, False)


def test_an_expert_that_is_asked_again_in_a_conversation_counts_its_new_turn_only():
    """An expert's session lives on: its earlier turn belongs to the trial before."""
    earlier = exchanges.turn("OPTIM", (7000, 700), timestamp=exchanges.at(-60.0), task_id="task-0")
    trace = read(coordinator(completed("OPTIM", 3.5, "planner-1")), planner("planner-1", earlier))
    assert (trace.tokens.input, trace.lower_bound) == (1300, False)


def test_coordinators_inside_coordinators_are_counted_and_circles_end():
    """An expert may consult experts; one that consults itself makes a lower bound instead of an endless loop."""
    inner_events = [completed("IDEAT", 2.5, "agent-1")]
    inner = exchanges.turn("INNER", (40, 4), profile_type="genie", genie_events=inner_events)
    outer = coordinator(completed("INNER", 3.5, "inner"))
    trace = read(outer, exchanges.session(inner, id="inner"), agent())
    assert (trace.tokens.input, trace.lower_bound) == (100 + 40 + 300, False)
    circle = exchanges.turn("INNER", (40, 4), profile_type="genie", genie_events=[completed("INNER", 2.5, "inner")])
    assert read(outer, exchanges.session(circle, id="inner")).lower_bound


@pytest.mark.parametrize("last", [(100, 10), (120, 12)], ids=["without naming", "with naming"])
def test_the_last_token_update_of_a_coordinator_is_no_disagreement(last):
    """The server adds naming to the running total of the turn, though not to the turn itself."""
    update = exchanges.token_update("genie_session_name", 6.6, exchanges.NAMING, last)
    task, session = coordinator()
    task["events"].append(update)
    assert read((task, session)).notes == ()


def test_naming_before_a_late_answer_is_taken_out_of_the_latency():
    """The server stamps a coordinator's naming after the answer, though it came before: 4.7 to 5.0 s."""
    trace = read(coordinator(named_late=True))
    assert trace.timing.naming_s == pytest.approx(0.3)
    assert metrics.observe(trace)["latency_s"] == pytest.approx(0.05 + 4.7)
    assert metrics.observe(trace)["answer_wall_s"] == pytest.approx(0.05 + 5.0)


@pytest.mark.parametrize("tokens", [(-5, 4), (10**13, 4), ("many", 4), (None, 4), (float("nan"), 4)])
def test_an_expert_whose_tokens_cannot_be_counted_makes_a_lower_bound(tokens):
    """A count that is negative, endless, text or missing is no count."""
    turn = {**exchanges.turn("OPTIM", (1, 1), timestamp=exchanges.at(3.0)), "turn_input_tokens": tokens[0]}
    turn["input_tokens"] = turn["turn_input_tokens"]
    trace = read(coordinator(completed("OPTIM", 3.5, "planner-1")), exchanges.session(turn, id="planner-1"))
    assert trace.lower_bound


def test_the_same_session_sent_twice_counts_once():
    """A session that was fetched again after its expert went on has the later state."""
    asked = (completed("OPTIM", 3.5, "planner-1"),)
    assert read(coordinator(*asked), planner(), planner()).tokens.input == 1300

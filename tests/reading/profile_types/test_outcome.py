"""How a trial ended: the first rule that holds, with its reason in words."""

from __future__ import annotations

import exchanges
import pytest
import traces

from uderia_bench.reading import profile_types
from uderia_bench.trial import Ending, Outcome


def read(task=None, session=None, **changes):
    """Return the trace of these bodies."""
    return profile_types.read(traces.record(task, session, **changes))


def ended(trace):
    """Return a trace's outcome and its reason."""
    return trace.outcome, trace.outcome_detail


def with_answer(answer, **turn):
    """Return a planner's run with this answer, and these fields in its turn."""
    task, session = exchanges.one_tool_run()
    for item in task["events"]:
        if item["event_type"] == "final_answer":
            item["event_data"]["final_answer_text"] = answer
    session["last_turn_data"]["workflow_history"][0] |= turn
    return task, session


@pytest.mark.parametrize(
    ("answer", "opening"),
    [
        ("I could not complete the request. Reason: Invalid query", "a tool failed and no retry succeeded"),
        ("The agent has completed its work, but nothing", "the agent wrote no report"),
        ("I encountered an error while processing your request: x", "the agent failed"),
        ("Error during coordination: x", "the coordination failed"),
    ],
)
def test_an_apology_is_no_answer(answer, opening):
    """The texts in which Uderia dresses a failure as an answer are known."""
    outcome, detail = ended(read(*with_answer(answer)))
    assert outcome is Outcome.FAILED
    assert detail.startswith(opening)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "error", "result": {"error": "'int' object is not subscriptable"}}, "'int' object is not subscriptable"),
        ({"status": "failed"}, "the task ended with status failed"),
        ({"status": "processing"}, "the task never ended (status processing)"),
        ({"result": None, "events": []}, "no result"),
        ({"result": {"final_answer_text": ""}}, "the answer is empty"),
    ],
)
def test_a_task_that_did_not_answer_failed(changes, reason):
    """Status complete proves nothing, and no other status helps."""
    task, _ = exchanges.one_tool_run()
    assert ended(read({**task, **changes})) == (Outcome.FAILED, reason)


def test_a_swallowed_provider_error_spends_no_token():
    """An answer for 0/0 tokens is no answer of a model."""
    outcome, detail = ended(read(*exchanges.planner_run(spent=(0, 0))))
    assert (outcome, detail) == (Outcome.FAILED, "no token was spent: the provider's error was swallowed")


def test_an_error_event_at_depth_0_fails_and_a_nested_one_does_not():
    """The turn's own error ends it; a nested prompt's error was survived."""
    error = exchanges.event("error", 2.0, error="headline", details={"summary": "root cause"})
    assert ended(read(*exchanges.planner_run(extra_events=(error,)))) == (Outcome.FAILED, "root cause")
    nested = exchanges.event("error", 2.0, error="headline", metadata={"execution_depth": 1})
    assert read(*exchanges.planner_run(extra_events=(nested,))).outcome is Outcome.ANSWERED


@pytest.mark.parametrize("status", ["failed", "error"])
def test_a_failed_turn_is_not_an_answer_even_if_the_task_is_complete(status):
    """The turn's own status counts."""
    assert ended(read(*with_answer("42", status=status))) == (Outcome.FAILED, f"the turn ended with status {status}")


def test_a_failed_agent_is_no_answer():
    """An agent that says it failed did, although the task is complete and has a text."""
    failed = exchanges.notification("conversation_agent_complete", 3.6, success=False, error="GraphRecursionError")
    task, session = exchanges.agent_run()
    task["events"] = [e for e in task["events"] if e["event_data"].get("type") != "conversation_agent_complete"] + [failed]
    assert ended(read(task, session)) == (Outcome.FAILED, "GraphRecursionError")


@pytest.mark.parametrize(
    "limit", ["Rate limit exceeded: Hourly limit exceeded", "Token quota exceeded: Input token quota exceeded"]
)
def test_a_limit_inside_the_task_is_no_failure_of_the_agent(limit):
    """The user's limit is enforced inside the task: the trial is rate limited."""
    task = exchanges.task([exchanges.event("error", 0.5, error=limit)], status="error", result={"error": limit})
    assert ended(read(task)) == (Outcome.RATE_LIMITED, limit)


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        (Ending.RATE_LIMITED, Outcome.RATE_LIMITED),
        (Ending.REFUSED, Outcome.REFUSED),
        (Ending.UNREACHABLE, Outcome.UNREACHABLE),
        (Ending.LOST, Outcome.LOST),
        (Ending.TIMED_OUT, Outcome.TIMED_OUT),
        (Ending.CANCELLED, Outcome.CANCELLED),
    ],
)
def test_the_clients_own_ending_is_an_outcome(ending, outcome):
    """What the client saw is kept with its reason."""
    assert ended(read(ending=ending, detail="why")) == (outcome, "why")


def test_a_lost_task_is_recovered_from_its_turn():
    """The server forgot the task and still has the turn: the answer counts, its latency is unknown."""
    _, session = exchanges.one_tool_run()
    session["last_turn_data"]["workflow_history"][0]["final_summary"] = "42"
    trace = read(None, session, ending=Ending.LOST, task_id="task-1")
    assert (trace.outcome, trace.answer, trace.timing.answer_s) == (Outcome.ANSWERED, "42", None)


def test_a_cancelled_task_is_cancelled_by_status_by_event_or_by_turn():
    """OPTIM emits an event and saves a turn; IDEAT has only the status."""
    assert ended(read(exchanges.task([], status="cancelled", result={"message": "Task cancelled by user."}))) == (
        Outcome.CANCELLED, "Task cancelled by user.",
    )  # fmt: skip
    assert read(exchanges.task([exchanges.event("cancelled", 1.0)])).outcome is Outcome.CANCELLED
    assert read(*with_answer("42", status="cancelled")).outcome is Outcome.CANCELLED


def test_nothing_at_all_failed_and_says_so():
    """A settled trial without a body has an outcome and a reason."""
    assert ended(read()) == (Outcome.FAILED, "no task came back")
    assert ended(read(b"<html>")) == (Outcome.FAILED, "the task is not JSON")


def test_a_long_reason_is_one_short_line():
    """A page of HTML or a stack dump does not become an outcome's detail."""
    task = exchanges.task([], status="error", result={"error": "line\n" * 1000})
    _, detail = ended(read(task))
    assert len(detail) <= 500
    assert "\n" not in detail


# --- who served it ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ["OPTIM", "@optim", "Optim"])
def test_a_tag_matches_with_or_without_at_in_any_case(tag):
    """Tags are equal with and without @, in any case."""
    assert read(*exchanges.one_tool_run(), expected=traces.expected(profile_tag=tag)).outcome is Outcome.ANSWERED


def test_another_profile_is_misrouted_before_anything_else():
    """Whose answer it is comes before whether it is one: a timed-out trial on the wrong profile is misrouted."""
    expected = traces.expected(profile_tag="IDEAT")
    trace = read(*exchanges.one_tool_run(), expected=expected, ending=Ending.TIMED_OUT)
    assert ended(trace) == (Outcome.MISROUTED, "profile OPTIM served it, IDEAT was asked for")


def test_a_failed_override_is_misrouted():
    """The server says that it fell back to the default profile."""
    fallback = exchanges.notification(
        "profile_override_failed", 0.05, override_profile_tag="OPTIM", default_profile_tag="IDEAT"
    )
    outcome, detail = ended(read(*exchanges.planner_run(extra_events=(fallback,))))
    assert (outcome, detail) == (Outcome.MISROUTED, "the server could not switch to profile OPTIM")


def test_the_reason_of_a_failed_override_is_the_servers():
    """Its message names the cause, such as missing credentials, on one line and within a limit."""
    said = "No API key\nfor Azure. " + "x" * 1000
    fallback = exchanges.notification("profile_override_failed", 0.05, override_profile_tag="OPTIM", error_message=said)
    outcome, detail = ended(read(*exchanges.planner_run(extra_events=(fallback,))))
    assert outcome is Outcome.MISROUTED
    assert detail.startswith("the server could not switch to profile OPTIM: No API key for Azure. xxx")
    assert len(detail) < 400


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            {"error": {"code": 401, "message": "API key not valid"}},
            ': {"error": {"code": 401, "message": "API key not valid"}}',
        ),
        (["No API key", "No model"], ': ["No API key", "No model"]'),
        (401, ": 401"),
        ({}, ""),
        ("", ""),
    ],
)
def test_the_reason_of_a_failed_override_may_have_any_shape(message, said):
    """A provider's error is passed on as an object: its words are repeated all the same."""
    fallback = exchanges.notification("profile_override_failed", 0.05, override_profile_tag="OPTIM", error_message=message)
    outcome, detail = ended(read(*exchanges.planner_run(extra_events=(fallback,))))
    assert (outcome, detail) == (Outcome.MISROUTED, f"the server could not switch to profile OPTIM{said}")


def test_a_model_that_took_part_without_being_asked_is_misrouted():
    """A report written by another arm's model shows only in the session's models."""
    task, session = exchanges.one_tool_run()
    session["models_used"] = ["OpenAI/m", "OpenAI/other"]
    assert ended(read(task, session)) == (Outcome.MISROUTED, "OpenAI/other took part, only OpenAI/m should have")
    del session["models_used"]
    session["dual_model_usage"] = {"conversation": ["OpenAI/other"]}
    assert read(task, session).outcome is Outcome.MISROUTED


def test_the_configured_models_decide_where_they_are_known():
    """An expected model list is the whole truth: the turn's own model must be in it."""
    task, session = exchanges.one_tool_run()
    assert read(task, session, expected=traces.expected(models=("OpenAI/m", "Google/g"))).outcome is Outcome.ANSWERED
    outcome, detail = ended(read(task, session, expected=traces.expected(models=("OpenAI/big",))))
    assert (outcome, detail) == (Outcome.MISROUTED, "OpenAI/m took part, only OpenAI/big should have")


def test_another_profile_id_than_asked_for_is_misrouted():
    """The session says which profile it executed last."""
    task, session = exchanges.one_tool_run()
    session["last_executed_profile_id"] = "profile-a"
    assert read(task, session, expected=traces.expected(profile_id="profile-a")).outcome is Outcome.ANSWERED
    assert read(task, session, expected=traces.expected(profile_id="profile-b")).outcome is Outcome.MISROUTED


def test_an_unknown_profile_id_is_misrouted_by_its_silence():
    """The server echoes an id it does not know, announces no profile and runs the default one."""
    task, session = exchanges.one_tool_run()
    task["profile_id_override"] = "profile-nope"
    assert read(task, session).outcome is Outcome.ANSWERED
    task["events"] = [e for e in task["events"] if e["event_data"].get("type") != "user_message_profile_tag"]
    assert ended(read(task, session)) == (Outcome.MISROUTED, "the server does not know profile profile-nope and ran OPTIM")

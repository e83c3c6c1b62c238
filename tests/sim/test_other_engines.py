"""Tests of FOCUS, COORD and the plain forms: order of events, turns and truth."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.anyio

KNOWN = "what is a good training plan for beginners?"
BOTH = "what is a good training plan and how many databases are on the system?"
NAMING = ["session_name_generation_start", "session_name_generation_complete", "token_update", "session_name_update"]
HEAD = ["session_model_update", "user_message_profile_tag", "context_window_snapshot", "execution_start"]
SEARCH = ["knowledge_retrieval_start", "knowledge_retrieval_complete"]


def turn_of(session: dict) -> dict:
    """Return the only turn of a session."""
    (turn,) = session["last_turn_data"]["workflow_history"]
    return turn


def payload(task: dict, kind: str) -> dict:
    """Return the payload of the only event of a kind."""
    found = [
        event["event_data"].get("payload", event["event_data"])
        for event in task["events"]
        if kind in (event["event_type"], event["event_data"].get("type"))
    ]
    (one,) = found
    return one


async def test_plain_llm_only_is_one_direct_call(serve, kinds):
    """Naming comes after the answer and counts in the turn, but not in the result."""
    async with serve() as client:
        task, session = await client.ask("PLAIN", "tell me something")
        assert kinds(task) == [
            *HEAD,
            "llm_execution",
            "status_indicator_update",
            "llm_execution_complete",
            "token_update",
            "status_indicator_update",
            "final_answer",
            *NAMING[:3],
            "session_model_update",
            "execution_complete",
        ]
        (truth,) = await client.truth()
        turn, result = turn_of(session), task["result"]
        assert (result["input_tokens"], result["output_tokens"]) == (truth["input_tokens"], truth["output_tokens"])
        assert turn["turn_input_tokens"] == payload(task, "execution_complete")["total_input_tokens"] > truth["input_tokens"]
        assert (turn["profile_type"], turn["original_plan"], turn["execution_trace"]) == ("llm_only", None, [])
        assert "duration_ms" not in turn
        assert "duration_ms" not in payload(task, "execution_complete")


async def test_a_provider_error_of_plain_llm_only_is_an_empty_success(serve):
    """The turn has the status success, and the answer has no text and no tokens."""
    async with serve() as client:
        task, session = await client.ask("PLAIN", "tell me something #agentfails")
        assert (task["status"], task["result"]["final_answer_text"], task["result"]["input_tokens"]) == ("complete", "", 0)
        assert turn_of(session)["status"] == "success"
        (truth,) = await client.truth()
        assert (truth["latency_s"], truth["faults"]) == (None, ["agent_failure"])


async def test_focus_answers_from_retrieved_chunks(serve, kinds):
    """Without components: retrieval, one synthesis, the answer, then naming."""
    async with serve() as client:
        task, session = await client.ask("DIGEST", KNOWN)
        assert kinds(task) == [
            *HEAD,
            *SEARCH,
            "system_message",
            "status_indicator_update",
            "status_indicator_update",
            "token_update",
            "rag_llm_step",
            "tool_result",
            "knowledge_search_complete",
            "final_answer",
            "session_model_update",
            "execution_complete",
            *NAMING,
        ]
        (truth,) = await client.truth()
        turn, done = turn_of(session), payload(task, "execution_complete")
        assert (truth["llm_calls"], truth["tool_calls"]) == (1, 0)
        assert done["total_input_tokens"] == truth["input_tokens"] < turn["turn_input_tokens"]
        assert done["documents_retrieved"] == len(turn["knowledge_chunks_ui"]) > 0
        assert "three sessions a week" in task["result"]["final_answer_text"]
        assert task["intermediate_data"][0]["tool_name"] == "LLM_Synthesis"
        assert [event["type"] for event in turn["knowledge_events"]][-1] == "execution_complete"


async def test_focus_with_components_runs_the_agent(serve, kinds):
    """The totals of the session count every step twice."""
    async with serve() as client:
        task, session = await client.ask("FOCUS", KNOWN)
        order = kinds(task)
        assert order.index("system_message") < order.index("conversation_agent_start")
        assert order.index("conversation_agent_complete") < order.index("knowledge_search_complete")
        assert payload(task, "conversation_agent_start")["profile_type"] == "rag_focused"
        (truth,) = await client.truth()
        turn = turn_of(session)
        spent = truth["input_tokens"] + truth["output_tokens"]
        assert turn["turn_input_tokens"] + turn["turn_output_tokens"] == spent + truth["naming_tokens"]
        assert session["input_tokens"] + session["output_tokens"] == 2 * spent + truth["naming_tokens"]


@pytest.mark.parametrize("tag", ["FOCUS", "DIGEST"])
@pytest.mark.parametrize("prompt", ["xyzzy", KNOWN + " #nohit"])
async def test_focus_without_a_hit_answers_without_an_llm(serve, kinds, tag, prompt):
    """Naming, a token update without cost, then a fixed answer."""
    async with serve() as client:
        task, session = await client.ask(tag, prompt)
        assert kinds(task) == [
            *HEAD,
            *SEARCH,
            *NAMING,
            "token_update",
            "session_model_update",
            "final_answer",
            "execution_complete",
        ]
        assert payload(task, "knowledge_retrieval_complete")["collection_names"] == ["Fitness Knowledge"]
        update = [event["event_data"] for event in task["events"] if event["event_type"] == "token_update"][-1]
        assert update["call_id"] == "rag_no_results"
        assert "cost_usd" not in update
        assert task["result"]["no_knowledge_found"] is turn_of(session)["no_knowledge_found"] is True
        (truth,) = await client.truth()
        assert (truth["llm_calls"], truth["faults"]) == (0, ["no_knowledge"])


async def test_a_coordinator_asks_its_experts_in_their_own_sessions(serve, kinds):
    """Each expert has a separate task, turn and truth."""
    async with serve() as client:
        task, session = await client.ask("COORD", BOTH)
        order = kinds(task)
        assert order[:5] == [*HEAD, "genie_coordination_start"]
        assert order.index("genie_synthesis_start") > max(i for i, kind in enumerate(order) if kind == "genie_slave_completed")
        assert order[-6:] == ["final_answer", *NAMING, "session_model_update"]
        asked = [event["event_data"] for event in task["events"] if event["event_type"] == "genie_slave_completed"]
        assert {event["profile_tag"] for event in asked} == {"FOCUS", "OPTIM"}
        for event in asked:
            child = await client.details(event["slave_session_id"])
            assert child["genie_metadata"]["parent_session_id"] == session["id"]
            assert turn_of(child)["profile_tag"] == event["profile_tag"]
            assert event["success"] is True
        truths = {truth["profile_tag"]: truth for truth in await client.truth()}
        assert truths.keys() == {"FOCUS", "OPTIM", "COORD"}
        turn, mine = turn_of(session), truths["COORD"]
        assert (turn["turn_input_tokens"], turn["turn_output_tokens"]) == (mine["input_tokens"], mine["output_tokens"])
        assert mine["llm_calls"] == 2
        assert not {"timestamp", "session_id", "duration_ms", "turn_cost", "execution_trace", "task_id"} & turn.keys()
        assert (turn["slave_sessions"], turn["tools_used"]) == ({}, [])
        assert "3 databases" in task["result"]["final_answer_text"]
        assert "three sessions a week" in task["result"]["final_answer_text"]


@pytest.mark.parametrize(("prompt", "tag"), [(KNOWN, "FOCUS"), ("how many databases are on the system?", "OPTIM")])
async def test_a_single_experts_answer_is_passed_through(serve, kinds, prompt, tag):
    """The coordinator makes one call and no synthesis."""
    async with serve() as client:
        task, _ = await client.ask("COORD", prompt)
        assert "genie_synthesis_skipped" in kinds(task)
        child = payload(task, "genie_slave_completed")
        assert (child["profile_tag"], child["result"]) == (tag, task["result"]["final_answer_text"])
        assert [truth["llm_calls"] for truth in await client.truth() if truth["profile_tag"] == "COORD"] == [1]


async def test_a_coordinator_answers_although_its_expert_fails(serve):
    """The event of the expert has success false, that of the coordinator true."""
    async with serve() as client:
        task, session = await client.ask("COORD", "how many databases are there? #garbage")
        child = payload(task, "genie_slave_completed")
        assert child["success"] is False
        assert child["result"].startswith("Error from @OPTIM:")
        assert payload(task, "genie_coordination_complete")["success"] is True
        assert turn_of(session)["status"] == "success"


async def test_a_coordinator_that_fails_answers_with_its_error(serve):
    """The task is complete, its answer is an error text, and the turn failed."""
    async with serve() as client:
        task, session = await client.ask("COORD", BOTH + " #agentfails")
        assert task["status"] == "complete"
        assert task["result"]["final_answer_text"].startswith("Error during coordination: ")
        assert payload(task, "genie_coordination_complete")["success"] is False
        assert payload(task, "execution_error")["error_type"] == "coordination_error"
        assert turn_of(session)["status"] == "failed"


async def test_the_genie_query_endpoint_has_another_form_of_task(serve):
    """The status is completed, events have a payload, and only genie sessions are accepted."""
    async with serve() as client:
        session = await client.session("COORD")
        answer = await client.http.post(f"/api/v1/sessions/{session}/genie-query", json={"prompt": KNOWN})
        assert answer.status_code == 202
        task = await client.follow(answer.json()["task_id"])
        assert (task["status"], task["query_type"], task["profile_id"]) == ("completed", "genie", client.profiles["COORD"])
        assert all("payload" in event and "event_data" not in event for event in task["events"])
        other = await client.http.post(f"/api/v1/sessions/{await client.session('OPTIM')}/genie-query", json={"prompt": "x"})
        assert other.status_code == 400
        bad = await client.http.post(f"/api/v1/sessions/{session}/genie-query", json={})
        assert bad.json() == {"error": "The 'prompt' field is required."}


async def test_questions_of_a_coordinator_do_not_change_direct_trials(serve):
    """An OPTIM trial is the same after a coordinator asked the same question."""
    prompt, drawn = "how many databases are on the system?", []
    for before in (False, True):
        async with serve(learning=False) as client:
            if before:
                await client.ask("COORD", prompt)
            _, session = await client.ask("OPTIM", prompt)
            (truth,) = [truth for truth in await client.truth() if truth["session_id"] == session["id"]]
            drawn.append([truth[name] for name in ("input_tokens", "output_tokens", "phases", "tool_calls")])
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("tag", ["IDEAT", "OPTIM", "PLAIN", "FOCUS", "DIGEST", "COORD"])
async def test_a_second_turn_has_a_longer_prompt_and_no_naming(serve, kinds, tag):
    """The input tokens per call grow by the history."""
    async with serve(learning=False) as client:
        session, spent = await client.session(tag), []
        for prompt in (KNOWN, KNOWN + " again"):
            task = await client.follow(await client.submit(session, prompt, profile_id=client.profiles[tag]))
            spent.append(next(truth for truth in await client.truth() if truth["task_id"] == task["task_id"]))
        assert "session_name_generation_start" not in kinds(task)
        assert [truth["naming_tokens"] > 0 for truth in spent] == [True, False]
        calls = [truth["input_tokens"] / truth["llm_calls"] for truth in spent]
        assert calls[1] > calls[0] + 100
        turns = (await client.details(session))["last_turn_data"]["workflow_history"]
        assert [turn["turn"] for turn in turns] == [1, 2]


async def test_two_queries_in_flight_in_one_session_both_run_as_turn_one(serve):
    """Both are answered as turn 1."""
    async with serve() as client:
        session = await client.session("IDEAT")
        tasks = [
            await client.submit(session, f"#chain how many databases, attempt {number}", profile_id=client.profiles["IDEAT"])
            for number in range(2)
        ]
        answers = [await client.follow(task) for task in tasks]
        assert [answer["result"]["turn_id"] for answer in answers] == [1, 1]
        turns = (await client.details(session))["last_turn_data"]["workflow_history"]
        assert [turn["turn"] for turn in turns] == [1, 1]

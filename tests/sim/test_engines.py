"""Tests of the task, turn and truth of a trial on each engine."""

from __future__ import annotations

import anyio
import pytest

from uderia_bench.sim.agent.llms import FRIENDLI, GOOGLE
from uderia_bench.sim.engines import execution

pytestmark = pytest.mark.anyio

PLAIN = "What databases are available on the system? #multitool"  # a named difficulty excludes random ones


def turn_of(session: dict) -> dict:
    """Return the only turn of a session."""
    (turn,) = session["last_turn_data"]["workflow_history"]
    return turn


def logged(turn: dict, message: str) -> list[dict]:
    """Return the log entries of the trace with a message."""
    return [entry for entry in turn["execution_trace"] if entry["action"]["arguments"].get("message") == message]


@pytest.mark.parametrize(
    ("tag", "prompt"),
    [
        ("IDEAT", "how many databases are on the system?"),
        ("IDEAT", "#chain list the tables in sales_db"),
        ("OPTIM", "how many databases are on the system?"),
        ("OPTIM", "#tactical list the tables in hr_db"),
        ("OPTIM", "#failonce count the rows of orders"),
        ("OPTIM", "#alwaysfail count the rows of orders"),
        ("OPTIM", "#badjson which version do we run?"),
        ("OPTIM", "#llmtask the tables in fitness_db"),
        ("OPTIM", "For each database list its tables #multitool"),
        ("OPTIM", "system usage for the past 4 days #multitool"),
        ("OPTIM", "#garbage"),
        ("OPTIM2", "how many databases are on the system?"),
    ],
)
async def test_the_truth_adds_up_to_the_turn(serve, tag, prompt):
    """Tokens of the truth, naming included, equal the totals of turn and session."""
    async with serve() as client:
        task, session = await client.ask(tag, prompt)
        (truth,) = await client.truth()
        turn = turn_of(session)
        counted = truth["input_tokens"] + truth["output_tokens"] + truth["naming_tokens"]
        assert counted == turn["turn_input_tokens"] + turn["turn_output_tokens"]
        assert counted == session["input_tokens"] + session["output_tokens"]
        assert (truth["profile_tag"], truth["model"]) == (tag, f"{turn['provider']}/{turn['model']}")
        assert (truth["task_id"], truth["session_id"], truth["prompt"]) == (task["task_id"], session["id"], prompt)
        assert (truth["latency_s"] is None) is (task["result"] is None)
        assert 0 < truth["submit_s"] < truth["task_s"]
        assert session["models_used"] == [truth["model"]]


async def test_ideat_names_its_session_before_it_answers(serve, kinds):
    """Naming comes before the answer; the whole turn is one more token update."""
    async with serve() as client:
        task, session = await client.ask("IDEAT", "#chain how many databases?")
        order = kinds(task)
        assert order.index("session_name_generation_complete") < order.index("final_answer")
        assert order.count("conversation_llm_step") == 3
        updates = [event["event_data"] for event in task["events"] if event["event_type"] == "token_update"]
        steps, whole, naming = updates[:3], updates[3], updates[4]
        assert whole["statement_input"] == sum(update["statement_input"] for update in steps)
        assert naming["call_id"] == "session_name_generation"
        turn = turn_of(session)
        assert turn["tools_used"] == ["base_databaseList", "base_tableList"]
        assert session["name"] == "Chain How Many Databases"


async def test_ideat_reports_success_of_a_tool_that_failed(serve):
    """The event reports success; only the JSON of the preview shows the error."""
    async with serve() as client:
        task, session = await client.ask("IDEAT", "run the query that cannot work")
        (event,) = [e["event_data"] for e in task["events"] if e["event_data"].get("type") == "conversation_tool_completed"]
        assert event["payload"]["success"] is True
        assert '"status": "error"' in event["payload"]["result_preview"]
        assert turn_of(session)["status"] == "success"
        assert (await client.truth())[0]["faults"] == ["tool_error"]


async def test_optim_fast_paths_its_report(serve, kinds):
    """Both phases of the plan take the fast path, and naming comes after the answer."""
    async with serve() as client:
        task, session = await client.ask("OPTIM", "which version do we run? #failonce")
        order = kinds(task)
        assert order.index("final_answer") < order.index("session_name_generation_start")
        turn = turn_of(session)
        summaries = [entry["action"]["arguments"]["details"]["summary"] for entry in logged(turn, "Plan Optimization")]
        assert summaries == ["FASTPATH initiated for 'base_readQuery'.", "FASTPATH initiated for 'TDA_FinalReport'."]
        assert turn["original_plan"] == turn["raw_llm_plan"]
        (truth,) = await client.truth()
        assert (truth["phases"], truth["fastpath_phases"]) == (2, 2)


async def test_a_tactical_call_chooses_where_the_plan_does_not(serve):
    """The phase has one more LLM call and is not on a fast path."""
    async with serve() as client:
        _, session = await client.ask("OPTIM", "which version do we run? #tactical")
        turn, (truth,) = turn_of(session), await client.truth()
        assert turn["original_plan"][0]["relevant_tools"] == []
        assert len(logged(turn, "Calling LLM for Tactical Action")) == 1
        assert (truth["llm_calls"], truth["phases"], truth["fastpath_phases"]) == (3, 2, 1)
        assert session["dual_model_usage"]["tactical"] == [FRIENDLI.label]


async def test_several_tools_in_a_phase_are_dispatched(serve):
    """The dispatcher runs both tools without a tactical call and adds a summary entry."""
    async with serve() as client:
        task, session = await client.ask("OPTIM", PLAIN)
        turn = turn_of(session)
        (summary,) = [e for e in turn["execution_trace"] if isinstance(e["result"], list)]
        assert summary["action"]["arguments"]["message"].startswith("Multi-Tool Phase: ")
        assert len(summary["result"]) == 2
        assert logged(turn, "Scope-Aware Dispatcher Active")
        (truth,) = await client.truth()
        assert (truth["tool_calls"], truth["llm_calls"], truth["fastpath_phases"]) == (2, 2, 2)
        assert "3 databases" in task["result"]["final_answer_text"]


async def test_a_correction_is_logged_twice_and_repairs_the_call(serve):
    """The entries are without and with tokens; the entry of the retry has no execution depth."""
    async with serve() as client:
        task, session = await client.ask("OPTIM", "count the rows of orders #failonce")
        turn, (truth,) = turn_of(session), await client.truth()
        calls = [entry["action"]["arguments"]["details"] for entry in logged(turn, "Calling LLM for Self-Correction")]
        assert ["input_tokens" in details for details in calls] == [False, True]
        tools = [e for e in turn["execution_trace"] if e["action"]["tool_name"] == "base_readQuery"]
        assert [entry["result"]["status"] for entry in tools] == ["error", "success"]
        assert ["execution_depth" in entry["action"]["metadata"] for entry in tools] == [True, False]
        assert (truth["corrections"], truth["tool_calls"], truth["faults"]) == (1, 2, ["tool_error"])
        assert task["result"]["final_answer_text"] == "The table contains 310 rows."
        assert session["rag_cases"] == []


async def test_a_turn_succeeds_although_its_tool_fails(serve, kinds):
    """Three attempts and two corrections end in an answer that found nothing."""
    async with serve() as client:
        task, session = await client.ask("OPTIM", "run the query that cannot work")
        assert kinds(task).count("tool_error") == 6  # each of three errors comes twice
        assert turn_of(session)["status"] == "success"
        assert task["result"]["final_answer_text"] == "I could not find data for your question."
        (truth,) = await client.truth()
        assert (truth["corrections"], truth["tool_calls"], truth["faults"]) == (2, 3, ["tool_error", "tool_failed"])


async def test_a_plan_that_never_parses_ends_complete_without_a_result(serve, kinds):
    """Only the turn shows the tokens of the second planning call."""
    async with serve() as client:
        task, session = await client.ask("OPTIM", "this plan is broken")
        assert (task["status"], task["result"]) == ("complete", None)
        assert kinds(task)[-2:] == ["error", "execution_error"]
        turn, (truth,) = turn_of(session), await client.truth()
        assert turn["status"] == "error"
        assert truth["llm_calls"] == 2
        shown = [e["event_data"]["turn_input"] for e in task["events"] if e["event_type"] == "token_update"]
        assert len(shown) == 1
        assert shown[0] < turn["turn_input_tokens"] == truth["input_tokens"]
        assert truth["faults"] == ["plan_failure"]


async def test_a_plan_that_parses_late_hides_one_call(serve):
    """The turn has the tokens of the retry, and no token update shows them."""
    async with serve() as client:
        task, session = await client.ask("OPTIM", "which version do we run? #badjson")
        statements = [e["event_data"]["statement_input"] for e in task["events"] if e["event_type"] == "token_update"]
        turn, (truth,) = turn_of(session), await client.truth()
        assert len(statements) == 3  # plan, report, naming
        assert sum(statements) < turn["turn_input_tokens"]
        assert (truth["llm_calls"], truth["faults"]) == (3, ["plan_retry"])


async def test_optim_fails_on_plain_chat(serve):
    """The planner answers a greeting in prose, and the server fails on it."""
    async with serve() as client:
        task, session = await client.ask("OPTIM", "hello")
        assert task["result"] is None
        assert turn_of(session)["error_details"] == "object of type 'NoneType' has no len()"


async def test_a_loop_runs_a_tool_for_every_row(serve):
    """One fast phase calls the tool for every database."""
    async with serve() as client:
        _, session = await client.ask("OPTIM", "For each database list its tables #multitool")
        turn, (truth,) = turn_of(session), await client.truth()
        assert turn["original_plan"][1]["loop_over"] == "result_of_phase_1"
        assert truth["tool_calls"] == 4
        listed = [e["action"]["arguments"] for e in turn["execution_trace"] if e["action"]["tool_name"] == "base_tableList"]
        assert [arguments["database_name"] for arguments in listed] == ["fitness_db", "sales_db", "hr_db"]


async def test_a_date_range_is_run_day_by_day(serve):
    """The calls have no phase number, and a consolidated entry repeats them."""
    async with serve() as client:
        task, session = await client.ask("OPTIM", "system usage for the past 4 days #multitool")
        turn, (truth,) = turn_of(session), await client.truth()
        usage = [e for e in turn["execution_trace"] if e["action"]["tool_name"] == "dba_resusageSummary"]
        assert len(usage) == 5
        assert not any("phase_number" in entry["action"]["metadata"] for entry in usage)
        assert usage[-1]["action"]["arguments"] == {"date": "past 4 days"}
        assert len(usage[-1]["result"]["results"]) == 4
        assert (truth["tool_calls"], truth["phases"], truth["llm_calls"]) == (4, 3, 2)
        assert len(turn["raw_llm_plan"]) == 2
        assert turn["original_plan"][0]["relevant_tools"] == ["TDA_CurrentDate"]
        assert "4 day(s)" in task["result"]["final_answer_text"]


@pytest.mark.parametrize("tag", ["FOCUS", "COORD"])
async def test_a_profile_without_experts_or_knowledge_refuses(serve, kinds, tag):
    """The task ends complete with an error event, without a result and a turn."""
    async with serve() as client:
        task, session = await client.ask(tag, "what is a good training plan? #refused")
        assert (task["status"], task["result"], kinds(task)[-1]) == ("complete", None, "error")
        assert session["last_turn_data"]["workflow_history"] == []


@pytest.mark.parametrize("tag", ["IDEAT", "OPTIM"])
async def test_a_prompt_of_another_type_ends_in_error(serve, tag):
    """The task has the status error and the session no turn."""
    async with serve() as client:
        task, session = await client.ask(tag, 12345)
        assert (task["status"], task["result"]) == ("error", {"error": "'int' object is not subscriptable"})
        assert session["last_turn_data"]["workflow_history"] == []


async def test_an_unknown_profile_silently_runs_the_default(serve, kinds):
    """The unknown id is echoed, OPTIM serves, and the user's message has no tag."""
    async with serve() as client:
        session = await client.session("IDEAT")
        task = await client.follow(await client.submit(session, "which version do we run?", profile_id="profile-nope"))
        assert task["profile_id_override"] == "profile-nope"
        assert "user_message_profile_tag" not in kinds(task)
        details = await client.details(session)
        assert turn_of(details)["profile_tag"] == "OPTIM"
        assert "profile_tag" not in details["session_history"][0]


async def test_a_query_without_profile_runs_the_default(serve):
    """The profile of the session is replaced by the default profile."""
    async with serve() as client:
        session = await client.session("IDEAT")
        task = await client.follow(await client.submit(session, "which version do we run?"))
        assert task["profile_id_override"] is None
        details = await client.details(session)
        assert turn_of(details)["profile_tag"] == "OPTIM"
        assert details["profile_id"] == client.profiles["OPTIM"]


@pytest.mark.parametrize(("tag", "saved"), [("OPTIM", ["cancelled"]), ("IDEAT", [])])
async def test_a_task_is_cancelled(serve, kinds, tag, saved):
    """OPTIM emits an event and saves a turn, IDEAT does neither."""
    async with serve() as client:
        session = await client.session(tag)
        task_id = await client.submit(session, "count rows #slow=60000000", profile_id=client.profiles[tag])
        await anyio.sleep(0.05)
        assert (await client.task(task_id))["status"] == "processing"
        answer = await client.http.post(f"/api/v1/tasks/{task_id}/cancel")
        assert answer.json() == {"message": "Cancellation request sent.", "status": "success"}
        task = await client.follow(task_id)
        assert (task["status"], task["result"]) == ("cancelled", {"message": "Task cancelled by user."})
        turns = (await client.details(session))["last_turn_data"]["workflow_history"]
        assert [turn["status"] for turn in turns] == saved
        assert ("cancelled" in kinds(task)) is bool(saved)
        again = await client.http.post(f"/api/v1/tasks/{task_id}/cancel")
        assert again.json() == {"message": "Task already finished (cancelled).", "status": "success"}
        (truth,) = await client.truth()
        assert (truth["faults"], truth["latency_s"]) == (["cancelled"], None)


async def test_a_task_cancelled_at_once_ends(serve):
    """The cancel follows the submit without a pause."""
    async with serve() as client:
        task = await client.submit(await client.session("IDEAT"), "count rows", profile_id=client.profiles["IDEAT"])
        await client.http.post(f"/api/v1/tasks/{task}/cancel")
        assert (await client.follow(task))["status"] == "cancelled"


async def test_a_second_turn_continues_the_session(serve):
    """The second turn has number two, no naming, and continues the totals."""
    async with serve() as client:
        session, profile = await client.session("IDEAT"), client.profiles["IDEAT"]
        for prompt in ("how many databases are there? #chain", "and which is the largest? #chain"):
            await client.follow(await client.submit(session, prompt, profile_id=profile))
        details = await client.details(session)
        first, second = details["last_turn_data"]["workflow_history"]
        assert (first["turn"], second["turn"]) == (1, 2)
        assert second["session_input_tokens"] == first["turn_input_tokens"] + second["turn_input_tokens"]
        assert [truth["naming_tokens"] > 0 for truth in await client.truth()] == [True, False]


async def test_a_stored_plan_is_found_by_the_next_identical_query(serve, kinds):
    """The repeat retrieves the case and plans with about 300 tokens more."""
    for learning, warm in ((True, True), (False, False)):
        async with serve(learning=learning) as client:
            _, first = await client.ask("OPTIM", PLAIN)
            task, second = await client.ask("OPTIM", PLAIN)
            assert bool(first["rag_cases"]) is learning
            assert ("rag_retrieval" in kinds(task)) is warm
            assert (turn_of(second)["rag_source_collection_id"] == 1) is warm
            plans = [
                turn_of(s)["execution_trace"][1]["action"]["arguments"]["details"]["input_tokens"] for s in (first, second)
            ]
            assert (250 < plans[1] - plans[0] < 450) is warm


async def test_the_two_providers_differ():
    """Speed, verbosity and prices are different."""
    for name in ("token_s", "verbosity", "output_usd", "input_usd"):
        assert getattr(GOOGLE, name) != getattr(FRIENDLI, name)


@pytest.mark.parametrize("when", ["before the first event", "half way", "with a result that is not JSON"])
async def test_an_exception_in_an_engine_ends_its_task(serve, monkeypatch, caplog, when):
    """The task gets the status error and the exception's text, and the next task is served."""

    async def broken(run):
        if when == "half way":
            run.step("Calling LLM for Planning", "system_message", {})
        if when == "with a result that is not JSON":
            return {"final_answer": object()}
        raise RuntimeError("half edited")

    async with serve() as client:
        with monkeypatch.context() as patched:
            patched.setitem(execution.ENGINES, "tool_enabled", broken)
            task, _ = await client.ask("OPTIM", PLAIN)
        assert task["status"] == "error"
        assert set(task["result"]) == {"error"}
        assert (await client.truth())[0]["faults"] == ["internal_error"]
        assert "failed" in caplog.text
        assert (await client.ask("OPTIM", PLAIN))[0]["status"] == "complete"

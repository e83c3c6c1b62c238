"""Tests of further planner features: columns, recovery, rewrites, distillation, components."""

from __future__ import annotations

import pytest
from sim.conftest import kinds
from traces import expected, record

from uderia_bench.reading.metrics import observe
from uderia_bench.reading.profile_types import read
from uderia_bench.sim.agent.questions import PASSES
from uderia_bench.sim.engines.rewrites import REWRITES

pytestmark = pytest.mark.anyio

FEATURES = {
    "#columns of the orders table": {"orchestrations": 1, "tactical_calls": 1, "tool_calls": 5, "fastpath_phases": 1},
    "#expand the orders table": {"orchestrations": 0, "tactical_calls": 0, "tool_calls": 5, "fastpath_phases": 2},
    "#recover": {"tactical_calls": 5, "corrections": 10, "tool_calls": 15, "fastpath_phases": 1},
    "which version? #chart": {"tool_calls": 1, "phases": 3, "fastpath_phases": 3},
    "which version? #context": {"llm_calls": 1, "tool_calls": 0, "phases": 1, "fastpath_phases": 1},
    "which version? #rewrite=all": {"plan_rewrites": 12, "other_calls": 3, "hydrated": True},
    "which version? #rewrite": {"plan_rewrites": 1, "llm_calls": 2},
    "which version? #replan": {"strategic_calls": 2, "plan_rewrites": 0},
    "which version? #repair": {"format_repairs": 1, "llm_calls": 2},
    "show all rows of the orders table": {"distillations": 1, "tool_calls": 1},
    "which version? #earlyreport": {"report_calls": 2, "tactical_calls": 1, "tool_calls": 0},
    "#llmtask the tables in fitness_db": {"other_calls": 2, "tactical_calls": 1},
}


async def asked(serve, prompt: str) -> tuple[dict, dict, dict]:
    """Ask OPTIM without random difficulties; return task, session details and truth."""
    async with serve(chance=False) as client:
        task, session = await client.ask("OPTIM", prompt)
        (truth,) = await client.truth()
        return task, session, truth


@pytest.mark.parametrize("prompt", FEATURES)
async def test_the_projects_metrics_equal_the_truth(serve, prompt):
    """The readers find the planted feature and count calls, phases and tokens as the truth does."""
    task, session, truth = await asked(serve, prompt)
    profile = expected(profile_tag="OPTIM", models=(truth["model"],))
    values = observe(read(record(task, session, expected=profile, task_id=task["task_id"])))
    assert {name: values[name] for name in FEATURES[prompt]} == FEATURES[prompt]
    for name in ("llm_calls", "input_tokens", "output_tokens", "naming_tokens", "phases", "fastpath_phases", "corrections"):
        assert values[name] == truth[name], name
    assert values["tool_calls"] == truth["tool_calls"]
    assert values["unattributed_tokens"] == 0


def messages(session: dict) -> list[str]:
    """Return the log messages and tool names of the trace of the only turn."""
    (turn,) = session["last_turn_data"]["workflow_history"]
    found = []
    for entry in turn["execution_trace"]:
        action = entry["action"]
        found.append(action if isinstance(action, str) else action["arguments"].get("message", action["tool_name"]))
    return found


async def test_a_column_iteration_is_many_calls_and_one_entry(serve):
    """The events show every call, and one trace entry holds all of them."""
    task, session, _ = await asked(serve, "#columns of the orders table")
    shown = [e["event_data"]["details"]["tool_name"] for e in task["events"] if e["event_data"].get("type") == "tool_intent"]
    assert shown == ["base_columnDescription", *["qlty_columnSummary"] * 4, "TDA_FinalReport"]
    assert messages(session).count("qlty_columnSummary") == 1
    (entry,) = [
        e
        for e in session["last_turn_data"]["workflow_history"][0]["execution_trace"]
        if e["action"]["tool_name"] == "qlty_columnSummary"
    ]
    found = [result["metadata"]["tool_name"] for result in entry["result"]["results"]]
    assert found == ["base_columnDescription", *["qlty_columnSummary"] * 4]


async def test_every_fast_path_has_its_wording(serve):
    """An answer from the context has no fast-path message."""
    wordings = {
        "which version?": "FASTPATH initiated for 'dba_databaseVersion'.",
        "for each database list its tables": "FASTPATH enabled for tool loop: 'base_tableList'",
        "#expand the orders table": "FASTPATH Data Expansion: Preparing column-level iteration for 'qlty_columnSummary'.",
        "which version? #chart": "Component Fast-Path (chart): bypassing tactical LLM",
    }
    for prompt, wording in wordings.items():
        task, _, _ = await asked(serve, prompt)
        said = [e["event_data"]["details"] for e in task["events"] if e["event_data"].get("step") == "Plan Optimization"]
        texts = [details["summary"] if isinstance(details, dict) else details for details in said]
        assert any(text.startswith(wording) for text in texts), texts
    task, session, _ = await asked(serve, "#context")
    assert "plan_optimization" not in kinds(task)
    assert session["rag_cases"] == []
    assert task["intermediate_data"][0]["tool_name"] == "TDA_ContextReport"


async def test_a_recovery_is_planned_and_not_carried_out(serve):
    """The events have the recovery plan, the trace has only a mark."""
    task, session, truth = await asked(serve, "#recover")
    said = messages(session)
    assert said.count("RECOVERY_REPLAN") == 1
    assert said.count("Calling LLM for Tactical Action") == 5
    assert any(event["event_data"].get("step") == "Recovery Plan Generated" for event in task["events"])
    assert "Recovery Plan Generated" not in said
    assert "recovery" in truth["faults"]


async def test_rewriting_passes_are_logged_in_order(serve):
    """They come before the plan is announced. The LLM's plan lacks the added report."""
    assert tuple(rewrite.name for rewrite in REWRITES) == PASSES
    task, session, _ = await asked(serve, "which version? #rewrite=all")
    diffs = [e["event_data"]["details"] for e in task["events"] if e["event_data"].get("type") == "plan_rewrite_diff"]
    assert tuple(diff["pass"] for diff in diffs) == PASSES
    assert [diff["delta"] for diff in diffs] == [0] * 11 + [1]
    order = kinds(task)
    assert max(i for i, kind in enumerate(order) if kind == "plan_rewrite_diff") < order.index("plan_generated")
    (turn,) = session["last_turn_data"]["workflow_history"]
    assert len(turn["raw_llm_plan"]) == len(turn["original_plan"]) - 1


async def test_a_large_result_is_distilled_for_every_prompt(serve):
    """The events keep the whole result, and the prompt has few tokens."""
    task, session, truth = await asked(serve, "show all rows of the orders table")
    (entry,) = [
        e
        for e in session["last_turn_data"]["workflow_history"][0]["execution_trace"]
        if e["action"]["arguments"].get("message") == "Context Optimization"
    ]
    details = entry["action"]["arguments"]["details"]
    assert (details["subtype"], details["row_count"]) == ("context_distillation", 310)
    assert len(str(task)) > 75_000
    assert truth["input_tokens"] < 14_000

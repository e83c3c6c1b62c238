"""What ``inspect`` prints: goldens of every kind of turn, the width it keeps, what it escapes, the JSON it promises."""

from __future__ import annotations

import json
from pathlib import Path

import exchanges
import pytest
import traces
from report.golden import assert_golden
from rich.cells import cell_len

from uderia_bench.reading import detectors, metrics, profile_types
from uderia_bench.report.trial.inspected import Inspected, to_json
from uderia_bench.report.trial.text import to_text

CAPTURES = Path(__file__).resolve().parents[3] / "shared/uderia/captures"
# A scenario's folder holds its task and session under these names; these three captures are kept under their own.
_OTHERS = {
    "cancel-ideat": ("cancel/IDEAT_poll_after_cancel3.json", "cancel/IDEAT_details_after_cancel.json"),
    "cancel-optim": ("cancel/OPTIM_poll_after_cancel3.json", "cancel/OPTIM_details_after_cancel.json"),
    "unknown-ids": ("unknown-ids/query_unknown_profile_task.json", "unknown-ids/query_unknown_profile_details.json"),
}
SCENARIOS = {
    **{
        path.parent.name: (f"{path.parent.name}/task_final.json", f"{path.parent.name}/session_details.json")
        for path in sorted(CAPTURES.glob("*/session_details.json"))
    },
    **(_OTHERS if CAPTURES.is_dir() else {}),
}
# docs/reference/run-directory.md, "report.json"
KEYS = ["outcome", "outcome_detail", "served", "metrics", "plan", "phases", "llm_calls", "tools", "issues"]


def inspected(task=None, session=None, *, planned=False, **changes):
    """Return a trial read in full, as raw bodies unless it is planned."""
    trial = traces.trial() if planned else traces.trial(prompt="")
    record = traces.record(task, session, trial=trial, **changes)
    trace = profile_types.read(record)
    return Inspected(
        record=record, planned=planned, trace=trace, metrics=metrics.observe(trace), issues=detectors.detect(trace)
    )


def planner():
    """Return a planner's run that could have taken the fast path, with an error, its correction and a nested call."""
    trace = (
        exchanges.PLANNED,
        exchanges.phase_start(1, 2.0, "base_tableList", goal="list the tables"),
        exchanges.llm("Calling LLM for Tactical Action", 2.2, "c-tactical", (300, 20)),
        exchanges.tool("base_tableList", 2.5, 1, result={"status": "error", "error": "no such database"}),
        exchanges.log("System Self-Correction", 2.6, {"summary": "Tool failed. Attempting self-correction (1/2)."}),
        exchanges.llm("Calling LLM for Self-Correction", 2.7, "c-correct", (400, 30)),
        exchanges.tool("base_tableList", 2.8, 1, arguments={"database_name": "sales_db"}),
        exchanges.phase_end(1, 2.9),
        *exchanges.REPORT,
    )
    return exchanges.planner_run(*trace, spent=(1900, 140), user_query="list the tables of the past 2 days")


def agent():
    """Return an agent's run whose tool failed and that answered all the same."""
    steps = (
        exchanges.step(1.0, (200, 20)),
        *exchanges.agent_tool(1.5, "base_readQuery", '{"status": "error", "error": "no such column"}', {"sql": "SELECT x"}),
        exchanges.step(3.0, (100, 10), "Response Generation"),
    )
    return exchanges.agent_run(*steps)


def coordinator():
    """Return a coordinator's run that consulted two profiles, one in vain."""
    events = [
        *exchanges.head("COORD"),
        exchanges.event("execution_start", 0.1, profile_type="genie", profile_tag="COORD", turn_id=1),
        exchanges.event("genie_coordination_start", 0.2, profile_tag="COORD"),
        exchanges.event("genie_llm_step", 1.0, step_name="Routing Decision", input_tokens=90, output_tokens=3, cost_usd=0.0),
        exchanges.event("genie_slave_invoked", 1.1, profile_tag="OPTIM"),
        exchanges.event("genie_slave_invoked", 1.1, profile_tag="FOCUS"),
        exchanges.event(
            "genie_slave_completed", 3.0, profile_tag="OPTIM", slave_session_id="s-1", success=True, duration_ms=1900
        ),
        exchanges.event("genie_coordination_complete", 4.0, success=True, input_tokens=90, output_tokens=3),
        exchanges.final_answer(5.0, "3 databases"),
    ]
    return exchanges.task(events), exchanges.session(exchanges.turn("COORD", (90, 3), profile_type="genie"))


OWN = {"planner": planner, "agent": agent, "coordinator": coordinator}


@pytest.mark.parametrize("name", OWN)
def test_a_turn_of_each_kind_is_shown(name):
    """Plan, phases with their path, a ledger that adds up, tools, signals, issues, timeline: read line by line."""
    assert_golden(f"inspect/{name}.txt", to_text(inspected(*OWN[name]()), 80))


def test_a_planned_trial_has_its_id():
    """From a run: the trial's id, query, arm and repetition stand first."""
    text = to_text(inspected(*agent(), planned=True, accepted_s=1.05, sent_s=1.0), 80)
    assert text.startswith("trial           t-1: query q, arm A, repeat 1, measured\nquestion        how many?\n")


def test_the_times_are_the_metrics():
    """Text and JSON of one trial give one answer and one task: from the send, the query's round trip included."""
    timed = inspected(*planner(), planned=True, sent_s=1.0, accepted_s=1.05)
    said = json.loads(to_json(timed))["metrics"]
    assert (said["answer_wall_s"], said["task_s"]) == (5.05, 9.05)  # the server's own are 5 and 9
    assert "answer 5.050 s, task 9.050 s" in to_text(timed, 80)


def test_a_trial_of_which_nothing_came_back_is_shown():
    """There is an outcome and a reason, and no empty section."""
    assert to_text(inspected(), 80) == "outcome         failed: no task came back\n"


def test_a_ledger_that_does_not_add_up_says_by_how_much():
    """A call that is logged nowhere, and calls that claim more than the turn."""
    task, session = exchanges.planner_run(*exchanges.REPORT, spent=(1000, 50))
    text = to_text(inspected(task, session), 80)
    assert "The server's total for the turn is 1,050, 810 more than" in text
    task, session = exchanges.planner_run(*exchanges.REPORT, spent=(100, 40))
    text = to_text(inspected(task, session), 80)
    assert "The server's total for the turn is 140, 100 fewer than" in text


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", OWN)
def test_no_line_is_wider_than_the_terminal(name, width):
    """Whatever the server says, in double-width characters too."""
    task, session = OWN[name]()
    task["events"][-1]["event_data"]["final_answer_text"] = "答" * 300
    assert max(map(cell_len, to_text(inspected(task, session), width).splitlines())) <= width


def test_what_the_server_says_reaches_no_terminal_unescaped():
    """Escape sequences in a goal, a tool's name, its arguments, its error and the answer are written out."""
    evil = "\x1b]0;pwned\x07\x9b31m\u202e"
    task, session = exchanges.planner_run(
        exchanges.phase_start(1, 2.0, evil, goal=evil),
        exchanges.tool(evil, 2.5, 1, arguments={"a": evil}, result={"status": "error", "error": evil}),
        exchanges.log("System Self-Correction", 2.6, {"summary": f"Tool failed. Attempting self-correction {evil}"}),
        exchanges.phase_end(1, 2.9, evil),
        original_plan=[{"phase": 1, "goal": evil, "relevant_tools": [evil], "arguments": {evil: evil}}],
        profile_tag=evil,
    )
    task["result"]["final_answer_text"] = evil
    text = to_text(inspected(task, session), 80)
    assert "pwned" in text
    assert all(character.isprintable() or character == "\n" for character in text)


def test_a_thousand_calls_are_shown_by_their_first_hundred():
    """A loop does not flood the terminal; what is left out is counted."""
    calls = [exchanges.tool("base_tableList", 2.0 + n / 1000, 1, arguments={"n": n}) for n in range(1000)]
    text = to_text(inspected(*exchanges.planner_run(exchanges.phase_start(1, 1.9, "base_tableList"), *calls)), 80)
    assert "… and 900 more, in --json" in text
    assert len(text.splitlines()) < 400


def test_the_json_is_the_contracts():
    """Exactly these keys, every metric one of them, null where there is none."""
    found = json.loads(to_json(inspected(*planner())))
    assert list(found) == KEYS
    assert list(found["metrics"]) == [metric.name for metric in metrics.BUILT_IN]
    assert found["metrics"]["total_tokens"] == 2040
    assert found["metrics"]["list_cost_usd"] is None
    assert found["served"]["profile_tag"] == "OPTIM"
    assert [call["class"] for call in found["llm_calls"]] == ["strategic", "tactical", "correction", "report"]
    assert [(call["name"], call["status"], call["attempt"]) for call in found["tools"]] == [
        ("base_tableList", "error", 1),
        ("base_tableList", "success", 2),
        ("TDA_FinalReport", "success", 1),
    ]
    assert found["tools"][1]["arguments"] == {"database_name": "sales_db"}
    assert {issue["kind"] for issue in found["issues"]} == {
        "missed_fast_path",
        "missing_temporal_context",
        "self_correction_overhead",
    }


@pytest.mark.shared
@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("name", SCENARIOS or [None])
def test_a_captured_scenario_is_shown(name):
    """Every scenario of the captures, read line by line against its raw JSON when its golden was made."""
    task, session = (json.loads((CAPTURES / path).read_bytes())["body"] for path in SCENARIOS[name])
    assert_golden(f"inspect/{name}.txt", to_text(inspected(task, session), 80))


def test_a_consulted_profile_is_a_tool_with_a_separate_session():
    """All tools have the same keys; only a consulted profile has a session."""
    first, second = json.loads(to_json(inspected(*coordinator())))["tools"]
    assert (first["name"], first["session_id"], second["session_id"]) == ("invoke_OPTIM", "s-1", None)
    assert list(json.loads(to_json(inspected(*agent())))["tools"][0]) == list(first)

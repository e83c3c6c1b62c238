"""What the steps' rows promise: a key, a parent that is a phase's row, text that stays bounded, consulted profiles as tools."""

from __future__ import annotations

import traces

from uderia_bench.reading.tables import steps
from uderia_bench.trace import Child, ToolStatus


def rows(trace):
    """Return a trace's rows by (kind, index)."""
    found = steps.rows("r", traces.trial(), trace)
    keyed = {(row["kind"], row["index"]): row for row in found}
    assert len(keyed) == len(found)
    return keyed


def test_a_row_has_every_column_and_says_whose_it_is():
    """The columns are the schema's; what does not apply is null."""
    [row] = rows(traces.trace(1)).values()
    assert sorted(row) == sorted(steps.SCHEMA.names)
    assert (row["run_id"], row["trial_id"], row["stage"], row["turn"]) == ("r", "t-1", "measured", 1)
    assert (row["input_tokens"], row["output_tokens"], row["path"], row["status"]) == (100, 10, None, None)


def test_the_parent_is_the_row_of_the_phase():
    """Phase numbers may begin at 0 or come twice after a re-plan: the parent is the last phase of that number."""
    phases = (traces.phase(1), traces.phase(2), traces.phase(1))
    found = rows(traces.trace(phases=phases, tool_calls=(traces.tool_call(phase=1), traces.tool_call(phase=7))))
    assert found["tool_call", 1]["parent"] == 3
    assert found["tool_call", 2]["parent"] is None


def test_who_chose_a_call_and_why_it_repeats():
    """A retry and an iteration are told apart from a repetition."""
    calls = (traces.tool_call(llm_chosen=True, attempt=2), traces.tool_call("TDA_FinalReport", iteration="day"))
    found = rows(traces.trace(tool_calls=calls))
    assert [found["tool_call", 1][name] for name in ("path", "class", "attempt", "iteration")] == ["llm", "data", 2, None]
    assert [found["tool_call", 2][name] for name in ("path", "class", "attempt", "iteration")] == ["plan", "system", 1, "day"]


def test_text_is_bounded():
    """Arguments and errors of megabytes stand in the ledger, not in every notebook."""
    long = "x" * 10_000
    row = rows(traces.trace(tool_calls=(traces.tool_call(arguments=long, error=long),)))["tool_call", 1]
    assert len(row["arguments"]) == len(row["error"]) == steps.LONGEST_TEXT
    assert row["error"].endswith("…")


def test_a_consulted_profile_is_a_tool_of_the_coordinator():
    """Under the server's name for it, after the coordinator's own tools."""
    child = Child(profile_tag="OPTIM", session_id="s-1", status=ToolStatus.SUCCESS, duration_s=1.9)
    row = rows(traces.trace(tool_calls=(traces.tool_call(),), children=(child,)))["tool_call", 2]
    assert (row["name"], row["class"], row["status"], row["duration_s"]) == ("invoke_OPTIM", "child", "success", 1.9)

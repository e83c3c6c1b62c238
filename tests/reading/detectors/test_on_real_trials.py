"""What the detectors find in trials of a real server: what is there, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import traces

from uderia_bench.reading import detectors, profile_types

pytestmark = [pytest.mark.shared, pytest.mark.usefixtures("shared")]

_UDERIA = Path(__file__).resolve().parents[4] / "shared/uderia"
_GARBAGE = ["inappropriate_format", "unattributed_tokens"]  # a parse retry: two signals of one cause
# Trials in which there is something to find; in all others there is nothing.
_FOUND = {
    "ideat-count-rows-in-customers-failonce": ["tool_failed_in_answer"],  # the agent did not try again
    "optim-count-rows-in-customers-failonce": ["self_correction_overhead"],
    "optim-run-the-query-that-cannot-work-alwaysfail": ["tool_failed_in_answer", "self_correction_overhead"],
    "optim-this-plan-is-broken-garbage": _GARBAGE,
    "optim-what-databases-are-available-on-the-system": ["warm_repeat"],
    "ideat-tool-chain": ["redundant_tool_calls"],
    "ideat-tool-error": ["tool_failed_in_answer"],
    "no-profile-id-on-query": ["warm_repeat"],
    "optim-contaminated": ["warm_repeat"],
    "optim-plan-failure": _GARBAGE,
    "optim-self-correction": ["self_correction_overhead"],
    "optim-tactical": ["no_tool_called"],
    "unknown-profile-id": ["warm_repeat"],
}


def _trials():
    for path in sorted((_UDERIA / "labelled").glob("*.json")):
        yield path.stem, path, None
    for path in sorted((_UDERIA / "captures").glob("*/session_details.json")):
        yield path.parent.name, path.with_name("task_final.json"), path


@pytest.mark.parametrize(("name", "task", "session"), list(_trials()) or [(None, None, None)])
def test_what_is_there_is_found_and_nothing_else(name, task, session):
    """Date ranges, dispatched phases, corrected calls and a first run's long planning are no issues."""
    body = json.loads(task.read_bytes())
    pair = (body["body"], json.loads(session.read_bytes())["body"]) if session else (body["task"], body["session"])
    trace = profile_types.read(traces.record(*pair, trial=traces.trial(prompt="")))
    assert [issue.kind for issue in detectors.detect(trace)] == _FOUND.get(name, [])

"""Tests that the project's readers give equal metrics for a recorded trial and its replay."""

from __future__ import annotations

import pytest
from sim import replay
from traces import expected, record

from uderia_bench.reading.metrics import BUILT_IN, observe
from uderia_bench.reading.profile_types import read

pytestmark = [pytest.mark.anyio, pytest.mark.shared]

# Metrics that may differ: times, tokens and costs are drawn, and the answer has other words.
OWN = {metric.name for metric in BUILT_IN if metric.family in ("time", "tokens", "cost") or "token" in metric.name}
OWN |= {"answer_chars"}


def observed(task: dict, session: dict) -> dict:
    """Return outcome and metrics of a trial as the project reads them."""
    (turn,) = session["last_turn_data"]["workflow_history"] or [{"profile_tag": "OPTIM"}]
    profile = expected(profile_tag=turn["profile_tag"], models=(f"{turn.get('provider')}/{turn.get('model')}",))
    trace = read(record(task, session, expected=profile, task_id=task["task_id"]))
    values = {name: value for name, value in observe(trace).items() if name not in OWN}
    return {"outcome": trace.outcome, "type": trace.profile_type, "path": trace.execution_path, **values}


@pytest.mark.parametrize("folder", replay.TRIALS)
async def test_a_recorded_scenario_and_its_replay_give_equal_metrics(serve, shared, folder):
    """Outcome, path and every metric except times and tokens are equal."""
    assert shared
    answers = {answer.captured.name: answer async for answer in replay.DRIVERS[folder](serve)}
    task, session = answers["task_final"], answers["session_details"]
    theirs = observed(task.captured.body, session.captured.body)
    assert observed(task.body, session.body) == theirs
    assert len(theirs) > 25


@pytest.mark.parametrize("name", replay.labelled_names())
async def test_a_labelled_trial_and_its_replay_give_equal_metrics(serve, shared, name):
    """Outcome, path and every metric except times and tokens are equal."""
    assert shared
    task, session = [answer async for answer in replay.labelled(serve, name)]
    theirs = observed(task.captured.body, session.captured.body)
    assert observed(task.body, session.body) == theirs

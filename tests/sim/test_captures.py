"""Replay of every recorded exchange of a real server: every difference must be explained."""

from __future__ import annotations

import json
import re

import pytest
from sim import comparison, replay, replay_learning
from sim.comparison import EXPLAINED, Exchange, compare

pytestmark = [pytest.mark.anyio, pytest.mark.shared]

ID = re.compile(r"(task-)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def unexplained(differences: list[comparison.Difference]) -> list[comparison.Difference]:
    """Return the differences that no entry explains."""
    return [found for found in differences if not any(entry.explains(found) for entry in EXPLAINED)]


async def differences(answers) -> list[comparison.Difference]:
    """Return all differences of the responses of a driver."""
    return [found async for a in answers for found in compare(a.captured, a.status, a.content_type, a.body)]


def test_every_folder_is_replayed(shared):
    """Every recorded folder has a driver."""
    assert shared
    assert replay.folders() == set(replay.DRIVERS)


@pytest.mark.parametrize("folder", sorted(replay.DRIVERS))
async def test_a_scenario_is_answered_as_recorded(serve, shared, folder):
    """Status, content type, keys, types, order of events and trace messages are equal."""
    assert shared
    answers = [answer async for answer in replay.DRIVERS[folder](serve)]
    assert {answer.captured.name for answer in answers} == set(comparison.exchanges(folder))
    found = [d for a in answers for d in compare(a.captured, a.status, a.content_type, a.body)]
    assert unexplained(found) == []


def test_every_folder_about_learning_is_replayed(shared):
    """Every recorded folder has a driver."""
    recorded = {folder.name for folder in (shared / "uderia" / replay_learning.FOLDER).iterdir() if folder.is_dir()}
    assert recorded == set(replay_learning.DRIVERS)


@pytest.mark.parametrize("folder", sorted(replay_learning.DRIVERS))
async def test_a_scenario_about_learning_is_answered_as_recorded(serve, shared, folder):
    """Every exchange of the folder is replayed, and every difference is explained."""
    assert shared
    answers = [answer async for answer in replay_learning.DRIVERS[folder](serve)]
    recorded = comparison.exchanges(f"{replay_learning.FOLDER}/{folder}")
    assert {answer.captured.name for answer in answers} == set(recorded)
    found = [d for a in answers for d in compare(a.captured, a.status, a.content_type, a.body)]
    assert unexplained(found) == []


@pytest.mark.parametrize("folder", sorted(replay_learning.OTHERS))
async def test_focus_and_coordinator_are_answered_as_recorded(serve, shared, folder):
    """Every exchange is replayed, and every difference is explained."""
    assert shared
    answers = [answer async for answer in replay_learning.OTHERS[folder](serve)]
    assert {answer.captured.name for answer in answers} == set(comparison.exchanges(folder))
    found = [d for a in answers for d in compare(a.captured, a.status, a.content_type, a.body)]
    assert unexplained(found) == []


REFUSALS = ("collection-admin", "context-window", "create-collection", "feedback", "profile-clone", "prompts", "sessions")


@pytest.mark.parametrize("folder", REFUSALS)
async def test_a_refusal_about_learning_has_the_recorded_text(serve, shared, folder):
    """Error bodies are equal word for word, except for ids and the name of the tool server."""
    assert shared
    checked = 0
    async for answer in replay_learning.DRIVERS[folder](serve):
        if answer.captured.status >= 400 and answer.captured.name != "activate":
            theirs, ours = (_without_ids(body) for body in (answer.captured.body, answer.body))
            assert ours == theirs, answer.captured.name
            checked += 1
    assert checked >= 1


@pytest.mark.parametrize("folder", ["bad-bodies", "bad-token", "login-limits", "unknown-ids"])
async def test_a_refusal_has_the_recorded_text(serve, shared, folder):
    """Error bodies are equal word for word, except for ids and seconds."""
    assert shared
    checked = 0
    async for answer in replay.DRIVERS[folder](serve):
        if answer.captured.status >= 400:
            theirs, ours = (_without_ids(body) for body in (answer.captured.body, answer.body))
            assert ours == theirs, answer.captured.name
            checked += 1
    assert checked >= 5


def _without_ids(body: object) -> object:
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if name not in ("retry_after", "retry_after_seconds")}
    return re.sub(r"\d+ seconds", "n seconds", ID.sub("<id>", json.dumps(body)))


async def test_every_explanation_has_a_difference(serve, shared):
    """An entry without a difference must be removed."""
    assert shared
    drives = [replay.DRIVERS[folder] for folder in ("auth", "profiles", "optim-multi-tool")]
    drives += [replay_learning.DRIVERS[folder] for folder in ("dashboard", "fresh", "optim-cold")]
    found = [difference for drive in drives for difference in await differences(drive(serve))]
    assert [entry.at for entry in EXPLAINED if not any(entry.explains(difference) for difference in found)] == []
    assert all(len(entry.reason) > 20 for entry in EXPLAINED)


@pytest.mark.parametrize("name", replay.labelled_names())
async def test_a_labelled_trial_is_answered_as_recorded(serve, shared, name):
    """Task and session of the labelled trials are equal to the recorded ones."""
    assert shared
    assert unexplained(await differences(replay.labelled(serve, name))) == []


def test_a_comparison_finds_each_kind_of_difference():
    """Equal exchanges have no difference."""
    task = {"events": [{"event_type": "a", "event_data": {"x": 1}}], "status": "complete"}
    session = {"last_turn_data": {"workflow_history": []}}
    asked = {"folder": "f", "name": "n", "method": "GET", "path": "/", "sent": None, "status": 200}
    ok = Exchange(**asked, content_type="application/json", body=task)
    assert list(compare(ok, 200, "application/json", task)) == []
    other = {"events": [{"event_type": "b", "event_data": {}}], "status": "error", "more": None}
    assert {found.kind for found in compare(ok, 500, "text/html", other)} == {
        "status",
        "content_type",
        "key",
        "task_status",
        "event_order",
    }
    assert [found.kind for found in compare(ok, 200, "application/json", {**task, "status": 7})] == ["type", "task_status"]
    kept = Exchange(**asked, content_type=None, body=session)
    entry = {"action": {"tool_name": "TDA_SystemLog", "arguments": {"message": "Plan"}}}
    changed = {"last_turn_data": {"workflow_history": [{"execution_trace": [entry]}]}}
    assert "trace_message" in {found.kind for found in compare(kept, 200, None, changed)}

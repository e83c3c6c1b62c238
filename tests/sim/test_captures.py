"""The embedded server against exchanges of the real one: for one question the same status, event order, keys and types."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.shared]

# What differs on purpose, as path fragments with the reason. A difference that none of them explains fails the test.
EXPLAINED = {
    "case_id": "the real server's worker writes it a moment after the turn, so a capture may show it or not",
}
IDEAT = ["ideat-one-tool", "ideat-no-tool", "ideat-tool-chain", "ideat-tool-error"]
OPTIM = ["optim-fastpath", "optim-multi-tool", "optim-self-correction", "optim-plan-failure", "optim-date-range", "task-error"]
LABELLED = [
    "optim-run-the-query-that-cannot-work-alwaysfail",
    "optim-describe-the-business-purpose-of-the-table",
    "optim-for-each-database-list-its-tables",
    "optim-this-plan-is-broken-garbage",
    "ideat-hello",
]


def shape(value: Any, path: str = "") -> dict[str, set[str]]:
    """Return the types found at every path, list elements taken together."""
    found = {path: {type(value).__name__}}
    children = value.items() if isinstance(value, dict) else (("[]", item) for item in value) if isinstance(value, list) else ()
    for name, child in children:
        for at, types in shape(child, f"{path}.{name}").items():
            found.setdefault(at, set()).update(types)
    return found


def event_order(task: dict) -> list[tuple]:
    """Return every event's name, inner type and step."""
    named = [(event["event_type"], event["event_data"]) for event in task["events"]]
    return [(name, data.get("type"), data.get("step") if name is None else None) for name, data in named]


def trace_order(session: dict) -> list[list[str]]:
    """Return every turn's trace as tool names and log messages, ids and figures left out."""
    turns = session["last_turn_data"]["workflow_history"]
    return [[_message(entry) for entry in turn.get("execution_trace") or ()] for turn in turns]


def _message(entry: dict) -> str:
    action = entry["action"]
    return f"{action['tool_name']} {action['arguments'].get('message', '').split(': ')[0]}"  # goals are the planner's own words


def differences(expected: Any, got: Any) -> list[str]:
    """Return the unexplained differences of shape."""
    left, right = shape(expected), shape(got)
    found = [
        f"{at}: {left.get(at)} -> {right.get(at)}" for at in sorted(left.keys() | right.keys()) if left.get(at) != right.get(at)
    ]
    return [line for line in found if not any(line.split(":")[0].endswith(name) for name in EXPLAINED)]


def capture(shared, name: str) -> tuple[Any, dict, dict]:
    """Return the prompt, the task and the session file of a captured scenario or a labelled trial."""
    if name in LABELLED:
        trial = json.loads((shared / "uderia" / "labelled" / f"{name}.json").read_text())
        return trial["truth"]["prompt"], trial["task"], trial["session"]
    folder = shared / "uderia" / "captures" / name
    submit, task, session = (
        json.loads((folder / f"{part}.json").read_text()) for part in ("submit", "task_final", "session_details")
    )
    return submit["request"]["body"]["prompt"], task["body"], session["body"]


@pytest.mark.parametrize("name", [*IDEAT, *OPTIM, *LABELLED])
async def test_a_trial_looks_like_the_captured_one(serve, shared, name):
    """Events in the same order, the same messages in the trace, the same keys with the same types in task and session."""
    prompt, task, session = capture(shared, name)
    async with serve() as client:
        got, details = await client.ask("IDEAT" if name.startswith("ideat") else "OPTIM", prompt, session_tag="OPTIM")
    assert got["status"] == task["status"]
    assert event_order(got) == event_order(task)
    assert trace_order(details) == trace_order(session)
    assert differences(task, got) == []
    assert differences(session, details) == []


async def test_a_warm_trial_looks_like_the_captured_one(serve, shared):
    """A repeat that finds a kept plan, asked without a profile in another profile's session."""
    _, task, session = capture(shared, "no-profile-id-on-query")
    prompt = session["session_history"][0]["content"] + " #multitool"
    async with serve() as client:
        await client.ask("OPTIM", prompt)
        own = await client.session("IDEAT")
        got = await client.follow(await client.submit(own, prompt))
    (expected,) = [event for event in task["events"] if event["event_type"] == "rag_retrieval"]
    (found,) = [event for event in got["events"] if event["event_type"] == "rag_retrieval"]
    assert [line for line in differences(expected, found) if "phases" not in line] == []


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("auth/auth_me", "/api/v1/auth/me"),
        ("profiles/llm_configurations_fresh", "/api/v1/llm/configurations"),
        ("sessions/sessions_list", "/api/v1/sessions?limit=2"),
    ],
)
async def test_a_listing_looks_like_the_captured_one(serve, shared, path, route):
    """The same keys with the same types."""
    expected = json.loads((shared / "uderia" / "captures" / f"{path}.json").read_text())
    async with serve() as client:
        await client.ask("IDEAT", "hello")
        await client.ask("OPTIM", "which version do we run? #multitool")
        answer = await client.http.get(route)
    assert answer.status_code == expected["status"]
    assert answer.headers["content-type"] == expected["headers"]["content-type"]
    assert differences(expected["body"], answer.json()) == []


async def test_profiles_have_the_captured_keys(serve, shared):
    """Each of the four tags has the keys and types its bootstrap profile has."""
    expected = json.loads((shared / "uderia" / "captures" / "profiles" / "profiles_fresh.json").read_text())["body"]
    async with serve() as client:
        got = (await client.http.get("/api/v1/profiles", headers={"authorization": ""})).json()
    assert got.keys() == expected.keys()
    by_tag = {profile["tag"]: profile for profile in got["profiles"]}
    for profile in expected["profiles"]:
        assert differences(profile, by_tag[profile["tag"]]) == []


SENT = ["bad-bodies", "bad-token", "unknown-ids"]


@pytest.mark.parametrize("folder", SENT)
async def test_odd_exchanges_get_the_captured_answers(serve, shared, folder):
    """The same request gets the same status, content type and body but for ids, whatever is wrong with it."""
    checked = 0
    async with serve() as client:
        session = await client.session("OPTIM")
        task = await client.submit(session, "hello", profile_id=client.profiles["OPTIM"])
        await client.follow(task)
        token = client.http.headers["authorization"]
        for file in sorted((shared / "uderia" / "captures" / folder).glob("*.json")):
            exchange = json.loads(file.read_text())
            request = exchange["request"]
            if file.stem.startswith("query_unknown_profile"):
                continue  # one trial of several files, covered by test_engines
            client.http.headers["authorization"] = "Bearer bad" if folder == "bad-token" else token
            path = _own_ids(request["path"], session, task, file.stem)
            answer = await client.http.request(request["method"], path, **_body(file.stem, request["body"]))
            assert answer.status_code == exchange["status"], file.stem
            assert answer.headers["content-type"] == exchange["headers"]["content-type"], file.stem
            got = answer.json() if "json" in answer.headers["content-type"] else answer.text
            if answer.status_code == 200 and "profiles" in got:
                assert differences(exchange["body"]["profiles"][0], got["profiles"][0]) == []
            elif answer.status_code == 201:
                assert got.keys() == exchange["body"].keys()
            else:
                assert got == _with_ids_of(exchange["body"], request["path"], path), file.stem
            checked += 1
    assert checked >= 8


def _own_ids(path: str, session: str, task: str, stem: str) -> str:
    """Put this server's ids where the capture has the other's, unless the unknown is the point."""
    parts = path.split("/")
    if "unknown" not in stem and "restart" not in stem and len(parts) > 4 and parts[3] in ("sessions", "tasks"):
        parts[4] = task if parts[3] == "tasks" else session
    return "/".join(parts)


def _with_ids_of(body: Any, path: str, own: str) -> Any:
    """Return a captured body as it reads with the ids of the path that was asked here."""
    text = json.dumps(body)
    for theirs, ours in zip(path.split("/"), own.split("/"), strict=True):
        if theirs != ours:
            text = text.replace(theirs, ours)
    return json.loads(text)


def _body(stem: str, body: Any) -> dict:
    """Send what the capture sent: text as it is, with the content type its name says."""
    if isinstance(body, str):
        kind = "text/plain" if "wrong_ct" in stem else "application/json"
        return {"content": body, "headers": {"content-type": kind}}
    return {} if body is None else {"json": body}

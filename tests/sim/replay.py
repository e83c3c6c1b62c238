"""Replay of recorded scenarios on the embedded server. ``DRIVERS`` has one function per folder.

A driver starts servers with the ``serve`` fixture and yields each recorded exchange with our
response.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import httpx
from sim.comparison import CAPTURES, Exchange, exchanges

# A mark or an earlier question makes our agent do what the recorded LLM did.
MARKS = {"optim-tactical": " #earlyreport"}  # the tactical LLM chose the report
ASKED_BEFORE = {"no-profile-id-on-query", "unknown-profile-id"}  # a plan of the same question was stored
KNOWLEDGE = {"ideat-knowledge": ("IDEAT",), "optim-knowledge": ("OPTIM",)}
TRIALS = (
    "ideat-first-run",
    "ideat-knowledge",
    "ideat-no-tool",
    "ideat-one-tool",
    "ideat-tool-chain",
    "ideat-tool-error",
    "no-profile-id-on-query",
    "optim-date-range",
    "optim-fastpath",
    "optim-knowledge",
    "optim-multi-tool",
    "optim-plan-failure",
    "optim-self-correction",
    "optim-tactical",
    "task-error",
    "unknown-profile-id",
)
_TEXT, _JSON = {"content-type": "text/plain"}, {"content-type": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A recorded exchange and our response to the same request."""

    captured: Exchange
    status: int
    content_type: str | None
    body: Any


Driver = Callable[[Any], AsyncIterator[Answered]]


def answered(captured: Exchange, response: httpx.Response) -> Answered:
    """Return a recorded exchange with our response."""
    kind = response.headers["content-type"]
    body = response.json() if "json" in kind else response.text
    return Answered(captured=captured, status=response.status_code, content_type=kind, body=body)


def seen(captured: Exchange, final: dict[str, Any]) -> Answered:
    """Return a recorded poll with our task cut to the same number of events."""
    early = {"events": final["events"][: len(captured.body["events"])], "result": None, "status": captured.body["status"]}
    running = captured.body["status"] in ("processing", "cancelling")
    return Answered(
        captured=captured,
        status=200,
        content_type=captured.content_type,
        body={**final, **early} if running else final,
    )


def settings(folder: str) -> dict[str, Any]:
    """Return the server settings of a trial: no random difficulties, recorded knowledge."""
    return {"chance": False, "knowledge": KNOWLEDGE.get(folder, ())}


async def trial(serve: Any, folder: str) -> AsyncIterator[Answered]:
    """Create a session, ask, poll, follow to the end and read the session."""
    captured = exchanges(folder)
    sent = captured["submit"].sent
    query = {**sent, "prompt": sent["prompt"] + MARKS[folder]} if folder in MARKS else sent
    async with serve(**settings(folder)) as client:
        if folder in ASKED_BEFORE:
            await client.ask("OPTIM", query["prompt"])
        created = await client.http.post("/api/v1/sessions", json=captured["create_session"].sent)
        yield answered(captured["create_session"], created)
        session = created.json()["session_id"]
        submitted = await client.http.post(f"/api/v1/sessions/{session}/query", json=query)
        yield answered(captured["submit"], submitted)
        final = await client.follow(submitted.json()["task_id"])
        for name, exchange in captured.items():
            if name.startswith("poll"):
                yield seen(exchange, final)
        yield answered(captured["task_final"], await client.http.get(submitted.json()["status_url"]))
        await client.written()
        yield answered(captured["session_details"], await client.http.get(f"/api/v1/sessions/{session}/details"))


async def cancelled(serve: Any) -> AsyncIterator[Answered]:
    """Ask a slow query, read it, cancel it, follow it to the end and cancel it again."""
    captured = exchanges("cancel")
    for tag in ("IDEAT", "OPTIM"):
        mine = {name.removeprefix(f"{tag}_"): exchange for name, exchange in captured.items() if name.startswith(tag)}
        async with serve(chance=False) as client:
            http = client.http
            created = await http.post("/api/v1/sessions", json=mine["session"].sent)
            yield answered(mine["session"], created)
            session = created.json()["session_id"]
            sent = {**mine["slow_submit"].sent, "prompt": "Count rows #slow=600000"}  # slow at the speed of the tests
            submitted = await http.post(f"/api/v1/sessions/{session}/query", json=sent)
            yield answered(mine["slow_submit"], submitted)
            path, details = submitted.json()["status_url"], f"/api/v1/sessions/{session}/details"
            wanted = len(mine["poll_inflight"].body["events"])
            with anyio.fail_after(5):
                while len((await http.get(path)).json()["events"]) < wanted:  # noqa: ASYNC110 - polling is the subject
                    await anyio.sleep(0.002)
            yield answered(mine["poll_inflight"], await http.get(path))
            yield answered(mine["details_inflight"], await http.get(details))
            yield answered(mine["cancel"], await http.post(f"{path}/cancel"))
            final = await client.follow(path.rsplit("/", 1)[1])
            for name in ("poll0", *(f"poll_after_cancel{number}" for number in range(4))):
                yield seen(mine[name], final)
            yield answered(mine["cancel_again"], await http.post(f"{path}/cancel"))
            yield answered(mine["details_after_cancel"], await http.get(details))
    async with serve(chance=False) as client:
        task, _ = await client.ask("IDEAT", "which tables exist?")
        yield answered(captured["cancel_done"], await client.http.post(f"/api/v1/tasks/{task['task_id']}/cancel"))


async def contaminated(serve: Any) -> AsyncIterator[Answered]:
    """Create a session of another profile while an OPTIM trial runs."""
    captured = exchanges("optim-contaminated")
    async with serve(chance=False) as client:
        prompt = captured["session_details"].body["last_turn_data"]["workflow_history"][0]["user_query"]
        await client.ask("OPTIM", prompt)
        session = await client.session("OPTIM")
        task = await client.submit(session, prompt, profile_id=client.profiles["OPTIM"])
        await anyio.sleep(0.01)
        await client.session("IDEAT")
        await client.follow(task)
        yield answered(captured["task_final"], await client.http.get(f"/api/v1/tasks/{task}"))
        yield answered(captured["session_details"], await client.http.get(f"/api/v1/sessions/{session}/details"))


async def odd(serve: Any, folder: str) -> AsyncIterator[Answered]:
    """Send each request as recorded, with our ids except where the id is unknown."""
    captured = exchanges(folder)
    async with serve(chance=False) as client:
        session = await client.session("OPTIM")
        task = await client.submit(session, "hello", profile_id=client.profiles["OPTIM"])
        await client.follow(task)
        token = client.http.headers["authorization"]
        for name, exchange in captured.items():
            bad = {"badtoken": "Bearer bad", "notoken": ""}.get(name.split("_")[0], token)
            client.http.headers["authorization"] = "" if name == "profiles_no_auth" else bad
            if name == "query_unknown_profile":
                session = await client.session("OPTIM")  # the recorded query overlapped with another one
                other = await client.submit(session, "hello #slow=50000", profile_id=client.profiles["OPTIM"])
                await anyio.sleep(0.02)
            path = own_ids(exchange.path, session, task, name)
            answer = await client.http.request(exchange.method, path, **body_of(name, exchange.sent))
            if name == "query_unknown_profile":  # the next files show this task
                task = answer.json()["task_id"]
                await client.follow(task)
                await client.follow(other)
            yield answered(exchange, answer)


def own_ids(path: str, session: str, task: str, name: str) -> str:
    """Replace the recorded ids by ours."""
    parts = path.split("/")
    unknown = "unknown" in name and "unknown_profile" not in name
    if not unknown and "restart" not in name and len(parts) > 4 and parts[3] in ("sessions", "tasks"):
        parts[4] = task if parts[3] == "tasks" else session
    return "/".join(parts)


def body_of(name: str, sent: Any) -> dict[str, Any]:
    """Return the recorded body; the name of the exchange decides the content type."""
    if isinstance(sent, str):
        return {"content": sent, "headers": _TEXT if "wrong_ct" in name else _JSON}
    if name == "session_wrong_ct":
        return {"content": "{}", "headers": _TEXT}
    return {} if sent is None else {"json": sent}


async def listings(serve: Any, folder: str) -> AsyncIterator[Answered]:
    """Read the listings after a trial on each profile."""
    async with serve(chance=False) as client:
        await client.ask("IDEAT", "hello")
        await client.ask("OPTIM", "which version do we run? #multitool")
        for name, exchange in exchanges(folder).items():
            client.http.headers["authorization"] = "" if name == "profiles_fresh" else client.http.headers["authorization"]
            yield answered(exchange, await client.http.request(exchange.method, exchange.path, **body_of(name, exchange.sent)))


async def login_limits(serve: Any) -> AsyncIterator[Answered]:
    """Sign in too often, wrongly and too soon. A new server replaces each waiting time."""
    captured = exchanges("login-limits")

    async def post(client: Any, name: str) -> Answered:
        exchange = captured[name]
        return answered(exchange, await client.http.request(exchange.method, exchange.path, **body_of(name, exchange.sent)))

    async with serve(login_limit=6) as client:  # the client's sign-in was the first
        for number in range(8):
            yield await post(client, f"login_burst_{number}")
    async with serve() as client:
        for name in ("login_malformed", "login_missing_pw", "login_unknown_user"):
            yield await post(client, name)
        for name in ("login_wrong_pw_1", "login_wrong_pw_2_immediately", "login_right_pw_during_wait"):
            yield await post(client, name)
    async with serve() as client:
        for name in ("login_ok_after_wait", "login_ok_again", "logout", "me_after_logout"):
            yield await post(client, name)


async def access_token(serve: Any) -> AsyncIterator[Answered]:
    """Create an access token and use it."""
    captured = exchanges("access-token")
    async with serve() as client:
        made = await client.http.post("/api/v1/auth/tokens", json=captured["access_token_create"].sent)
        yield answered(captured["access_token_create"], made)
        client.http.headers["authorization"] = f"Bearer {made.json()['token']}"
        for name in ("access_token_session", "access_token_use_profiles"):
            exchange = captured[name]
            yield answered(exchange, await client.http.request(exchange.method, exchange.path, **body_of(name, exchange.sent)))


DRIVERS: dict[str, Driver] = {
    **{folder: partial(trial, folder=folder) for folder in TRIALS},
    **{folder: partial(odd, folder=folder) for folder in ("auth", "bad-bodies", "bad-token", "unknown-ids")},
    **{folder: partial(listings, folder=folder) for folder in ("profiles", "sessions")},
    "access-token": access_token,
    "cancel": cancelled,
    "login-limits": login_limits,
    "optim-contaminated": contaminated,
}


def folders() -> set[str]:
    """Return the names of the recorded folders."""
    return {folder.name for folder in CAPTURES.iterdir() if folder.is_dir()}


LABELLED = CAPTURES.parent / "labelled"
_LABELLED_MARKS = {
    "ideat-chain-it-chain": " databases",  # the recorded agent listed them first
    "optim-what-should-i-look-at-first-tactical": " #earlyreport",
}


def labelled_names() -> list[str]:
    """Return the names of the labelled trials, an empty list without the shared material."""
    return sorted(file.stem for file in LABELLED.glob("*.json"))


async def labelled(serve: Any, name: str) -> AsyncIterator[Answered]:
    """Ask the question of a labelled trial; yield its task and its session details."""
    raw = json.loads((LABELLED / f"{name}.json").read_text())
    prompt = raw["truth"]["prompt"] + _LABELLED_MARKS.get(name, "")
    async with serve(chance=False) as client:
        if any(event["event_type"] == "rag_retrieval" for event in raw["task"]["events"]):
            await client.ask("OPTIM", prompt)
        task, session = await client.ask("IDEAT" if name.startswith("ideat") else "OPTIM", prompt, session_tag="OPTIM")
    for part, body in (("task", task), ("session", session)):
        captured = Exchange(
            folder="labelled",
            name=f"{name}.{part}",
            method="GET",
            path="",
            sent=None,
            status=200,
            content_type=None,
            body=raw[part],
        )
        yield Answered(captured=captured, status=200, content_type=None, body=body)

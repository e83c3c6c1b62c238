"""Tests of requests around a trial: sign-in, bad tokens, bad bodies, unknown ids, sessions."""

from __future__ import annotations

import base64
import json

import pytest
from sim.conftest import NOON

pytestmark = pytest.mark.anyio

LOGIN = "/api/v1/auth/login"
ADMIN = {"username": "admin", "password": "admin"}


async def test_a_sign_in_returns_a_token_with_its_expiry(serve):
    """The token is a JWT valid for a day. An access token made with it works too."""
    async with serve() as client:
        token = (await client.http.post(LOGIN, json=ADMIN)).json()["token"]
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        assert 23 * 3600 < claims["exp"] - NOON <= 24 * 3600
        made = await client.http.post("/api/v1/auth/tokens", json={"name": "bench"})
        assert made.status_code == 201
        access = made.json()
        assert access["token"].startswith("tda_")
        assert access["token"].startswith(access["token_prefix"])
        me = await client.http.get("/api/v1/auth/me", headers={"authorization": f"Bearer {access['token']}"})
        assert me.json()["user"]["username"] == "admin"


async def test_refresh_and_logout_revoke_tokens(serve):
    """A refresh revokes the old token, a logout the new one."""
    async with serve() as client:
        old = client.http.headers["authorization"]
        new = (await client.http.post("/api/v1/auth/refresh")).json()["token"]
        assert (await client.http.get("/api/v1/auth/me", headers={"authorization": old})).status_code == 401
        client.http.headers["authorization"] = f"Bearer {new}"
        assert (await client.http.post("/api/v1/auth/logout")).json() == {"message": "Logout successful", "status": "success"}
        assert (await client.http.get("/api/v1/auth/me")).status_code == 401


async def test_the_sixth_sign_in_of_a_minute_is_refused(serve):
    """Five are allowed per address. The body of the refusal has the waiting time."""
    async with serve(login_limit=5) as client:  # the client's sign-in was the first
        answers = [await client.http.post(LOGIN, json={"username": "nobody", "password": "x"}) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 401, 429]
        assert answers[-1].json() == {"message": "Login rate limit exceeded", "retry_after": 12, "status": "error"}
        assert "retry-after" not in answers[-1].headers
        other = await client.http.post(LOGIN, json=ADMIN, headers={"x-forwarded-for": "10.0.0.9"})
        assert other.status_code == 200


async def test_wrong_passwords_delay_the_right_one(serve):
    """The second wrong password starts a waiting time for every password."""
    async with serve() as client:
        wrong = {"username": "admin", "password": "wrong"}
        first, second = [await client.http.post(LOGIN, json=wrong) for _ in range(2)]
        assert first.json() == {"message": "Invalid username or password", "status": "error"}
        assert (second.status_code, second.json()["failed_attempts"], second.json()["remaining_attempts"]) == (401, 2, 3)
        waiting = await client.http.post(LOGIN, json=ADMIN)
        assert waiting.status_code == 429
        assert waiting.json()["must_wait"] is True
        assert waiting.json()["retry_after_seconds"] == 2  # no time has passed


@pytest.mark.parametrize(
    ("send", "status"),
    [
        ({"json": {"username": "admin"}}, 400),
        ({"content": "{bad", "headers": {"content-type": "application/json"}}, 500),
        ({}, 500),
        ({"json": {"username": 5, "password": "x"}}, 500),
    ],
)
async def test_a_malformed_sign_in_is_a_json_error(serve, send, status):
    """A missing password gives 400, a body that is not JSON 500."""
    async with serve() as client:
        answer = await client.http.post(LOGIN, **send)
        assert answer.status_code == status
        assert answer.json()["status"] == "error"


@pytest.mark.parametrize("header", ["", "Bearer nonsense", "Basic YWRtaW46YWRtaW4="])
async def test_a_bad_token_is_rarely_a_401(serve, header):
    """Only /auth/me and creating a session answer 401; other routes answer as for unknown ids."""
    async with serve() as client:
        session = await client.session("IDEAT")
        task = await client.submit(session, "hello", profile_id=client.profiles["IDEAT"])
        client.http.headers["authorization"] = header
        http = client.http
        assert (await http.get("/api/v1/auth/me")).json()["message"] == "Authentication required. Please login."
        created = await http.post("/api/v1/sessions", json={})
        assert (created.status_code, created.json()) == (401, {"error": "Authentication required"})
        asked = await http.post(f"/api/v1/sessions/{session}/query", json={"prompt": "x"})
        assert (asked.status_code, asked.json()) == (404, {"error": f"Session '{session}' not found."})
        read = await http.get(f"/api/v1/tasks/{task}")
        assert (read.status_code, read.json()) == (403, {"error": "Access denied to this task."})
        cancelled = await http.post(f"/api/v1/tasks/{task}/cancel")
        assert cancelled.json() == {"error": "Access denied: You cannot cancel a task you did not start."}
        assert (await http.get("/api/v1/tasks/task-nobody")).status_code == 404
        assert (await http.get(f"/api/v1/sessions/{session}/details")).json() == {"error": "Session not found"}
        assert (await http.get("/api/v1/sessions")).json() == {"limit": 100, "offset": 0, "sessions": [], "total": 0}
        listed = (await http.get("/api/v1/profiles")).json()
        assert listed["default_profile_id"] is None
        assert {profile["tag"] for profile in listed["profiles"]} >= {"IDEAT", "OPTIM", "FOCUS", "COORD"}


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("send", "status", "kind"),
    [
        ({"content": '{"prompt": ', "headers": JSON}, 400, "text/html"),
        ({"content": "[1]", "headers": JSON}, 500, "text/html"),
        ({}, 500, "text/html"),
        ({"json": {}}, 400, "application/json"),
        ({"json": {"prompt": ""}}, 400, "application/json"),
    ],
)
async def test_a_malformed_query_is_refused(serve, send, status, kind):
    """Broken JSON and missing bodies give HTML pages, a missing prompt a JSON error."""
    async with serve() as client:
        answer = await client.http.post(f"/api/v1/sessions/{await client.session()}/query", **send)
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith(kind)


@pytest.mark.parametrize(
    ("send", "status"),
    [
        ({}, 201),
        ({"content": "{}", "headers": {"content-type": "text/plain"}}, 201),
        ({"content": "", "headers": JSON}, 500),
        ({"content": "{bad", "headers": JSON}, 500),
        ({"json": {"profile_id": "profile-nope"}}, 400),
    ],
)
async def test_a_session_needs_valid_json_and_a_known_profile(serve, send, status):
    """A missing body is accepted, broken JSON gives 500, an unknown profile 400."""
    async with serve() as client:
        answer = await client.http.post("/api/v1/sessions", **send)
        assert answer.status_code == status
        assert ("session_id" in answer.json()) is (status == 201)


async def test_a_user_without_a_default_profile_needs_a_profile_id(serve):
    """A session without profile_id is refused, one with profile_id is created."""
    async with serve(default_profile=None) as client:
        bare = await client.http.post("/api/v1/sessions", json={})
        assert bare.status_code == 400
        assert bare.json()["error"].startswith("No default profile configured for this user.")
        assert await client.session("IDEAT")


async def test_unknown_routes_get_an_html_page(serve):
    """Unknown routes and wrong methods give HTML, unknown ids JSON."""
    async with serve() as client:
        unknown = await client.http.get("/api/v1/nope")
        assert (unknown.status_code, unknown.headers["content-type"]) == (404, "text/html; charset=utf-8")
        wrong = await client.http.delete("/api/v1/tasks/task-x")
        assert wrong.status_code == 405
        assert "<title>405 Method Not Allowed</title>" in wrong.text
        task = await client.http.get("/api/v1/tasks/task-x")
        assert (task.status_code, task.json()) == (404, {"error": "Task 'task-x' not found."})


async def test_json_has_sorted_keys(serve):
    """The keys are sorted at every level."""

    def check(pairs):
        names = [name for name, _ in pairs]
        assert names == sorted(names)
        return dict(pairs)

    async with serve() as client:
        session = await client.session("OPTIM")
        task = await client.submit(session, "how many databases?", profile_id=client.profiles["OPTIM"])
        await client.follow(task)
        for path in (f"/api/v1/tasks/{task}", f"/api/v1/sessions/{session}/details", "/api/v1/profiles", "/sim/truth"):
            json.loads((await client.http.get(path)).text, object_pairs_hook=check)


async def test_a_session_can_be_renamed_listed_and_archived(serve):
    """A session with a name is not named again. A second archive is refused."""
    async with serve() as client:
        session = await client.session("OPTIM")
        renamed = await client.http.post(f"/api/session/{session}/rename", json={"newName": "mine"})
        assert renamed.json()["status"] == "success"
        await client.follow(await client.submit(session, "how many databases?", profile_id=client.profiles["OPTIM"]))
        assert (await client.details(session))["name"] == "mine"
        assert [entry["naming_tokens"] for entry in await client.truth()] == [0]
        archived = await client.http.put(f"/api/v1/sessions/{session}/archive", json={"archived_reason": "done"})
        assert archived.json()["archived_reason"] == "done"
        again = await client.http.put(f"/api/v1/sessions/{session}/archive")
        assert again.status_code == 400
        listed = (await client.http.get("/api/v1/sessions?limit=1")).json()
        assert (listed["total"], listed["limit"], listed["sessions"][0]["archived"]) == (1, 1, True)
        consumed = (await client.http.get("/api/v1/consumption/turns")).json()
        assert consumed["total_count"] == 1
        assert consumed["turns"][0]["session_id"] == session


@pytest.mark.parametrize("limit", ["²", "-1", "9" * 30, "x", ""])
async def test_an_invalid_limit_is_the_default(serve, limit):
    """A listing ignores a limit that is not a number."""
    async with serve() as client:
        for route in ("/api/v1/sessions", "/api/v1/consumption/turns"):
            answer = await client.http.get(route, params={"limit": limit})
            assert answer.status_code == 200
            assert answer.json()["limit"] in (50, 100)


@pytest.mark.parametrize("profile_id", [7, ["x"], {"a": 1}, True])
async def test_a_profile_id_of_another_type_is_unknown(serve, profile_id):
    """A query echoes it, a session is refused."""
    async with serve() as client:
        assert (await client.http.post("/api/v1/sessions", json={"profile_id": profile_id})).status_code == 400
        session = await client.session()
        task = await client.follow(await client.submit(session, "which version?", profile_id=profile_id))
        assert task["profile_id_override"] == profile_id


async def test_turns_cost_the_listed_prices(serve):
    """Every configured model has a price, and the cost of a turn follows from it."""
    async with serve() as client:
        costs = (await client.http.get("/api/v1/costs/models?include_fallback=true")).json()["costs"]
        assert sum(row["is_fallback"] for row in costs) == 1
        price = {(row["provider"], row["model"]): row for row in costs}
        configured = (await client.http.get("/api/v1/llm/configurations")).json()["configurations"]
        assert all((llm["provider"], llm["model"]) in price and llm["credentials"] == {} for llm in configured)
        _, session = await client.ask("IDEAT", "how many databases?")
        turn = session["last_turn_data"]["workflow_history"][0]
        row = price[turn["provider"], turn["model"]]
        into, out = turn["turn_input_tokens"], turn["turn_output_tokens"]
        expected = (into * row["input_cost_per_million"] + out * row["output_cost_per_million"]) / 1e6
        assert turn["turn_cost"] == pytest.approx(expected)


async def test_a_model_without_a_price_costs_the_fallback(serve):
    """The list lacks the model, and its turns have the fallback price."""
    async with serve(unpriced=("Google",)) as client:
        costs = (await client.http.get("/api/v1/costs/models?include_fallback=true")).json()["costs"]
        assert {row["provider"] for row in costs} == {"Friendli", "*"}
        (fallback,) = [row for row in costs if row["is_fallback"]]
        _, session = await client.ask("IDEAT", "how many databases?")
        (turn,) = session["last_turn_data"]["workflow_history"]
        into, out = turn["turn_input_tokens"], turn["turn_output_tokens"]
        expected = (into * fallback["input_cost_per_million"] + out * fallback["output_cost_per_million"]) / 1e6
        assert turn["turn_cost"] == pytest.approx(expected)

"""What surrounds the trials: notifications, restarts, quotas, saturation, planted effects, access tokens, single turns."""

from __future__ import annotations

import json
import re
import time

import anyio
import pytest

from uderia_bench.sim.notifications import Notifications
from uderia_bench.sim.quotas import Quotas
from uderia_bench.sim.trouble.effects import Effect

pytestmark = pytest.mark.anyio

PROMPT = "which version do we run? #multitool"
MESSAGE = re.compile(r"data: (.*)\nevent: notification\n\n")


class Listener:
    """What one listener heard, as the text of the stream."""

    def __init__(self) -> None:
        self.text = ""

    async def listen(self, notifications: Notifications, user: str) -> None:
        """Read the stream until cancelled."""
        async for message in notifications.listen(user):
            self.text += message.decode()

    @property
    def messages(self) -> list[dict]:
        """The messages, decoded; nothing else may be in the stream."""
        assert MESSAGE.sub("", self.text) == ""
        return [json.loads(found[1]) for found in MESSAGE.finditer(self.text)]


def kind(message: dict) -> tuple[str, str | None]:
    """Return a message's type and, for a task's event, the event's."""
    return message["type"], message["payload"].get("event", {}).get("type")


async def heard(client, tag: str) -> list[dict]:
    """Ask once and return what a listener of the user heard meanwhile."""
    app = client.http._transport.app
    user = (await client.http.get("/api/v1/auth/me")).json()["user"]["user_uuid"]
    listener = Listener()
    async with anyio.create_task_group() as group:
        group.start_soon(listener.listen, app.state.uderia.notifications, user)
        await anyio.sleep(0.01)
        await client.ask(tag, PROMPT)
        await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    return listener.messages


@pytest.mark.parametrize("tag", ["IDEAT", "OPTIM"])
async def test_a_listener_hears_every_event_of_a_task(serve, tag):
    """Marks and names come without a task, everything else as an update of it; the end is told once, with the answer."""
    async with serve() as client:
        messages = await heard(client, tag)
    kinds = [kind(message) for message in messages]
    assert kinds[:2] == [("session_model_update", None), ("new_session_created", None)]
    assert ("rest_task_update", "final_answer") in kinds
    assert ("rest_task_update", "status_indicator_update") not in kinds
    assert ("status_indicator_update", None) in kinds
    assert kinds.count(("session_name_update", None)) == 2
    (done,) = [message["payload"] for message in messages if message["type"] == "rest_task_complete"]
    assert done["turn_id"] == 1
    assert done["user_input"] == PROMPT
    assert done["final_answer"].startswith("<div")


@pytest.mark.shared
async def test_notifications_look_like_the_captured_ones(serve, shared):
    """The same message types with the same keys, for one IDEAT and one OPTIM query."""
    text = (shared / "uderia" / "captures" / "notifications.sse.txt").read_text()
    expected: dict[tuple, set[str]] = {}
    for found in MESSAGE.finditer(text):
        message = json.loads(found[1])
        if message["payload"].get("event", {}).get("type") != "rag_retrieval":  # a warm planner: not what this is about
            expected.setdefault(kind(message), set()).update(message["payload"], message["payload"].get("event", {}))
    got: dict[tuple, set[str]] = {}
    async with serve() as client:
        for tag in ("IDEAT", "OPTIM"):
            for message in await heard(client, tag):
                got.setdefault(kind(message), set()).update(message["payload"], message["payload"].get("event", {}))
    # The captured planner had one tool to a phase, ours here has a dispatcher that says so.
    got.pop(("rest_task_update", "workaround"), None)
    assert got == expected


async def test_a_stream_needs_a_user_and_no_token(serve):
    """400 without a user; anybody may listen with one."""
    async with serve() as client:
        answer = await client.http.get("/api/notifications/subscribe", headers={"authorization": ""})
        assert answer.status_code == 400


async def test_an_idle_stream_pings(serve, monkeypatch):
    """A comment line where nothing happens."""
    monkeypatch.setattr("uderia_bench.sim.notifications.HEARTBEAT_S", 0.01)
    async with serve() as client:
        stream = client.http._transport.app.state.uderia.notifications.listen("somebody")
        assert await anext(stream) == b": ping\n\n"
        await stream.aclose()


async def test_a_restart_loses_the_tasks_and_nothing_else(serve):
    """Old tasks are 404 and running ones stop without a turn; sessions and tokens stay, and the next query is served."""
    async with serve() as client:
        done, session = await client.ask("OPTIM", PROMPT)
        other = await client.session("OPTIM")
        running = await client.submit(other, "count rows #slow=600000", profile_id=client.profiles["OPTIM"])
        await anyio.sleep(0.02)
        assert (await client.http.post("/sim/restart")).json() == {"status": "success", "tasks_lost": 2}
        for task in (done["task_id"], running):
            answer = await client.http.get(f"/api/v1/tasks/{task}")
            assert (answer.status_code, answer.json()) == (404, {"error": f"Task '{task}' not found."})
        await anyio.sleep(0.05)
        assert (await client.details(session["id"]))["last_turn_data"]["workflow_history"]
        assert (await client.details(other))["last_turn_data"]["workflow_history"] == []
        assert (await client.ask("OPTIM", PROMPT))[0]["status"] == "complete"
        assert (await client.truth())[0]["task_id"] == done["task_id"]


async def test_the_first_query_after_a_start_is_late_and_no_other(serve):
    """Two to three and a half seconds at speed 1, after a restart again; the same trials on a warm server are not."""
    speed, took = 10.0, {}
    for cold in (True, False):
        async with serve(speed=speed, cold_start=cold, learning=False) as client:
            for number in range(3):
                await client.ask("PLAIN", f"tell me something, attempt {number}")
                if number == 1:
                    await client.http.post("/sim/restart")
            took[cold] = [truth["latency_s"] * speed for truth in await client.truth()]
    late = [cold - warm for cold, warm in zip(took[True], took[False], strict=True)]
    assert [delay > 1.5 for delay in late] == [True, False, True]


@pytest.mark.parametrize(
    ("quotas", "error"),
    [
        (Quotas(calls_per_hour=3), "Rate limit exceeded: Hourly limit exceeded (3 requests/hour)"),
        (Quotas(calls_per_day=2), "Rate limit exceeded: Daily limit exceeded (2 requests/day)"),
        (Quotas(input_tokens_per_month=900), "Token quota exceeded: Input token quota exceeded (900 tokens/month)"),
        (Quotas(output_tokens_per_month=9), "Token quota exceeded: Output token quota exceeded (9 tokens/month)"),
    ],
)
@pytest.mark.parametrize("tag", ["IDEAT", "OPTIM"])
async def test_a_quota_ends_the_task_and_not_the_request(serve, kinds, quotas, error, tag):
    """Accepted with 202, then an error event and status error with the same text, and no turn."""
    async with serve(quotas=quotas) as client:
        assert (await client.ask(tag, PROMPT))[0]["status"] == "complete"
        task, session = await client.ask(tag, PROMPT)
        assert (task["status"], task["result"]) == ("error", {"error": error})
        assert kinds(task) == ["session_model_update", "user_message_profile_tag", "error"]
        assert session["last_turn_data"]["workflow_history"] == []
        assert (await client.truth())[-1]["faults"] == ["quota"]


async def test_a_coordinator_is_not_metered_but_its_experts_are(serve):
    """It answers with what its expert could not say."""
    async with serve(quotas=Quotas(calls_per_hour=0)) as client:
        task, _ = await client.ask("COORD", PROMPT)
        assert task["status"] == "complete"
        assert task["result"]["final_answer_text"].startswith("Error from @OPTIM:")
        status = (await client.http.get("/api/v1/auth/user/quota-status")).json()["quota"]
        assert status["calls_per_hour"]["used"] == 2


async def test_a_server_under_load_serves_so_many_tasks_a_second(serve):
    """Thirty at once take as long as its rate says, where without a limit they take as long as one."""
    speed, rate, trials, took = 4.0, 2.5, 30, {}
    fast = Effect(on="llm_s", factor=0.02)
    for tasks_per_s in (rate, 0):
        async with serve(speed=speed, tasks_per_s=tasks_per_s, effects=(fast,), learning=False) as client:
            began = time.perf_counter()
            async with anyio.create_task_group() as group:
                for number in range(trials):
                    group.start_soon(client.ask, "OPTIM", f"{PROMPT} {number}")
            took[tasks_per_s] = (time.perf_counter() - began) * speed
    assert 0.6 * trials / rate < took[rate] < 2.5 * trials / rate
    assert took[0] < 0.7 * took[rate]


@pytest.mark.parametrize(
    ("on", "reads"), [("llm_s", "latency_s"), ("input_tokens", "input_tokens"), ("output_tokens", "output_tokens")]
)
async def test_an_effect_is_there_by_its_factor_and_moves_nothing_else(serve, on, reads):
    """On the slow provider alone, and only in what it is on; a factor of one changes nothing."""
    found = {}
    for factor in (1.0, 1.5):
        effect = Effect(on=on, factor=factor, provider="slow")
        async with serve(speed=100.0, effects=(effect,), learning=False) as client:
            await client.ask("OPTIM", PROMPT)
            await client.ask("OPTIM2", PROMPT)
            found[factor] = {truth["profile_tag"]: truth for truth in await client.truth()}
    assert found[1.5]["OPTIM"][reads] / found[1.0]["OPTIM"][reads] == pytest.approx(1.5, rel=0.15)
    for name in ("input_tokens", "output_tokens"):
        assert found[1.5]["OPTIM2"][name] == found[1.0]["OPTIM2"][name]
        if name != reads:
            assert found[1.5]["OPTIM"][name] == found[1.0]["OPTIM"][name]


async def test_an_effect_begins_and_ends(serve):
    """Outside its time it is not there."""
    async with serve(effects=(Effect(on="input_tokens", factor=3, from_s=3600),), learning=False) as client:
        await client.ask("PLAIN", "tell me something")
        late = (await client.truth())[0]["input_tokens"]
    async with serve(learning=False) as client:
        await client.ask("PLAIN", "tell me something")
        assert (await client.truth())[0]["input_tokens"] == late


async def test_access_tokens_are_listed_without_themselves_and_can_be_ended(serve):
    """Name, prefix, uses; ended, they sign nobody in; an unknown one is 404."""
    async with serve() as client:
        made = (await client.http.post("/api/v1/auth/tokens", json={"name": "bench"})).json()
        header = {"authorization": f"Bearer {made['token']}"}
        assert (await client.http.get("/api/v1/auth/me", headers=header)).status_code == 200
        (listed,) = (await client.http.get("/api/v1/auth/tokens")).json()["tokens"]
        assert (listed["id"], listed["name"], listed["use_count"]) == (made["token_id"], "bench", 1)
        assert made["token"] not in json.dumps(listed)
        path = f"/api/v1/auth/tokens/{made['token_id']}"
        assert [(await client.http.delete(path)).status_code for _ in range(2)] == [200, 404]
        assert (await client.http.get("/api/v1/auth/me", headers=header)).status_code == 401


async def test_single_turns_can_be_read(serve):
    """In full, their plan and their query; out of range and unknown are 404, and a token is wanted."""
    async with serve() as client:
        _, session = await client.ask("OPTIM", PROMPT)
        (turn,) = session["last_turn_data"]["workflow_history"]
        path = f"/api/session/{session['id']}/turn"
        details = (await client.http.get(f"{path}/1/details")).json()
        assert turn.items() <= details.items()
        assert (await client.http.get(f"{path}/1/plan")).json() == {"plan": turn["original_plan"]}
        assert (await client.http.get(f"{path}/1/query")).json() == {"query": PROMPT}
        assert (await client.http.get(f"{path}/2/details")).status_code == 404
        assert (await client.http.get("/api/session/nobody/turn/1/plan")).status_code == 404
        assert (await client.http.get(f"{path}/1/details", headers={"authorization": ""})).status_code == 401


async def test_deleting_a_session_archives_it_with_its_children(serve):
    """Nothing is removed."""
    async with serve() as client:
        _, session = await client.ask("COORD", PROMPT)
        answer = await client.http.delete(f"/api/session/{session['id']}")
        assert answer.json()["deleted_children"] == 1
        listed = (await client.http.get("/api/v1/sessions")).json()["sessions"]
        assert [entry["archived"] for entry in listed] == [True, True]
        assert (await client.details(session["id"]))["archived"] is True

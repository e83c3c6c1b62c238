"""Tests of learning: retrieval, writing, champions, feedback, ownership, export and import."""

from __future__ import annotations

import uuid

import anyio
import pytest
from sim.replay_learning import DATABASES, MCP, OPTIM, TEMPLATE, post

from uderia_bench.sim.accounts import User
from uderia_bench.sim.memory import cases
from uderia_bench.sim.memory.collections import Collection
from uderia_bench.sim.memory.similarity import similarity, words
from uderia_bench.sim.trouble.effects import Effect
from uderia_bench.sim.trouble.faults import Fault

pytestmark = pytest.mark.anyio

VERSION = "which version do we run? #multitool"
COLLECTIONS = "/api/v1/rag/collections"
NEVER_S = 1e6  # half an hour at the speed of these tests


def retrieved(task: dict) -> str | None:
    """Return the id of the case in the retrieval event, None without the event."""
    found = [event["event_data"]["case_id"] for event in task["events"] if event["event_type"] == "rag_retrieval"]
    return found[0] if found else None


def turn_of(session: dict) -> dict:
    """Return the last turn of a session."""
    return session["last_turn_data"]["workflow_history"][-1]


def planning_tokens(session: dict) -> int:
    """Return the input tokens of the planning call of the last turn."""
    for entry in turn_of(session)["execution_trace"]:
        arguments = entry["action"]["arguments"]
        if arguments.get("message") == "Calling LLM for Planning":
            return arguments["details"]["input_tokens"]
    raise AssertionError("the turn has no planning call")


async def rows(client, collection: int = 1, **query: object) -> list[dict]:
    """Return the rows of a collection."""
    return (await client.http.get(f"{COLLECTIONS}/{collection}/rows", params=query)).json()["rows"]


async def change(client, **fields: object) -> None:
    """Change fields of OPTIM."""
    await post(client, f"/api/v1/profiles/{OPTIM}", fields, "PUT")


async def as_analyst(client) -> str:
    """Sign the client in as the second user and return the header of the first."""
    first = client.http.headers["authorization"]
    login = await client.http.post("/api/v1/auth/login", json={"username": "analyst", "password": "analyst"})
    client.http.headers["authorization"] = f"Bearer {login.json()['token']}"
    return first


# --- retrieval


@pytest.mark.parametrize(
    ("one", "other", "similar"),
    [
        (DATABASES, DATABASES, True),
        (DATABASES, "Which databases exist on this system?", True),
        (DATABASES, "how many rows does the customers table have?", False),
        ("usage for the past 3 days", "usage for the past 4 days", True),
        ("???", "!!!", False),
    ],
)
def test_paraphrases_are_similar(one, other, similar):
    """The threshold of retrieval is 0.7."""
    assert (similarity(words(one), words(other)) >= 0.7) is similar


async def test_a_paraphrase_retrieves_the_stored_plan(serve):
    """The event and the turn name the case and its collection."""
    async with serve() as client:
        _, first = await client.ask("OPTIM", DATABASES + " #multitool")
        task, second = await client.ask("OPTIM", "Which databases exist on this system? #multitool")
        (case,) = first["rag_cases"]
        assert retrieved(task) == f"case_{case['case_id']}"
        assert turn_of(second)["rag_source_collection_id"] == 1
        assert retrieved((await client.ask("OPTIM", "who is logged on? #multitool"))[0]) is None


async def test_up_to_three_plans_are_in_the_planning_prompt(serve):
    """Each question has one champion, and the tokens grow by the number of plans, not by the event."""
    prompts = [f"which version do we run on system {number}? #multitool" for number in range(5)]
    async with serve(seed=3) as client:
        spent = [planning_tokens((await client.ask("OPTIM2", prompt))[1]) for prompt in prompts]
        assert [truth["cases"] for truth in await client.truth()] == [0, 1, 2, 3, 3]
    async with serve(seed=3, learning=False) as client:
        cold = [planning_tokens((await client.ask("OPTIM2", prompt))[1]) for prompt in prompts]
    assert [warm - base for warm, base in zip(spent, cold, strict=True)] == [0, 299, 480, 663, 663]


# --- writing


async def test_the_id_of_a_new_case_is_predictable(serve):
    """It follows from the session and the turn, and the turn names it after the write."""
    async with serve() as client:
        _, session = await client.ask("OPTIM", VERSION)
        expected = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{session['id']}_1"))
        assert session["rag_cases"][0]["case_id"] == turn_of(session)["case_id"] == expected


@pytest.mark.parametrize(("delay", "stored"), [((0.0, 0.0), True), ((0.1, 0.15), True), ((NEVER_S, NEVER_S), False)])
async def test_a_case_is_written_after_its_delay(serve, delay, stored):
    """A long delay leaves the case unwritten when the next query arrives, and the truth counts it."""
    async with serve(write_delay_s=delay) as client:
        session = await client.session("OPTIM")
        await client.follow(await client.submit(session, VERSION, profile_id=OPTIM))
        if stored:
            await client.written()
        assert bool((await client.details(session))["rag_cases"]) is stored
        other = await client.session("OPTIM")
        task = await client.follow(await client.submit(other, VERSION, profile_id=OPTIM))
        assert (retrieved(task) is not None) is stored
        unwritten = [truth["unwritten_cases"] for truth in await client.truth()]
        assert (unwritten[0], unwritten[1] > 0) == (0, not stored)
        if stored:
            assert turn_of(await client.details(session))["case_id"] == cases.case_id(session, 1)


async def test_a_restart_loses_unwritten_cases(serve):
    """The turn stays without a case id."""
    async with serve(write_delay_s=(NEVER_S, NEVER_S)) as client:
        session = await client.session("OPTIM")
        await client.follow(await client.submit(session, VERSION, profile_id=OPTIM))
        await client.http.post("/sim/restart")
        await anyio.sleep(0.01)
        details = await client.details(session)
        assert (details["rag_cases"], turn_of(details)["case_id"], await rows(client)) == ([], None, [])


@pytest.mark.parametrize("prompt", ["count the rows of orders #failonce", "which version? #context", "hello", "#garbage"])
async def test_a_turn_with_an_error_is_not_stored(serve, prompt):
    """Neither are answers from the context and failed plans."""
    async with serve() as client:
        await client.ask("OPTIM", prompt)
        assert await rows(client) == []


async def test_rag_collections_limit_reading_but_not_writing(serve):
    """An empty collection switches retrieval off, and the default collection still grows."""
    async with serve() as client:
        await post(client, COLLECTIONS, {"name": "empty", "mcp_server_id": MCP})
        await change(client, ragCollections=[2])
        for _ in range(2):
            task, _ = await client.ask("OPTIM", VERSION)
            assert retrieved(task) is None
        assert (len(await rows(client)), await rows(client, 2)) == (2, [])


async def test_a_deleted_collection_stays_in_the_profile(serve):
    """The dangling id retrieves nothing, and writing goes on."""
    async with serve() as client:
        await client.ask("OPTIM", VERSION)
        await post(client, COLLECTIONS, {"name": "other", "mcp_server_id": MCP})
        await change(client, ragCollections=[2])
        await post(client, f"{COLLECTIONS}/2", method="DELETE")
        assert retrieved((await client.ask("OPTIM", VERSION))[0]) is None
        assert len(await rows(client)) == 2


@pytest.mark.parametrize(
    ("config", "retrieves", "stored"),
    [
        ({"rag_enabled": False}, False, 1),
        ({"rag_config": {"num_examples": 0}}, False, 2),
        ({"rag_config": {"num_examples": 1}}, True, 2),
    ],
)
async def test_an_administrator_switches_retrieval(serve, config, retrieves, stored):
    """``rag_enabled`` also stops writing, ``num_examples: 0`` does not. A restart sets both back."""
    async with serve() as client:
        await client.ask("OPTIM", VERSION)
        await post(client, "/api/v1/admin/app-config", config)
        assert (retrieved((await client.ask("OPTIM", VERSION))[0]) is not None) is retrieves
        assert len(await rows(client)) == stored
        await client.http.post("/sim/restart")
        assert retrieved((await client.ask("OPTIM", VERSION))[0]) is not None


async def test_a_stranger_can_toggle_a_collection(serve):
    """Without a token, for all users: nothing is retrieved and nothing is stored."""
    async with serve() as client:
        await client.ask("OPTIM", VERSION)
        off = await client.http.post(f"{COLLECTIONS}/1/toggle", json={"enabled": False}, headers={"authorization": ""})
        assert off.json()["enabled"] is False
        task, session = await client.ask("OPTIM", VERSION)
        assert (retrieved(task), session["rag_cases"], await rows(client)) == (None, [], [])
        await post(client, f"{COLLECTIONS}/1/toggle", {"enabled": True})
        assert len(await rows(client)) == 1


# --- champions and feedback


def case(name: str, output_tokens: int) -> cases.Case:
    """Return a case of one question with a number of output tokens."""
    turn = {
        "execution_trace": [],
        "model": "m",
        "profile_tag": "OPTIM",
        "provider": "p",
        "session_id": name,
        "task_id": "t",
        "timestamp": "",
        "turn": 1,
        "turn_input_tokens": 1,
        "turn_output_tokens": output_tokens,
        "user_query": "question",
        "user_uuid": "u",
    }
    return cases.from_turn(turn, [], 1)


def collection(*output_tokens: int) -> Collection:
    """Return a collection with cases of one question."""
    owner = User(username="admin", full_name="", is_admin=True)
    made = Collection(id=1, name="c", kind="planner", owner=owner, created_at="")
    for number, tokens in enumerate(output_tokens):
        made.add(case(f"s{number}", tokens))
    return made


@pytest.mark.parametrize(("tokens", "champion"), [((100,), 0), ((100, 100), 0), ((100, 99), 1), ((100, 101, 90, 95), 2)])
def test_the_champion_has_the_fewest_output_tokens(tokens, champion):
    """An equal cost does not replace the champion, and every repetition adds a case."""
    made = collection(*tokens)
    assert [one.is_most_efficient for one in made.cases] == [place == champion for place in range(len(tokens))]


@pytest.mark.parametrize(("tokens", "after"), [((100, 120), [False, False]), ((100, 99, 98), [False, False, False])])
def test_a_vote_against_the_champion_leaves_none(tokens, after):
    """The server compares the rivals with the score before the vote; the next success is champion."""
    made = collection(*tokens)
    champion = made.champion("question")
    made.vote(champion, -1)
    assert [one.is_most_efficient for one in made.cases] == after
    made.vote(champion, 0)
    assert made.champion("question") is None
    made.add(case("next", 500))
    assert made.champion("question") is made.cases[-1]


def test_a_vote_for_a_case_makes_it_retrievable_in_addition():
    """It does not become the champion, but it keeps a later cheaper case from it."""
    made = collection(100, 120)
    made.vote(made.cases[1], 1)
    assert [one.is_candidate for one in made.cases] == [True, True]
    assert [one.is_most_efficient for one in made.cases] == [True, False]


async def test_the_case_file_keeps_the_champion_flag_of_its_writing(serve):
    """The row has the present flag."""
    async with serve() as client:
        await client.ask("OPTIM", VERSION)
        (row,) = await rows(client)
        await post(client, f"/api/v1/rag/cases/{row['id']}/feedback", {"feedback_score": -1})
        (row,) = await rows(client)
        assert (row["is_most_efficient"], row["full_case_data"]["metadata"]["is_most_efficient"]) == (False, True)
        assert retrieved((await client.ask("OPTIM", VERSION))[0]) is None


# --- ownership, export, import, reset


async def test_an_imported_copy_stays_frozen(serve):
    """Its cases name the old collection, so new cases go there."""
    async with serve() as client:
        await client.ask("OPTIM", VERSION)
        archive = (await client.http.get(f"{COLLECTIONS}/1/export")).content
        files = {"file": ("c.zip", archive)}
        copied = (await client.http.post(f"{COLLECTIONS}/import", files=files)).json()
        assert copied["collection_name"] == "Default Collection - Teradata MCP (Imported)"
        await change(client, ragCollections=[copied["collection_id"]])
        task, session = await client.ask("OPTIM", VERSION)
        assert retrieved(task) is not None
        assert turn_of(session)["rag_source_collection_id"] == 1
        assert [len(await rows(client, one)) for one in (1, copied["collection_id"])] == [2, 1]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"x" * 1000])
async def test_a_broken_archive_is_refused(serve, content):
    """The status is 400."""
    async with serve() as client:
        answer = await client.http.post(f"{COLLECTIONS}/import", files={"file": ("c.zip", content)})
        assert (answer.status_code, answer.json()["status"]) == (400, "error")


async def test_a_reset_makes_the_next_run_cold(serve):
    """The default collection can be reset too."""
    async with serve() as client:
        await client.ask("OPTIM", VERSION)
        done = await post(client, f"{COLLECTIONS}/1/reset")
        assert done["items_deleted"] == 1
        task, session = await client.ask("OPTIM", VERSION)
        assert (retrieved(task), len(session["rag_cases"])) == (None, 1)


async def test_users_have_separate_collections(serve):
    """Each has a default collection, and only the owner may change or export one."""
    async with serve() as client:
        await client.ask("OPTIM", VERSION)
        await as_analyst(client)
        (own,) = (await client.http.get(COLLECTIONS)).json()["collections"]
        assert (own["id"], own["owner_username"], own["is_owned"]) == (2, "analyst", True)
        assert (await client.http.get("/api/v1/profiles")).json()["profiles"][0]["ragCollections"] == [1, 2]
        for method, path in (("POST", "reset"), ("GET", "export"), ("POST", "publish")):
            assert (await client.http.request(method, f"{COLLECTIONS}/1/{path}", json={})).status_code == 403
        assert (await client.http.delete(f"{COLLECTIONS}/1")).status_code == 403
        assert retrieved((await client.ask("OPTIM", VERSION))[0]) is None
        client.http.headers["authorization"] = ""
        assert len((await client.http.get(COLLECTIONS)).json()["collections"]) == 3


async def test_a_hit_in_a_foreign_collection_is_stored_nowhere(serve):
    """A subscribed collection is a frozen set of plans until the subscription ends."""
    async with serve() as client:
        await client.ask("OPTIM", VERSION)
        market = "/api/v1/marketplace"
        first = await as_analyst(client)
        assert (await client.http.post(f"{market}/collections/1/subscribe", json={})).status_code == 403
        own = client.http.headers["authorization"]
        client.http.headers["authorization"] = first
        await post(client, f"{COLLECTIONS}/1/publish", {"visibility": "targeted"})
        client.http.headers["authorization"] = own
        subscribed = await post(client, f"{market}/collections/1/subscribe")
        assert (await client.http.post(f"{market}/collections/1/subscribe", json={})).status_code == 400
        task, session = await client.ask("OPTIM", VERSION)
        assert (retrieved(task) is not None, session["rag_cases"]) == (True, [])
        assert [len(await rows(client, one)) for one in (1, 2)] == [1, 0]
        await post(client, f"{market}/subscriptions/{subscribed['subscription_id']}", method="DELETE")
        task, session = await client.ask("OPTIM", VERSION)
        assert (retrieved(task), len(session["rag_cases"])) == (None, 1)


async def test_a_fork_retrieves_no_case_of_another_user(serve):
    """The rows are copied, but they carry the other user's id."""
    async with serve() as client:
        await client.ask("OPTIM", VERSION)
        await post(client, f"{COLLECTIONS}/1/publish", {"visibility": "public"})
        await as_analyst(client)
        forked = await post(client, "/api/v1/marketplace/collections/1/fork", {"name": "mine"})
        await change(client, ragCollections=[forked["collection_id"]])
        assert len(await rows(client, forked["collection_id"])) == 1
        assert retrieved((await client.ask("OPTIM", VERSION))[0]) is None


async def test_template_cases_are_retrieved_and_beaten(serve):
    """A populated case has 180 output tokens, and its row id has no prefix until a refresh."""
    async with serve() as client:
        await post(client, COLLECTIONS, {"name": "templates", "mcp_server_id": MCP})
        await post(client, f"{COLLECTIONS}/2/populate", TEMPLATE)
        await change(client, ragCollections=[2])
        task, session = await client.ask("OPTIM", TEMPLATE["examples"][0]["user_query"] + " #multitool")
        (row, *_) = await rows(client, 2, light="true")
        assert (row["id"], row["output_tokens"], "full_case_data" in row) == (retrieved(task), 180, False)
        assert session["rag_cases"][0]["collection_id"] == 2
        await post(client, f"{COLLECTIONS}/2/refresh")
        assert (await rows(client, 2))[0]["id"] == f"case_{row['id']}"


async def test_rows_are_searched_by_similarity(serve):
    """A query of three characters sorts by the score."""
    async with serve() as client:
        for prompt in (VERSION, DATABASES + " #multitool"):
            await client.ask("OPTIM", prompt)
        found = await rows(client, q="which databases are on the system? #multitool", limit=1)
        assert (found[0]["user_query"], found[0]["similarity_score"]) == (DATABASES + " #multitool", 1.0)


# --- faults and effects


async def test_a_fault_stops_the_writer(serve):
    """The turn succeeds and is never stored."""
    async with serve(faults=(Fault(kind="no_write_back", rate=1),)) as client:
        _, session = await client.ask("OPTIM", VERSION)
        assert (session["rag_cases"], turn_of(session)["case_id"], await rows(client)) == ([], None, [])
        assert (await client.truth())[0]["faults"] == ["no_write_back"]


async def test_an_effect_of_memory_changes_only_planning_with_a_case(serve):
    """Planning costs 20 % less with a stored plan; the first run and other calls stay as they are."""
    found = {}
    for factor in (1.0, 0.8):
        effect = Effect(on="plan_tokens_with_case", factor=factor)
        async with serve(effects=(effect,)) as client:
            sessions = [(await client.ask("OPTIM", VERSION))[1] for _ in range(2)]
            found[factor] = [planning_tokens(session) for session in sessions]
            reports = [turn_of(session)["turn_input_tokens"] - planning_tokens(session) for session in sessions]
            found[factor].append(reports)
    assert found[0.8][0] == found[1.0][0]
    assert found[0.8][1] == pytest.approx(0.8 * found[1.0][1], abs=1)
    assert found[0.8][2] == found[1.0][2]

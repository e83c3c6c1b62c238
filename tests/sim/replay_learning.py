"""Replay of the recorded scenarios about learning, profiles, prompts and dashboards.

A setup brings the server into the state of the recording; then the requests of the folder are sent in
the order of the recording, with our ids in place of the recorded ones.
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

from sim.comparison import exchanges
from sim.replay import Answered, Driver, answered, seen

from uderia_bench.sim.agent.llms import FRIENDLI, GOOGLE
from uderia_bench.sim.trouble.faults import Fault

FOLDER = "captures-2/rag"
OPTIM, FOCUS = "profile-1764006444002-z0hdduce9", "profile-default-rag"
DATABASES = "What databases are available on the system?"
CUSTOMERS = "How many rows are in the customers table?"
MCP = "1763483266562-a6kulj4xc"
TEMPLATE = {
    "template_type": "sql_query",
    "examples": [{"user_query": CUSTOMERS, "sql_statement": "SELECT COUNT(*) AS cnt FROM fitness_db.customers"}],
    "database_name": "fitness_db",
    "mcp_tool_name": "base_readQuery",
}
HANDBOOK = (
    "Fitness membership tiers. The lab gym sells three membership tiers, and a gold membership costs 60 dollars.\n\n"
    "Opening hours. The gym opens at six in the morning and closes at eleven."
)
Ids = dict[str, str]
Setup = Callable[[Any], Awaitable[Ids]]


async def post(client: Any, path: str, body: Any = None, method: str = "POST") -> Any:
    """Send a request of a setup and return its JSON."""
    answer = await client.http.request(method, path, json={} if body is None else body)
    assert answer.status_code < 300, (path, answer.status_code, answer.text)
    return answer.json()


async def upload(client: Any, path: str, filename: str, content: bytes, **fields: str) -> Any:
    """Upload a file."""
    return await client.http.post(path, files={"file": (filename, io.BytesIO(content))}, data=fields)


async def isolated(client: Any) -> Ids:
    """Create a planner collection with the id 2."""
    made = await post(client, "/api/v1/rag/collections", {"name": "Lab isolated", "mcp_server_id": MCP})
    assert made["collection_id"] == 2
    return {}


async def template(client: Any) -> Ids:
    """Store a template case in collection 2, which is the only one that OPTIM reads."""
    await isolated(client)
    await post(client, "/api/v1/rag/collections/2/populate", TEMPLATE)
    await post(client, f"/api/v1/profiles/{OPTIM}", {"ragCollections": [2]}, "PUT")
    return {}


async def handbook(client: Any) -> Ids:
    """Create a knowledge repository with the id 3 and two documents, for FOCUS."""
    await isolated(client)
    body = {"name": "Lab handbook", "repository_type": "knowledge", "chunking_strategy": "paragraph"}
    await post(client, "/api/v1/rag/collections", body)
    path = "/api/v1/knowledge/repositories/3/documents"
    await upload(client, path, "handbook.txt", HANDBOOK.encode(), title="Lab handbook")
    await upload(client, path, "maintenance.txt", b"Treadmills are oiled every month.", title="Maintenance manual")
    config = {
        "enabled": True,
        "collections": [{"id": 3, "name": "Lab handbook", "reranking": False}],
        "minRelevanceScore": 0.2,
        "maxDocs": 3,
        "maxTokens": 2000,
    }
    await post(client, f"/api/v1/profiles/{FOCUS}", {"knowledgeConfig": config}, "PUT")
    return {}


async def warm(client: Any) -> Ids:
    """Ask OPTIM twice and return the ids of both cases."""
    ids = {}
    await client.ask("OPTIM", "list the tables in fitness_db")
    for recorded in ("e858fa45-ee53-59d4-b9e4-9a3a3cadb0c4", "2327f4d5-2637-504d-90fb-6d9eb1758a3d"):
        _, session = await client.ask("OPTIM", DATABASES)
        ids[recorded] = session["rag_cases"][0]["case_id"]
    ids["d0d49d4e-3419-4d6e-96a3-d01042049aa6"] = session["id"]
    return ids


async def collections(client: Any) -> Ids:
    """Create collections up to the id 5 and use collection 2."""
    await template(client)
    for _ in range(6):
        await client.ask("OPTIM", CUSTOMERS)
    await post(client, "/api/v1/rag/collections", {"name": "Lab handbook", "repository_type": "knowledge"})
    for name in ("fourth", "fifth"):
        await post(client, "/api/v1/rag/collections", {"name": name, "mcp_server_id": MCP})
    await post(client, "/api/v1/rag/collections/2/publish", {"visibility": "public"})
    return {}


async def turns(client: Any) -> Ids:
    """Ask three questions in one session, all of them asked before."""
    await client.ask("OPTIM", "List the tables of the fitness database")
    await client.ask("OPTIM", DATABASES)
    session = await client.session("OPTIM")
    for prompt in (DATABASES, "List the tables of the fitness database", DATABASES):
        await client.follow(await client.submit(session, prompt, profile_id=OPTIM))
        await client.written()
    return {"2d6ee962-e156-4895-a7a9-ff22be47000e": session}


async def clone(client: Any) -> Ids:
    """Clone OPTIM, use the clone, and return its id."""
    made = await post(client, "/api/v1/profiles", {**await profile(client), "tag": "OPTIMB", "name": "Clone"})
    client.profiles["OPTIMB"] = made["profile"]["id"]
    await client.ask("OPTIMB", DATABASES)
    return {"profile-ddabd955-9a28-4445-b698-cb839794292c": made["profile"]["id"]}


async def profile(client: Any) -> dict[str, Any]:
    """Return the document of OPTIM as a clone sends it."""
    listed = (await client.http.get("/api/v1/profiles")).json()["profiles"]
    (document,) = [one for one in listed if one["tag"] == "OPTIM"]
    return {name: value for name, value in document.items() if name not in ("id", "isDefault", "providerName", "agent_packs")}


async def mapped(client: Any) -> Ids:
    """Clone OPTIM for the mappings of prompts."""
    return await clone(client)


async def nothing(_: Any) -> Ids:
    """Leave the server as it is."""
    return {}


async def archived(client: Any) -> Ids:
    """Ask three questions in a session and archive it."""
    ids = await turns(client)
    (session,) = ids.values()
    await client.ask("OPTIM", DATABASES)
    await post(client, f"/api/v1/sessions/{session}/archive", {}, "PUT")
    return ids


ORDER: dict[str, tuple[Setup, tuple[str, ...]]] = {
    "collection-admin": (
        collections,
        (
            *("get_one", "put", "refresh", "refresh_counts", "reload", "relationships", "import"),
            *("delete_default", "delete_unknown", "delete", "reset"),
        ),
    ),
    "collections": (nothing, ("list",)),
    "context-window": (nothing, ("create", "assign", "delete_assigned", "delete")),
    "create-collection": (nothing, ("create", "create_without_mcp")),
    "dashboard": (archived, ()),
    "feedback": (
        warm,
        (
            *("case_get", "bad_score", "unknown_case", "down_champion", "rows_after_down", "neutral_again"),
            *("up_other", "turn_feedback"),
        ),
    ),
    "fresh": (nothing, ()),
    "knowledge": (
        isolated,
        ("create", "upload_handbook", "upload_maintenance", "documents", "chunks", "search", "put_focus"),
    ),
    "populate": (isolated, ("populate", "rows_template")),
    "profile-clone": (
        nothing,
        (
            *("create", "create_duplicate_tag", "create_bad_mode", "put_unknown", "put_llm", "put_tools", "put_dual"),
            *("resources", "test", "activate", "put_mode_full", "put_bogus_llm", "session_bogus_llm", "delete_default"),
            *("delete", "delete_again"),
        ),
    ),
    "profile-put": (isolated, ("put_ragCollections",)),
    "prompts": (
        mapped,
        (
            *("available", "get_one", "versions", "put_override", "put_parameter", "delete_override", "duplicate"),
            *("mappings_get", "mapping_set", "mapping_set_unknown_prompt", "mapping_delete_all"),
        ),
    ),
    "sessions": (
        turns,
        (
            *("rename", "turn_query", "turn_plan", "turn_details", "context_analytics", "toggle_validity"),
            *("purge_memory", "archive", "archive_again", "query_archived", "delete", "delete_unknown"),
        ),
    ),
    "switches": (turns, ("num_examples_0", "rag_enabled_false", "status_rag_disabled", "rag_enabled_true")),
}


async def requests(serve: Any, folder: str) -> AsyncIterator[Answered]:
    """Send the requests of a folder in the order of the recording."""
    captured = exchanges(f"{FOLDER}/{folder}")
    setup, order = ORDER[folder]
    async with serve(chance=False) as client:
        ids = await setup(client)
        token = client.http.headers["authorization"]
        for name in order or sorted(captured):
            exchange = captured[name]
            client.http.headers["authorization"] = "" if name.endswith("noauth") else token
            path = exchange.path
            for recorded, own in ids.items():
                path = path.replace(recorded, own)
            if isinstance(exchange.sent, str) and exchange.sent.startswith("multipart"):
                response = await upload(client, path, *await file_of(client, name))
            else:
                body = {} if exchange.sent is None else {"json": ours(exchange.sent, ids)}
                response = await client.http.request(exchange.method, path, **body)
            if (folder, name) == ("profile-clone", "create"):
                ids["profile-ddabd955-9a28-4445-b698-cb839794292c"] = response.json()["profile"]["id"]
                client.profiles["OPTIMB"] = response.json()["profile"]["id"]
                await client.ask("OPTIMB", DATABASES)
            if (folder, name) == ("context-window", "create"):
                ids["cwt-1795920885802-05f556f5"] = response.json()["context_window_type"]["id"]
            if (folder, name) == ("context-window", "delete_assigned"):
                await post(client, f"/api/v1/profiles/{OPTIM}", {"contextWindowTypeId": "cwt-default-balanced"}, "PUT")
            yield answered(exchange, response)


LLMS = {"1763832180990-t4s6q1lhy": GOOGLE.configuration_id, "lab-openai-4o": FRIENDLI.configuration_id}


def ours(sent: Any, ids: Ids) -> Any:
    """Return a body with our ids in place of the recorded ones."""
    text = json.dumps(sent)
    for recorded, own in (ids | LLMS).items():
        text = text.replace(recorded, own)
    return json.loads(text)


async def file_of(client: Any, name: str) -> tuple[str, bytes]:
    """Return the file of an upload or of an import."""
    if name == "import":
        return "export.zip", (await client.http.get("/api/v1/rag/collections/2/export")).content
    if name == "upload_handbook":
        return "handbook.txt", HANDBOOK.encode()
    return "maintenance.txt", b"Treadmills are oiled every month."


async def run(serve: Any, folder: str, setup: Setup, tag: str = "OPTIM") -> AsyncIterator[Answered]:
    """Ask the question of a folder after a setup; read the session at once and later."""
    captured = exchanges(f"{FOLDER}/{folder}" if "/" not in folder else folder)
    sent = captured["submit"].sent
    async with serve(chance=False, faults=UNREACHABLE if tag == "COORD" else ()) as client:
        await setup(client)
        created = await client.http.post("/api/v1/sessions", json={"profile_id": client.profiles[tag]})
        yield answered(captured["create_session"], created)
        session = created.json()["session_id"]
        query = {**sent, "profile_id": client.profiles[tag]}
        submitted = await client.http.post(f"/api/v1/sessions/{session}/query", json=query)
        yield answered(captured["submit"], submitted)
        final = await client.follow(submitted.json()["task_id"])
        details = f"/api/v1/sessions/{session}/details"
        if "session_details_at_once" in captured:
            yield answered(captured["session_details_at_once"], await client.http.get(details))
        for name, exchange in captured.items():
            if name.startswith("poll") and name != "poll_history":
                yield seen(exchange, final)
        yield answered(captured["task_final"], await client.http.get(submitted.json()["status_url"]))
        await client.written()
        for name in ("session_details_later", "session_details"):
            if name in captured:
                yield answered(captured[name], await client.http.get(details))
        if "rows_after" in captured:
            yield answered(captured["rows_after"], await client.http.get("/api/v1/rag/collections/1/rows"))


# The recorded coordinator could not reach its experts.
UNREACHABLE = tuple(Fault(kind="submit_error", rate=1, profile=tag) for tag in ("OPTIM", "FOCUS"))


async def lab_handbook(client: Any) -> Ids:
    """Create a knowledge repository with the id 2, which FOCUS names by its id only."""
    await post(client, "/api/v1/rag/collections", {"name": "Lab fitness handbook", "repository_type": "knowledge"})
    path = "/api/v1/knowledge/repositories/2/documents"
    await upload(client, path, "handbook.txt", HANDBOOK.split("\n", maxsplit=1)[0].encode(), title="Lab handbook")
    config = {"enabled": True, "collections": [{"id": 2, "reranking": False}], "maxDocs": 5, "minRelevanceScore": 0.2}
    return await post(client, f"/api/v1/profiles/{FOCUS}", {"knowledgeConfig": config}, "PUT")


async def once(client: Any) -> Ids:
    """Ask the same question once before."""
    await client.ask("OPTIM", DATABASES)
    return {}


async def collection_off(client: Any) -> Ids:
    """Switch the default collection off after it learned the answer."""
    await once(client)
    return await post(client, "/api/v1/rag/collections/1/toggle", {"enabled": False})


async def disabled(client: Any) -> Ids:
    """Switch retrieval off after the default collection learned the answer."""
    await once(client)
    return await post(client, "/api/v1/admin/app-config", {"rag_enabled": False})


async def subscribed(client: Any) -> Ids:
    """Let the first user fill and publish a collection, and the second user subscribe to it."""
    await template(client)
    _, session = await client.ask("OPTIM", CUSTOMERS)
    rows = (await client.http.get("/api/v1/rag/collections/2/rows")).json()["rows"]
    for row, score in zip(rows, (-1, 1), strict=True):  # the template, then the case of the run
        await post(client, f"/api/v1/rag/cases/{row['id']}/feedback", {"feedback_score": score})
    assert rows[1]["full_case_data"]["case_id"] == session["rag_cases"][0]["case_id"]
    await post(client, "/api/v1/rag/collections/2/publish", {"visibility": "public"})
    login = await client.http.post("/api/v1/auth/login", json={"username": "analyst", "password": "analyst"})
    client.http.headers["authorization"] = f"Bearer {login.json()['token']}"
    await post(client, "/api/v1/marketplace/collections/2/subscribe")
    return await post(client, f"/api/v1/profiles/{OPTIM}", {"ragCollections": [2]}, "PUT")


RUNS: dict[str, tuple[Setup, str]] = {
    "optim-cold": (nothing, "OPTIM"),
    "optim-warm": (once, "OPTIM"),
    "optim-collection-off": (collection_off, "OPTIM"),
    "optim-rag-disabled": (disabled, "OPTIM"),
    "optim-template-hit": (template, "OPTIM"),
    "second-user-subscribed": (subscribed, "OPTIM"),
    "rag-focused-miss": (handbook, "FOCUS"),
}
OTHERS: dict[str, Driver] = {
    "captures-2/focus-hit": partial(run, folder="captures-2/focus-hit", setup=lab_handbook, tag="FOCUS"),
    "captures-2/coord": partial(run, folder="captures-2/coord", setup=lab_handbook, tag="COORD"),
}
DRIVERS: dict[str, Driver] = {
    **{folder: partial(requests, folder=folder) for folder in ORDER},
    **{folder: partial(run, folder=folder, setup=setup, tag=tag) for folder, (setup, tag) in RUNS.items()},
}

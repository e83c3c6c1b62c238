"""Routes of collections: create, list, change, toggle, reset, delete, rows, populate, export, import, marketplace.

Source: docs/reference/learning.md, "Collections".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from email.parser import BytesParser
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from uderia_bench.sim.api import responses
from uderia_bench.sim.api.auth import Handler, account_of, signed_in, signed_in_user, state_of
from uderia_bench.sim.memory import cases
from uderia_bench.sim.memory.collections import KNOWLEDGE, PLANNER, SHORTEST_SEARCH, Collection
from uderia_bench.sim.sessions import Session

_SEARCH_MODES = ("semantic", "keyword", "hybrid")
_MOST_ROWS = 10_000
_SHOWN_SESSIONS = 5
_NEEDS_MCP = "mcp_server_id is required for planner repositories. Collections must be associated with an MCP server."
_Json = dict[str, Any]


def collection_of(request: Request) -> Collection | None:
    """Return the collection of the path."""
    return state_of(request).collections.get(request.path_params["collection_id"])


def owned(
    handler: Callable[[Request, Collection], Awaitable[Response]], denied: str, *, unknown: tuple[int, str] = (403, "")
) -> Handler:
    """Return a handler for the owner of a collection. ``unknown`` answers an unknown collection."""

    async def checked(request: Request) -> Response:
        collection, user = collection_of(request), account_of(request)
        if user is None:
            return responses.failure(401, "Authentication required")
        if collection is None:
            return responses.failure(unknown[0], unknown[1] or denied)
        if not collection.owned_by(user):
            return responses.failure(403, denied)
        return await handler(request, collection)

    return checked


async def read_object(request: Request) -> _Json | None:
    """Return the JSON object of a request, None for anything else."""
    body = await responses.lenient_json(request)
    return body if isinstance(body, dict) else None


async def _list(request: Request) -> Response:
    """List the user's collections. Without a token the list has the collections of all users."""
    state, user = state_of(request), account_of(request)
    if user is not None:
        state.collections.default(user, state.clock.stamp())
    shown = [
        here.listing(user) for here in state.collections if user is None or here.owner is user or user.uuid in here.subscribers
    ]
    return responses.json({"collections": sorted(shown, key=lambda one: str(one["name"])), "status": "success"})


async def _create(request: Request) -> Response:
    state, body = state_of(request), await read_object(request)
    if body is None:
        return responses.failure(500, "Failed to create collection")
    user = signed_in_user(request)
    name, kind = body.get("name"), body.get("repository_type", PLANNER)
    if not isinstance(name, str) or not name.strip():
        return responses.failure(400, "Collection name is required")
    if kind not in (PLANNER, KNOWLEDGE):
        return responses.failure(400, "repository_type must be 'planner' or 'knowledge'")
    if kind == PLANNER and not isinstance(body.get("mcp_server_id"), str):
        return responses.failure(400, _NEEDS_MCP)
    mode = body.get("search_mode", _SEARCH_MODES[0])
    if mode not in _SEARCH_MODES:
        return responses.failure(400, f"search_mode must be one of {', '.join(_SEARCH_MODES)}")
    state.book(user.uuid)  # the user's default collection has the first id
    made = state.collections.create(
        user,
        name.strip(),
        state.clock.stamp(),
        kind=kind,
        mcp_server_id=body["mcp_server_id"] if kind == PLANNER else None,
        description=str(body.get("description") or ""),
        chunking_strategy=str(body.get("chunking_strategy") or "none"),
        search_mode=mode,
    )
    done = {
        "backend_type": "chromadb",
        "collection_id": made.id,
        "mcp_server_id": made.mcp_server_id,
        "repository_type": made.kind,
        "vector_store_config_id": None,
    }
    return responses.created("Collection created successfully", **done)


async def _read(request: Request) -> Response:
    collection, user = collection_of(request), signed_in_user(request)
    if collection is None:
        return responses.failure(404, "Collection not found")
    if not collection.owned_by(user):
        return responses.failure(500, "Failed to get collection")
    return responses.json({"collection": collection.settings(), "status": "success"})


async def _change(request: Request, collection: Collection) -> Response:
    body = await read_object(request)
    if not body:
        return responses.failure(500, "Failed to update collection")
    mode, name = body.get("search_mode", collection.search_mode), body.get("name", collection.name)
    if mode not in _SEARCH_MODES or not isinstance(name, str) or not name.strip():
        return responses.failure(400, "name and search_mode must be valid")
    collection.search_mode, collection.name = mode, name.strip()
    collection.description = str(body.get("description", collection.description))
    weight = body.get("hybrid_keyword_weight")
    if isinstance(weight, int | float) and not isinstance(weight, bool) and 0 <= weight <= 1:
        collection.hybrid_keyword_weight = float(weight)
    return responses.success("Collection updated successfully", collection=collection.settings())


async def _toggle(request: Request) -> Response:
    """Switch a collection on or off for all users. The server checks neither token nor owner."""
    body, collection = await read_object(request) or {}, collection_of(request)
    if not isinstance(body.get("enabled"), bool):
        return responses.failure(400, "enabled is required")
    if collection is None:
        return responses.failure(404, "Collection not found")
    collection.enabled = body["enabled"]
    word = "enabled" if collection.enabled else "disabled"
    return responses.success(f"Collection {word} successfully", enabled=collection.enabled)


async def _reset(_: Request, collection: Collection) -> Response:
    removed = collection.reset()
    return responses.success(f"Collection reset successfully. {removed} items removed.", items_deleted=removed)


def _sessions_with(request: Request, collection: Collection) -> list[Session]:
    """Return the sessions with a turn that retrieved from the collection."""
    return [session for session in state_of(request).sessions.values() if collection.id in session.used_collections]


async def _delete(request: Request, collection: Collection) -> Response:
    """Delete a collection and archive its sessions. Profiles keep its id in ``ragCollections``."""
    state = state_of(request)
    if state.collections.is_default(collection):
        return responses.failure(400, "Cannot delete your default collection")
    archived = [session for session in _sessions_with(request, collection) if session.archived is None]
    for session in archived:
        session.archive("collection deleted", state.clock.stamp())
    state.collections.delete(collection)
    done = {
        "archived_session_ids": [session.id for session in archived],
        "default_profile_cleared": False,
        "profiles_deactivated": [],
        "profiles_updated": [],
        "sessions_archived": len(archived),
    }
    return responses.success("Collection deleted successfully", **done)


async def _rows(request: Request) -> Response:
    collection, query = collection_of(request), request.query_params.get("q", "")
    if collection is None:
        return responses.error(404, "Collection not found")
    if not collection.enabled:
        message = "Collection is not loaded. Loaded IDs: []. Try refreshing the page."
        return responses.json({"collection_id": collection.id, "message": message, "rows": [], "total": 0})
    limit = min(responses.number(request, "limit", 25), _MOST_ROWS)
    light = request.query_params.get("light", "").lower() == "true"
    rows, total = collection.rows(query, limit=limit, light=light)
    searched = query if len(query) >= SHORTEST_SEARCH else ""
    body = {
        "collection_id": collection.id,
        "collection_name": collection.name,
        "query": searched,
        "rows": rows,
        "total": total,
    }
    return responses.json(body)


async def _populate(request: Request) -> Response:
    state, body, collection = state_of(request), await read_object(request) or {}, collection_of(request)
    if collection is None:
        return responses.failure(404, "Collection not found")
    examples = body.get("examples")
    if body.get("template_type") != "sql_query" or not isinstance(examples, list) or not examples:
        return responses.failure(400, "template_type and examples are required", validation_issues=[])
    wanted = ("user_query", "sql_statement")
    broken = [
        {"example_index": place, "issue": "user_query and sql_statement are required"}
        for place, example in enumerate(examples)
        if not isinstance(example, dict) or not all(isinstance(example.get(key), str) and example[key] for key in wanted)
    ]
    if broken:
        return responses.failure(400, "Invalid examples", validation_issues=broken)
    made = [
        cases.from_template(
            example["user_query"],
            example["sql_statement"],
            tool=str(body.get("mcp_tool_name") or "base_readQuery"),
            database=body["database_name"] if isinstance(body.get("database_name"), str) else None,
            collection_id=collection.id,
            now=state.clock.stamp(),
        )
        for example in examples
    ]
    for case in made:
        collection.add(case)
    results = {
        "case_ids": [case.case_id for case in made],
        "collection_id": collection.id,
        "collection_name": collection.name,
        "errors": [],
        "failed": 0,
        "successful": len(made),
        "template_id": "sql_query_v1",
        "total_examples": len(made),
    }
    return responses.success(f"Successfully populated {len(made)} cases", results=results)


async def _refresh(request: Request) -> Response:
    collection = collection_of(request)
    if collection is None:
        return responses.failure(404, "Collection not found")
    if not collection.enabled:
        return responses.failure(400, "Collection is not loaded")
    for case in collection.cases:
        case.id = f"case_{case.case_id}"
    return responses.json({"message": "Collection refresh started", "status": "success"}, 202)


async def _refresh_counts(request: Request) -> Response:
    collection = collection_of(request)
    if collection is None:
        return responses.failure(404, "Collection not found")
    collection.chunk_count = collection.size()
    body = {"chunk_count": collection.chunk_count, "document_count": len(collection.documents), "status": "success"}
    return responses.json(body)


async def _reload(request: Request) -> Response:
    loaded = [here for here in state_of(request).collections if here.enabled]
    planner, knowledge = (sum(here.kind == kind for here in loaded) for kind in (PLANNER, KNOWLEDGE))
    body = {
        "knowledge_count": knowledge,
        "loaded_collections": [here.id for here in loaded],
        "planner_count": planner,
        "total_count": len(loaded),
    }
    message = f"Loaded {len(loaded)} collection(s): {planner} planner, {knowledge} knowledge"
    return responses.success(message, **body)


async def _export(_: Request, collection: Collection) -> Response:
    headers = {"content-disposition": f'attachment; filename="collection_{collection.id}.zip"'}
    return Response(collection.export(), media_type="application/zip", headers=headers)


async def read_form(request: Request) -> dict[str, tuple[str, bytes]]:
    """Return the fields of a multipart form: file name and content by field name."""
    head = b"Content-Type: " + request.headers.get("content-type", "").encode("latin-1", "replace") + b"\r\n\r\n"
    message = BytesParser().parsebytes(head + await request.body())
    fields = {}
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str):
            content = part.get_payload(decode=True)
            fields[name] = (part.get_filename() or "", content if isinstance(content, bytes) else b"")
    return fields


async def _import(request: Request) -> Response:
    state, user = state_of(request), signed_in_user(request)
    fields = await read_form(request)
    if "file" not in fields:
        return responses.failure(400, "No file provided")
    server = fields.get("mcp_server_id", ("", b""))[1].decode(errors="replace").strip()
    try:
        made = state.collections.import_(user, fields["file"][1], state.clock.stamp(), server or None)
    except ValueError as problem:
        return responses.failure(400, f"Invalid archive: {problem}")
    done = {"collection_id": made.id, "collection_name": made.name, "document_count": made.size()}
    return responses.success("Collection imported successfully", **done)


async def _check_sessions(request: Request) -> Response:
    collection = collection_of(request)
    if collection is None:
        return responses.failure(404, "Collection not found")
    active = [session for session in _sessions_with(request, collection) if session.archived is None]
    return responses.json({"active_session_count": len(active), "status": "success"})


async def _relationships(request: Request) -> Response:
    """Return the sessions and profiles that use a collection, and what its deletion would archive."""
    collection, user = collection_of(request), signed_in_user(request)
    if collection is None:
        return responses.failure(404, "Collection not found")
    used = _sessions_with(request, collection)
    active = sum(session.archived is None for session in used)
    profiles = [
        {"profile_id": profile.id, "profile_name": profile.name, "profile_tag": profile.tag}
        for profile in state_of(request).book(user.uuid)
        if any(entry.get("id") == collection.id for entry in _knowledge_entries(profile.section("knowledgeConfig")))
    ]
    effects = {
        "active_sessions_archived": active,
        "archived_sessions_affected": len(used) - active,
        "profiles_affected": len(profiles),
        "profiles_deactivated": 0,
        "profiles_reference_removed": len(profiles),
        "total_sessions_affected": len(used),
    }
    items = [
        {
            "details": "Queried this collection in conversation history",
            "is_archived": session.archived is not None,
            "relationship_type": "workflow_history",
            "session_id": session.id,
            "session_name": session.name,
        }
        for session in used[:_SHOWN_SESSIONS]
    ]
    body = {
        "artifact": {
            "id": str(collection.id),
            "name": collection.name,
            "repository_type": collection.kind,
            "type": "collection",
        },
        "deletion_info": {
            "affected_profiles": profiles,
            "blockers": [],
            "can_delete": not state_of(request).collections.is_default(collection),
            "cascade_effects": effects,
            "warnings": [f"{active} active sessions will be archived"] if active else [],
        },
        "relationships": {
            "agent_packs": {"count": 0, "items": []},
            "profiles": {"count": len(profiles), "items": profiles},
            "sessions": {
                "active_count": active,
                "archived_count": len(used) - active,
                "has_more": len(used) > len(items),
                "items": items,
                "limit_applied": len(used) > len(items),
                "total_count": len(used),
            },
        },
        "status": "success",
    }
    return responses.json(body)


def _knowledge_entries(config: _Json) -> list[_Json]:
    entries = config.get("collections")
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


_PATH = "/api/v1/rag/collections/{collection_id:int}"
_NOT_FOUND = (404, "Collection not found")
ROUTES = [
    Route("/api/v1/rag/collections", _list, methods=["GET"]),
    Route("/api/v1/rag/collections", signed_in(_create), methods=["POST"]),
    Route("/api/v1/rag/collections/import", signed_in(_import), methods=["POST"]),
    Route("/api/v1/rag/reload-collections", signed_in(_reload), methods=["POST"]),
    Route(_PATH, signed_in(_read), methods=["GET"]),
    Route(_PATH, owned(_change, "Only collection owners can update collections", unknown=_NOT_FOUND), methods=["PUT"]),
    Route(_PATH, owned(_delete, "Only collection owners can delete collections"), methods=["DELETE"]),
    Route(f"{_PATH}/toggle", _toggle, methods=["POST"]),
    Route(f"{_PATH}/reset", owned(_reset, "Only collection owners can reset collections"), methods=["POST"]),
    Route(f"{_PATH}/rows", _rows, methods=["GET"]),
    Route(f"{_PATH}/populate", _populate, methods=["POST"]),
    Route(f"{_PATH}/refresh", _refresh, methods=["POST"]),
    Route(f"{_PATH}/refresh-counts", signed_in(_refresh_counts), methods=["POST"]),
    Route(
        f"{_PATH}/export", owned(_export, "Only collection owners can export collections", unknown=_NOT_FOUND), methods=["GET"]
    ),
    Route(f"{_PATH}/check-sessions", signed_in(_check_sessions), methods=["GET"]),
    Route("/api/v1/artifacts/collection/{collection_id:int}/relationships", signed_in(_relationships), methods=["GET"]),
]

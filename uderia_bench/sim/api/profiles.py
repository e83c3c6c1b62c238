"""Routes of profiles: list, create, change, delete, test, resources.

Source: docs/reference/protocol.md, "Profiles"; docs/reference/learning.md, "Changing a profile or a prompt".
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from uderia_bench.sim.agent import catalogue
from uderia_bench.sim.agent.profiles import Profile
from uderia_bench.sim.api import responses
from uderia_bench.sim.api.auth import signed_in, signed_in_user, state_of, user_of
from uderia_bench.sim.memory.collections import PLANNER
from uderia_bench.sim.profile_book import ProfileBook, RefusedError

_NO_FACTORY = "LLM connection failed: No module named 'trusted_data_agent.llm.llm_factory'"


def book_of(request: Request) -> ProfileBook:
    """Return the profiles of the signed-in user, those of the administrator without a token."""
    return state_of(request).book(user_of(request))


async def _list(request: Request) -> Response:
    """List the profiles. Without a valid token the list has no default profile."""
    book = book_of(request)
    default = book.default if user_of(request) is not None else None
    body = {
        "active_for_consumption_profile_ids": [] if default is None else [default.id],
        "default_profile_id": None if default is None else default.id,
        "profiles": [profile.document for profile in book],
        "status": "success",
    }
    return responses.json(body)


async def _default(request: Request) -> Response:
    default = book_of(request).default
    shown = None if default is None else {
        "classification": None,
        "id": default.id,
        "llmConfigurationId": default.document.get("llmConfigurationId"),
        "mcpServerId": default.document.get("mcpServerId"),
        "name": default.name,
        "tag": default.tag,
    }  # fmt: skip
    return responses.json({"default_profile": shown, "status": "success"})


async def _create(request: Request) -> Response:
    body = await responses.lenient_json(request)
    if not isinstance(body, dict):
        return responses.failure(500, "Failed to create profile")
    try:
        profile = book_of(request).create(body)
    except RefusedError as refusal:
        return responses.failure(refusal.status, str(refusal))
    return responses.created("Profile created successfully", profile=profile.document)


async def _update(request: Request) -> Response:
    body = await responses.lenient_json(request)
    if not isinstance(body, dict):
        return responses.failure(500, "Failed to update profile")
    try:
        book_of(request).update(request.path_params["profile_id"], body)
    except RefusedError as refusal:
        return responses.failure(refusal.status, str(refusal))
    return responses.success("Profile updated successfully")


async def _delete(request: Request) -> Response:
    """Delete a profile and archive every session that used it."""
    state, user = state_of(request), signed_in_user(request)
    profile = book_of(request).get(request.path_params["profile_id"])
    try:
        book_of(request).delete(request.path_params["profile_id"])
    except RefusedError as refusal:
        return responses.failure(refusal.status, str(refusal))
    archived = [
        session
        for session in state.sessions.values()
        if profile is not None
        and session.user_uuid == user.uuid
        and session.archived is None
        and (session.profile_id == profile.id or profile.tag in session.profile_tags_used)
    ]
    for session in archived:
        session.archive("profile deleted", state.clock.stamp())
    body = {
        "archived_session_ids": [session.id for session in archived],
        "genie_children_archived": sum(session.parent is not None for session in archived),
        "sessions_archived": len(archived),
    }
    return responses.success("Profile deleted successfully", **body)


def _of_profile(handler: Any) -> Any:
    """Return a handler that gets the profile of the path, and answers 404 for an unknown one."""

    async def checked(request: Request) -> Response:
        profile = book_of(request).get(request.path_params["profile_id"])
        if profile is None:
            return responses.failure(404, "Profile not found")
        response: Response = await handler(request, profile)
        return response

    return signed_in(checked)


async def _test(request: Request, profile: Profile) -> Response:
    planner = sum(here.kind == PLANNER for here in state_of(request).collections)
    llm = f"LLM connection successful ({profile.llm.provider} {profile.llm.model})."
    if profile.llm_found:
        connection = {"message": llm, "status": "success"}
    else:
        connection = {"message": "LLM configuration for profile not found.", "status": "error"}
    results = {
        "llm_connection": connection,
        "mcp_connection": {"message": f"MCP server configured: {catalogue.MCP_NAME}.", "status": "success"},
        "rag_collections": {"message": f"Intelligence collections available ({planner} planner).", "status": "success"},
    }
    return responses.json({"results": results, "status": "success"})


async def _activate(request: Request, _: Profile) -> Response:
    """Refuse, as the real server always does: a module of it is missing."""
    count = sum(here.kind == PLANNER for here in state_of(request).collections)
    results = {
        "llm": {"message": _NO_FACTORY, "status": "error"},
        "mcp_server": {"message": f"MCP server configured: {catalogue.MCP_NAME}", "status": "success"},
        "rag_collections": {"message": f"RAG collections available ({count} collection(s)).", "status": "success"},
    }
    return responses.failure(400, "Profile tests failed. Cannot activate profile.", test_results=results)


async def _set_default(request: Request, profile: Profile) -> Response:
    book_of(request).default_id = profile.id
    return responses.success("Default profile updated successfully")


async def _resources(_: Request, profile: Profile) -> Response:
    body = {
        "connectors": {},
        "profile_name": profile.name,
        "profile_tag": profile.tag,
        "profile_type": profile.profile_type,
        "prompts": catalogue.prompts(),
        "status": "success",
        "tools": catalogue.tools_of(profile),
    }
    return responses.json(body)


_PATH = "/api/v1/profiles/{profile_id}"
ROUTES = [
    Route("/api/v1/profiles", _list, methods=["GET"]),
    Route("/api/v1/profiles", signed_in(_create), methods=["POST"]),
    Route("/api/v1/profiles/default", _default, methods=["GET"]),
    Route(_PATH, signed_in(_update), methods=["PUT"]),
    Route(_PATH, signed_in(_delete), methods=["DELETE"]),
    Route(f"{_PATH}/test", _of_profile(_test), methods=["POST"]),
    Route(f"{_PATH}/activate", _of_profile(_activate), methods=["POST"]),
    Route(f"{_PATH}/set_default", _of_profile(_set_default), methods=["POST"]),
    Route(f"{_PATH}/resources", _of_profile(_resources), methods=["GET"]),
]

"""Routes of sessions: create, list, read, rename, archive, and the consumption of turns.

Source: docs/reference/protocol.md, "Creating a session" and "Costs".
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from uderia_bench.sim.agent.profiles import SESSION_PRIMER, Profile
from uderia_bench.sim.api import responses, windows
from uderia_bench.sim.api.auth import signed_in, state_of, user_of
from uderia_bench.sim.engines.intake import open_session
from uderia_bench.sim.profile_book import ProfileBook
from uderia_bench.sim.sessions import Session

_NO_DEFAULT = "No default profile configured for this user. Please configure and set a default profile first."
_FAILED = "Failed to create session."


def session_of(request: Request) -> Session | None:
    """Return the session of the path, None if it is unknown or belongs to another user."""
    session = state_of(request).sessions.get(request.path_params["session_id"])
    return session if session is not None and session.user_uuid == user_of(request) else None


def _profile(book: ProfileBook, wanted: Any) -> Profile | Response:
    """Return the profile of a new session, or the refusal."""
    profile = book.get(wanted)
    if wanted and profile is None:
        return responses.error(400, "Profile not found. Please configure a profile first.")
    profile = profile or book.default
    if profile is None:
        return responses.error(400, _NO_DEFAULT)
    return profile if profile.llm_found else responses.error(503, "LLM configuration for profile not found.")


async def _create(request: Request) -> Response:
    state, user = state_of(request), user_of(request)
    if user is None:
        return responses.error(401, "Authentication required")
    try:
        body = await responses.read_json(request)
    except responses.MalformedJsonError:
        return responses.error(500, _FAILED)
    if body is not None and not isinstance(body, dict):
        return responses.error(500, _FAILED)
    profile = _profile(state.book(user), (body or {}).get("profile_id"))
    if isinstance(profile, Response):
        return profile
    session = await open_session(state, user, profile)
    return responses.json({"session_id": session.id, "session_primer": SESSION_PRIMER}, 201)


async def _list(request: Request) -> Response:
    state, user = state_of(request), user_of(request)
    limit, offset = responses.number(request, "limit", 100), responses.number(request, "offset", 0)
    mine = [session for session in reversed(state.sessions.values()) if session.user_uuid == user]
    shown = [session.listing() for session in mine[offset : offset + limit]]
    return responses.json({"limit": limit, "offset": offset, "sessions": shown, "total": len(mine)})


async def _details(request: Request) -> Response:
    session = session_of(request)
    if session is None:
        return responses.error(404, "Session not found")
    return responses.json(session.details(state_of(request).collections.cases_of(session.id)))


async def _archive(request: Request) -> Response:
    session = session_of(request)
    if session is None:
        return responses.error(404, "Session not found")
    if session.archived is not None:
        return responses.failure(400, "Session is already archived")
    reason = _text(await responses.lenient_json(request), "archived_reason")
    session.archive(reason, state_of(request).clock.stamp())
    body = {
        "archived_reason": reason,
        "message": "Session archived successfully",
        "session_id": session.id,
        "status": "success",
    }
    return responses.json(body)


async def _delete(request: Request) -> Response:
    """Archive a session and its children, as the real server does."""
    state, session = state_of(request), session_of(request)
    if session is None:
        return responses.failure(500, "Failed to archive session file on the server.")
    children = [other for other in state.sessions.values() if other.parent and other.parent.session_id == session.id]
    for archived in (session, *children):
        archived.archive("deleted by user", state.clock.stamp())
    return responses.success("Session archived successfully.", deleted_children=[child.id for child in children])


async def _rename(request: Request) -> Response:
    session = session_of(request)
    if session is None:
        return responses.error(404, "Session not found")
    name = _text(await responses.lenient_json(request), "newName")
    if not name:
        return responses.json({"message": "New name is required.", "status": "error"}, 400)
    session.name = name
    return responses.json({"message": "Session renamed successfully.", "status": "success"})


async def _toggle_validity(request: Request) -> Response:
    """Take a turn out of later prompts, or put it back."""
    session, number = session_of(request), request.path_params["number"]
    if session is None or not session.toggle_turn(number):
        return responses.error(404, "Turn not found")
    return responses.success(f"Turn {number} validity toggled.")


async def _purge(request: Request) -> Response:
    session = session_of(request)
    if session is None:
        return responses.error(404, "Session not found")
    session.purge()
    return responses.success("Agent memory purged.")


async def _context_analytics(request: Request) -> Response:
    session = session_of(request)
    if session is None:
        return responses.error(404, "Session not found")
    return responses.json(windows.analytics(session))


async def _consumption(request: Request) -> Response:
    state, user = state_of(request), user_of(request)
    limit, offset = responses.number(request, "limit", 50), responses.number(request, "offset", 0)
    wanted = request.query_params.get("session_id")
    rows = [row for row in reversed(state.turns) if row["user_id"] == user and wanted in (None, row["session_id"])]
    return responses.json({"limit": limit, "offset": offset, "total_count": len(rows), "turns": rows[offset : offset + limit]})


def _text(body: Any, key: str) -> str | None:
    value = body.get(key) if isinstance(body, dict) else None
    return value if isinstance(value, str) else None


ROUTES = [
    Route("/api/v1/sessions", _create, methods=["POST"]),
    Route("/api/v1/sessions", _list, methods=["GET"]),
    Route("/api/v1/sessions/{session_id}/details", _details, methods=["GET"]),
    Route("/api/v1/sessions/{session_id}/context-analytics", signed_in(_context_analytics), methods=["GET"]),
    Route("/api/session/{session_id}/turn/{number:int}/toggle_validity", signed_in(_toggle_validity), methods=["POST"]),
    Route("/api/session/{session_id}/purge_memory", signed_in(_purge), methods=["POST"]),
    Route("/api/v1/sessions/{session_id}/archive", signed_in(_archive), methods=["PUT"]),
    Route("/api/session/{session_id}", signed_in(_delete), methods=["DELETE"]),
    Route("/api/session/{session_id}/rename", signed_in(_rename), methods=["POST"]),
    Route("/api/v1/consumption/turns", _consumption, methods=["GET"]),
]

"""OpenAPI description of the embedded server, for fuzzing and for clients.

It lists requests, statuses and content types, including the 500s and HTML pages of the real server.
Bodies of responses are described by their content type only; the recordings of a real server show
the rest.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_JSON: Json = {"application/json": {"schema": {}}}
_PAGE: Json = {"text/html": {"schema": _TEXT}}
_SSE: Json = {"text/event-stream": {"schema": _TEXT}}
_ANYTHING: Json = {**_JSON, **_PAGE}


def _parameter(name: str, where: str, schema: Json) -> Json:
    return {"in": where, "name": name, "required": where == "path", "schema": schema}


_SESSION = _parameter("session_id", "path", _TEXT)
_TASK = _parameter("task_id", "path", _TEXT)
_TURN = _parameter("number", "path", {"type": "integer", "minimum": 0})
_TOKEN = _parameter("token_id", "path", _TEXT)
_PAGING = [_parameter(name, "query", {"type": "integer", "minimum": 0}) for name in ("limit", "offset")]
_QUERY: Json = {
    "type": "object",
    "required": ["prompt"],
    "properties": {
        "attachments": {"type": "array", "items": {"type": "object"}},
        "canvas_context": {"type": "object"},
        "extensions": {"type": "array", "items": {"type": "object"}},
        "is_session_primer": {"type": "boolean"},
        "profile_id": {"type": ["string", "null"]},
        "prompt": _TEXT,
        "prompt_arguments": {"type": "object"},
        "prompt_name": _TEXT,
        "skills": {"type": "array", "items": {"type": "object"}},
    },
}


def _object(*required: str, **properties: Json) -> Json:
    return {"type": "object", "required": list(required), "properties": properties}


def _operation(
    summary: str, statuses: str, *parameters: Json, body: Json | None = None, content: Json = _ANYTHING, open_: bool = False
) -> Json:
    """Return an operation. ``statuses`` are separated by spaces; ``open_`` needs no token."""
    operation: Json = {
        "parameters": list(parameters),
        "responses": {status: {"content": content, "description": summary} for status in statuses.split()},
        "security": [] if open_ else [{"bearer": []}],
        "summary": summary,
    }
    if body is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": body}}}
    return operation


PATHS: dict[str, Json] = {
    "/api/v1/auth/login": {
        "post": _operation(
            "Sign in",
            "200 400 401 429 500",
            body=_object("username", "password", username=_TEXT, password=_TEXT),
            open_=True,
        )
    },
    "/api/v1/auth/logout": {"post": _operation("Revoke the token", "200 401")},
    "/api/v1/auth/refresh": {"post": _operation("Replace the token", "200 401")},
    "/api/v1/auth/me": {"get": _operation("Show the user of the token", "200 401")},
    "/api/v1/auth/tokens": {
        "get": _operation("List access tokens", "200 401"),
        "post": _operation(
            "Create an access token",
            "201 400 401",
            body=_object("name", name=_TEXT, expires_in_days={"type": "integer", "minimum": 1}),
        ),
    },
    "/api/v1/auth/tokens/{token_id}": {"delete": _operation("Revoke an access token", "200 401 404", _TOKEN)},
    "/api/v1/auth/user/quota-status": {"get": _operation("Show the quotas and their use", "200 401")},
    "/api/v1/profiles": {"get": _operation("List the profiles", "200")},
    "/api/v1/llm/configurations": {"get": _operation("List the LLM configurations", "200")},
    "/api/v1/costs/models": {
        "get": _operation("List prices", "200 401", _parameter("include_fallback", "query", {"type": "boolean"}))
    },
    "/api/v1/consumption/turns": {
        "get": _operation("List the consumption of turns", "200", _parameter("session_id", "query", _TEXT), *_PAGING)
    },
    "/api/v1/sessions": {
        "get": _operation("List sessions", "200", *_PAGING),
        "post": _operation("Create a session", "201 400 401 500", body=_object(profile_id={"type": ["string", "null"]})),
    },
    "/api/v1/sessions/{session_id}/details": {"get": _operation("Read a session file", "200 404", _SESSION)},
    "/api/v1/sessions/{session_id}/archive": {
        "put": _operation("Archive a session", "200 400 401 404", _SESSION, body=_object(archived_reason=_TEXT))
    },
    "/api/v1/sessions/{session_id}/query": {"post": _operation("Ask", "202 400 404 500", _SESSION, body=_QUERY)},
    "/api/v1/sessions/{session_id}/genie-query": {
        "post": _operation("Ask a coordinator", "202 400 401 404 500", _SESSION, body=_object("prompt", prompt=_TEXT))
    },
    "/api/session/{session_id}": {"delete": _operation("Archive a session and its children", "200 401 404", _SESSION)},
    "/api/session/{session_id}/rename": {
        "post": _operation("Rename a session", "200 400 401 404", _SESSION, body=_object("newName", newName=_TEXT))
    },
    "/api/session/{session_id}/turn/{number}/details": {"get": _operation("Read a turn", "200 401 404", _SESSION, _TURN)},
    "/api/session/{session_id}/turn/{number}/plan": {"get": _operation("Read a turn's plan", "200 401 404", _SESSION, _TURN)},
    "/api/session/{session_id}/turn/{number}/query": {"get": _operation("Read a turn's query", "200 401 404", _SESSION, _TURN)},
    "/api/v1/tasks/{task_id}": {"get": _operation("Follow a task", "200 403 404 500", _TASK)},
    "/api/v1/tasks/{task_id}/cancel": {"post": _operation("Stop a task", "200 403 404", _TASK)},
    "/api/notifications/subscribe": {
        "get": _operation(
            "Listen to what happens",
            "200 400",
            _parameter("user_uuid", "query", _TEXT),
            content={**_ANYTHING, **_SSE},
            open_=True,
        )
    },
    "/sim/truth": {"get": _operation("True values of each task", "200", open_=True)},
    "/sim/faults": {"get": _operation("Counts of planted faults", "200", open_=True)},
    "/sim/restart": {"post": _operation("Forget the tasks", "200", open_=True)},
    "/sim/openapi.json": {"get": _operation("This description", "200", open_=True)},
}
DOCUMENT: Json = {
    "components": {"securitySchemes": {"bearer": {"scheme": "bearer", "type": "http"}}},
    "info": {"title": "The embedded Uderia of uderia-bench", "version": "1"},
    "openapi": "3.1.0",
    "paths": PATHS,
}

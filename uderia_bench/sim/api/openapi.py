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
_RESTART = [_parameter(name, "query", {"type": "number", "minimum": 0}) for name in ("shutdown", "away")]
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


_KINDS: dict[str, Json] = {name: {"type": "integer", "minimum": 0} for name in ("number", "collection_id")}
_COLLECTION = _object(
    "name",
    name=_TEXT,
    mcp_server_id=_TEXT,
    repository_type={"type": "string", "enum": ["planner", "knowledge"]},
    description=_TEXT,
    search_mode={"type": "string", "enum": ["semantic", "keyword", "hybrid"]},
)
_EXAMPLES: Json = {
    "type": "array",
    "items": _object("user_query", "sql_statement", user_query=_TEXT, sql_statement=_TEXT),
}
_PROFILE = _object(
    "tag",
    tag=_TEXT,
    name=_TEXT,
    profile_type=_TEXT,
    llmConfigurationId=_TEXT,
    tools={"type": "array", "items": _TEXT},
    ragCollections={"type": "array", "items": {"type": "integer"}},
    knowledgeConfig={"type": "object"},
    dualModelConfig={"type": ["object", "null"]},
    skillsConfig={"type": "object"},
    genieConfig={"type": "object"},
    componentConfig={"type": "object"},
)
_MAPPING = _object("category", "subcategory", category=_TEXT, subcategory=_TEXT, prompt_name=_TEXT)
_RAG = "/api/v1/rag/collections/{collection_id}"
_PROMPT = "/api/v1/system-prompts/{name}"
_MAPPINGS = "/api/v1/system-prompts/profiles/{profile_id}/mappings"
_DOCUMENTS = "/api/v1/knowledge/repositories/{collection_id}"
_PROFILES = "/api/v1/profiles/{profile_id}"
_MARKET = "/api/v1/marketplace/collections"
_WINDOWS = "/api/v1/context-window-types"
# Method, path, summary, statuses, and the schema of the body. Statuses that start with + need no token.
_TABLE: tuple[tuple[str, str, str, str, Json | None], ...] = (
    ("get", "/api/v1/rag/collections", "List collections", "+200", None),
    ("post", "/api/v1/rag/collections", "Create a collection", "201 400 401 500", _COLLECTION),
    ("post", "/api/v1/rag/collections/import", "Import a collection", "200 400 401", None),
    ("post", "/api/v1/rag/reload-collections", "Reload the collections", "200 401", None),
    ("get", _RAG, "Read a collection", "200 401 404 500", None),
    ("put", _RAG, "Change a collection", "200 400 401 403 404 500", _COLLECTION),
    ("delete", _RAG, "Delete a collection", "200 400 401 403", None),
    (
        "post",
        f"{_RAG}/toggle",
        "Switch a collection on or off",
        "+200 400 404",
        _object("enabled", enabled={"type": "boolean"}),
    ),
    ("post", f"{_RAG}/reset", "Remove all cases", "200 401 403", _object()),
    ("get", f"{_RAG}/rows", "List the cases", "+200 404", None),
    (
        "post",
        f"{_RAG}/populate",
        "Add cases of a template",
        "+200 400 404",
        _object("examples", examples=_EXAMPLES, template_type=_TEXT),
    ),
    ("post", f"{_RAG}/refresh", "Rebuild the index", "+202 400 404", None),
    ("post", f"{_RAG}/refresh-counts", "Count the cases", "200 401 404", None),
    ("get", f"{_RAG}/export", "Export a collection as a zip archive", "200 401 403 404", None),
    ("get", f"{_RAG}/check-sessions", "Count the sessions of a collection", "200 401 404", None),
    ("post", f"{_RAG}/publish", "Publish a collection", "200 400 401 403", _object(visibility=_TEXT)),
    ("post", f"{_RAG}/unpublish", "Make a collection private", "200 401 403", None),
    (
        "get",
        "/api/v1/artifacts/collection/{collection_id}/relationships",
        "Show the users of a collection",
        "200 401 404",
        None,
    ),
    ("get", _MARKET, "List public collections", "+200", None),
    ("post", f"{_MARKET}/{{collection_id}}/subscribe", "Subscribe", "201 400 401 403 404", _object()),
    ("post", f"{_MARKET}/{{collection_id}}/fork", "Copy a collection", "201 400 401 403 404", _object("name", name=_TEXT)),
    ("delete", "/api/v1/marketplace/subscriptions/{subscription_id}", "Unsubscribe", "200 401 404", None),
    ("get", "/rag/cases/{case_id}", "Read a case", "200 401 403 404", None),
    (
        "post",
        "/api/v1/rag/cases/{case_id}/feedback",
        "Set a feedback score",
        "+200 400 404",
        _object("feedback_score", feedback_score={"type": "integer"}),
    ),
    ("post", "/api/rag/cases/{case_id}/feedback", "Vote on a case", "200 400 401 403 404", _object("vote", vote=_TEXT)),
    (
        "post",
        "/api/session/{session_id}/turn/{number}/feedback",
        "Vote on a turn",
        "200 400 401 404",
        _object("vote", vote=_TEXT),
    ),
    ("post", "/api/session/{session_id}/turn/{number}/toggle_validity", "Take a turn out of the context", "200 401 404", None),
    ("post", "/api/session/{session_id}/purge_memory", "Clear the context", "200 401 404", None),
    ("get", "/api/v1/sessions/{session_id}/context-analytics", "Analyse the context window", "200 401 404", None),
    ("get", "/api/v1/sessions/analytics", "Analyse the sessions", "200 401", None),
    ("post", f"{_DOCUMENTS}/documents", "Upload a document", "200 400 401 403 404", None),
    ("get", f"{_DOCUMENTS}/documents", "List documents", "200 401 404", None),
    ("delete", f"{_DOCUMENTS}/documents/{{document_id}}", "Delete a document", "200 401 403 404", None),
    (
        "post",
        f"{_DOCUMENTS}/search",
        "Search documents",
        "200 400 401 403 404",
        _object("query", query=_TEXT, k={"type": "integer"}),
    ),
    ("get", "/api/v1/knowledge/collections/{collection_id}/chunks", "List chunks", "200 401 404", None),
    ("post", "/api/v1/profiles", "Create a profile", "201 400 401 500", _PROFILE),
    ("get", "/api/v1/profiles/default", "Show the default profile", "+200", None),
    ("put", _PROFILES, "Change fields of a profile", "200 400 401 404 500", _PROFILE),
    ("delete", _PROFILES, "Delete a profile and archive its sessions", "200 400 401 404", None),
    ("post", f"{_PROFILES}/test", "Test a profile", "200 401 404", _object()),
    ("post", f"{_PROFILES}/activate", "Activate a profile, which always fails", "400 401 404", _object()),
    ("post", f"{_PROFILES}/set_default", "Make a profile the default", "200 401 404", None),
    ("get", f"{_PROFILES}/resources", "List tools and prompts of a profile", "200 401 404", None),
    ("get", _MAPPINGS, "Show the prompts of a profile", "200 401", None),
    ("post", _MAPPINGS, "Map prompts to a profile", "200 400 401 500", _MAPPING),
    ("delete", _MAPPINGS, "Delete mappings", "200 401", None),
    ("get", "/api/v1/system-prompts/list", "List system prompts", "200 401", None),
    ("get", "/api/v1/system-prompts/available", "List prompts by category", "200 401", None),
    ("get", _PROMPT, "Read a prompt", "200 401 404", None),
    ("put", _PROMPT, "Write a prompt, which the licence refuses", "401 403", _object("content", content=_TEXT)),
    ("delete", _PROMPT, "Delete an override, which the licence refuses", "401 403", None),
    ("get", f"{_PROMPT}/versions", "List versions of a prompt", "200 401 404", None),
    ("post", f"{_PROMPT}/duplicate", "Copy a prompt, which the licence refuses", "401 403", _object(new_name=_TEXT)),
    ("delete", f"{_PROMPT}/delete", "Delete a prompt, which the licence refuses", "401 403", None),
    (
        "put",
        f"{_PROMPT}/parameters/{{parameter}}",
        "Set a parameter, which the licence refuses",
        "401 403",
        _object(value=_TEXT),
    ),
    ("delete", f"{_PROMPT}/parameters/{{parameter}}", "Reset a parameter, which the licence refuses", "401 403", None),
    ("get", "/api/v1/skills", "List skills", "200 401", None),
    ("put", "/api/v1/skills/{skill_id}", "Write a skill", "200 400 401", _object("content", content=_TEXT)),
    ("delete", "/api/v1/skills/{skill_id}", "Delete a skill", "200 401 404", None),
    ("get", _WINDOWS, "List context-window types", "200 401", None),
    (
        "post",
        _WINDOWS,
        "Create a context-window type",
        "201 400 401",
        _object("name", "modules", name=_TEXT, modules={"type": "object"}),
    ),
    ("delete", f"{_WINDOWS}/{{window_id}}", "Delete a context-window type", "200 400 401 404", None),
    ("get", "/api/status", "Show the status of the server", "+200", None),
    ("get", "/app-config", "Show the public configuration", "+200", None),
    ("get", "/api/prompts-version", "Show the version of the prompts", "+200", None),
    ("get", "/tools", "List all tools and switch the process context", "+200", None),
    ("get", "/prompts", "List all prompts and switch the process context", "+200", None),
    ("get", "/api/questions", "Find stored questions", "200 401", None),
    ("get", "/api/v1/mcp/servers", "List tool servers", "200 401", None),
    ("get", "/api/v1/scheduler/status", "Show the scheduler", "200 401", None),
    ("get", "/api/v1/consumption/summary", "Summarise the user's consumption", "200 401", None),
    ("get", "/api/v1/consumption/history", "List earlier months", "200 401", None),
    ("get", "/api/v1/consumption/users", "List the consumption of all users", "200 401 403", None),
    ("get", "/api/v1/consumption/system-summary", "Summarise all consumption", "200 401 403", None),
    ("get", "/api/v1/costs/analytics", "Analyse costs", "200 401 403", None),
    ("get", "/api/v1/admin/app-config", "Read the configuration", "200 401 403", None),
    (
        "post",
        "/api/v1/admin/app-config",
        "Change the configuration",
        "200 400 401 403",
        _object(rag_enabled={"type": "boolean"}, rag_config=_object(num_examples={"type": "integer"})),
    ),
    ("get", "/api/v1/admin/expert-settings", "Read expert settings", "200 401 403", None),
    ("get", "/api/v1/admin/knowledge-global-settings", "Read knowledge settings", "200 401 403", None),
    ("get", "/api/v1/admin/stats", "Count users", "200 401 403", None),
)


def _described(path: str, summary: str, statuses: str, body: Json | None) -> Json:
    names = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
    parameters = [_parameter(name, "path", _KINDS.get(name, _TEXT)) for name in names]
    content = {**_ANYTHING, "application/zip": {"schema": _TEXT}} if path.endswith("/export") else _ANYTHING
    return _operation(summary, statuses.lstrip("+"), *parameters, body=body, content=content, open_=statuses.startswith("+"))


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
        "post": _operation("Create a session", "201 400 401 500 503", body=_object(profile_id={"type": ["string", "null"]})),
    },
    "/api/v1/sessions/{session_id}/details": {"get": _operation("Read a session file", "200 404", _SESSION)},
    "/api/v1/sessions/{session_id}/archive": {
        "put": _operation("Archive a session", "200 400 401 404", _SESSION, body=_object(archived_reason=_TEXT))
    },
    "/api/v1/sessions/{session_id}/query": {"post": _operation("Ask", "202 400 404 500", _SESSION, body=_QUERY)},
    "/api/v1/sessions/{session_id}/genie-query": {
        "post": _operation("Ask a coordinator", "202 400 401 404 500", _SESSION, body=_object("prompt", prompt=_TEXT))
    },
    "/api/session/{session_id}": {"delete": _operation("Archive a session and its children", "200 401 500", _SESSION)},
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
    "/sim/restart": {"post": _operation("Restart", "200 400", *_RESTART, open_=True)},
    "/sim/openapi.json": {"get": _operation("This description", "200", open_=True)},
}
for _method, _path, _summary, _statuses, _body in _TABLE:
    PATHS.setdefault(_path, {})[_method] = _described(_path, _summary, _statuses, _body)
DOCUMENT: Json = {
    "components": {"securitySchemes": {"bearer": {"scheme": "bearer", "type": "http"}}},
    "info": {"title": "The embedded Uderia of uderia-bench", "version": "1"},
    "openapi": "3.1.0",
    "paths": PATHS,
}

"""Routes of system prompts, their mappings, and skills.

Source: docs/reference/learning.md, "Changing a profile or a prompt".
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from uderia_bench.sim.agent import prompts, skills
from uderia_bench.sim.api import responses
from uderia_bench.sim.api.auth import signed_in, signed_in_user, state_of
from uderia_bench.sim.api.collections import read_object


def _done(**body: Any) -> Response:
    return responses.json({"success": True, **body})


def _refused(status: int, message: str) -> Response:
    return responses.json({"message": message, "success": False}, status)


async def _list(_: Request) -> Response:
    listed = [prompt.listing() for prompt in prompts.PROMPTS]
    return _done(prompts=listed, total_count=len(listed))


async def _available(_: Request) -> Response:
    defaults = {category: names for category, names in prompts.DEFAULTS.items() if names}
    return _done(categories=prompts.available(), defaults=defaults, total_prompts=len(prompts.PROMPTS))


async def _read(request: Request) -> Response:
    prompt = prompts.BY_NAME.get(request.path_params["name"])
    if prompt is None:
        return _refused(404, "Prompt not found")
    shown = {"content": prompt.content, "is_override": False, "is_version_active": True, "metadata": prompt.metadata()}
    return _done(prompt_name=prompt.name, **shown)


async def _versions(request: Request) -> Response:
    prompt = prompts.BY_NAME.get(request.path_params["name"])
    if prompt is None:
        return _refused(404, "Prompt not found")
    version = {
        "author_display": "system",
        "change_reason": "Base prompt",
        "changed_by": "system",
        "content_length": len(prompt.content),
        "created_at": "2026-05-04 00:00:00",
        "id": prompt.number,
        "is_active": True,
        "version": 1,
    }
    return _done(active_version_id=None, current_version=1, prompt_name=prompt.name, total_versions=1, versions=[version])


async def _write(_: Request) -> Response:
    """Refuse every write of a prompt, as the shipped licence does."""
    return _refused(403, prompts.NEEDED_TIER)


async def _mappings(request: Request) -> Response:
    profile_id = request.path_params["profile_id"]
    mappings = prompts.mapped(profile_id, state_of(request).switches.mappings)
    shown = {category: names for category, names in mappings.items() if category != "rag_focused_execution"}
    return _done(mappings=shown, profile_id=profile_id)


async def _map(request: Request) -> Response:
    """Map prompts to a profile. Unknown prompt names are accepted."""
    if not signed_in_user(request).is_admin:
        return _refused(500, "no such table: user_profiles")
    body = await read_object(request) or {}
    entries = body.get("mappings", [body])
    if not isinstance(entries, list) or not all(_is_mapping(entry) for entry in entries):
        return _refused(400, "category, subcategory and prompt_name are required")
    mappings, profile_id = state_of(request).switches.mappings, request.path_params["profile_id"]
    results = []
    for entry in entries:
        key = (profile_id, entry["category"], entry["subcategory"])
        action = "delete" if entry.get("action") == "delete" else "set"
        if action == "delete":
            mappings.pop(key, None)
        else:
            mappings[key] = entry["prompt_name"]
        shown = {"category": entry["category"], "subcategory": entry["subcategory"]}
        results.append({"action": action, "status": "success", **shown})
    return _done(message=f"Set {len(results)}/{len(results)} mapping(s)", results=results)


def _is_mapping(entry: Any) -> bool:
    names = ["category", "subcategory"]
    if isinstance(entry, dict) and entry.get("action") != "delete":
        names.append("prompt_name")
    return isinstance(entry, dict) and all(isinstance(entry.get(name), str) for name in names)


async def _unmap(request: Request) -> Response:
    mappings, profile_id = state_of(request).switches.mappings, request.path_params["profile_id"]
    category, name = (request.query_params.get(key) for key in ("category", "subcategory"))
    removed = [key for key in mappings if key[0] == profile_id and category in (None, key[1]) and name in (None, key[2])]
    for key in removed:
        del mappings[key]
    return _done(message=f"Deleted all {len(removed)} mapping(s) for profile")


async def _skills(request: Request) -> Response:
    known = skills.known(state_of(request).switches.skills)
    listed = [{"id": name, "name": name, "content_length": skill["content_length"]} for name, skill in known.items()]
    return responses.json({"skills": listed, "status": "success"})


async def _write_skill(request: Request) -> Response:
    """Write a skill for all users of the server."""
    body = await read_object(request) or {}
    if not isinstance(body.get("content"), str):
        return responses.failure(400, "content is required")
    state_of(request).switches.skills[request.path_params["skill_id"]] = body
    return responses.success("Skill saved successfully")


async def _delete_skill(request: Request) -> Response:
    if state_of(request).switches.skills.pop(request.path_params["skill_id"], None) is None:
        return responses.failure(404, "Skill not found")
    return responses.success("Skill deleted successfully")


_ROOT = "/api/v1/system-prompts"
_ONE = f"{_ROOT}/{{name}}"
_MAPPINGS = f"{_ROOT}/profiles/{{profile_id}}/mappings"
_SKILL = "/api/v1/skills/{skill_id}"
_OPEN = ((f"{_ROOT}/list", _list), (f"{_ROOT}/available", _available), (_ONE, _read), (f"{_ONE}/versions", _versions))
_WRITES = (
    (_ONE, "PUT"),
    (_ONE, "DELETE"),
    (f"{_ONE}/duplicate", "POST"),
    (f"{_ONE}/delete", "DELETE"),
    (f"{_ONE}/parameters/{{parameter}}", "PUT"),
    (f"{_ONE}/parameters/{{parameter}}", "DELETE"),
)
ROUTES = [
    Route(_MAPPINGS, signed_in(_mappings), methods=["GET"]),
    Route(_MAPPINGS, signed_in(_map), methods=["POST"]),
    Route(_MAPPINGS, signed_in(_unmap), methods=["DELETE"]),
    *(Route(path, signed_in(handler), methods=["GET"]) for path, handler in _OPEN),
    *(Route(path, signed_in(_write), methods=[method]) for path, method in _WRITES),
    Route("/api/v1/skills", signed_in(_skills), methods=["GET"]),
    Route(_SKILL, signed_in(_write_skill), methods=["PUT"]),
    Route(_SKILL, signed_in(_delete_skill), methods=["DELETE"]),
]

"""Calls that read and change a user's profiles, with their skills and prompts, and collections of cases.

Sources: docs/reference/learning.md, "Collections" and "Changing a profile or a prompt".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uderia_bench.errors import Gone, NoAnswer, Refused
from uderia_bench.gateway.uderia import ID, Uderia
from uderia_bench.gateway.wire import Upload
from uderia_bench.printable import plain

_COLLECTIONS = "/api/v1/rag/collections"
_MAPPINGS = "/api/v1/system-prompts/profiles/{}/mappings"
_DENIED = 403
Json = dict[str, Any]


async def profile(uderia: Uderia, profile_id: str) -> Json | None:
    """Return a profile as the server lists it, None for an unknown one."""
    listed = (await uderia.profiles()).get("profiles")
    found = (one for one in _objects(listed) if one.get("id") == profile_id)
    return next(found, None)


async def create_profile(uderia: Uderia, document: Json) -> None:
    """Create a profile. Its document names the id, so that a repeated call makes no second one."""
    await uderia.send("POST", "/api/v1/profiles", "create profile", body=document, repeatable=False)


async def update_profile(uderia: Uderia, profile_id: str, fields: Json) -> None:
    """Replace top-level fields of a profile, from the next query on."""
    await uderia.send("PUT", f"/api/v1/profiles/{_id(profile_id)}", "change profile", body=fields)


async def delete_profile(uderia: Uderia, profile_id: str) -> None:
    """Delete a profile and archive its sessions. An unknown one is not an error."""
    try:
        await uderia.send("DELETE", f"/api/v1/profiles/{_id(profile_id)}", "delete profile")
    except Gone:
        return


async def write_skill(uderia: Uderia, skill_id: str, *, content: str, name: str) -> None:
    """Write a skill file, which every user of the server can see."""
    body = {"content": content, "manifest": {"name": name, "description": "Written by uderia-bench for the time of a run"}}
    await uderia.send("PUT", f"/api/v1/skills/{_id(skill_id)}", "write skill", body=body)


async def delete_skill(uderia: Uderia, skill_id: str) -> None:
    """Delete a skill file. An unknown one is not an error."""
    try:
        await uderia.send("DELETE", f"/api/v1/skills/{_id(skill_id)}", "delete skill")
    except Gone:
        return


async def map_prompts(uderia: Uderia, profile_id: str, prompts: Mapping[str, str]) -> None:
    """Let a profile use other shipped prompts, by category and subcategory."""
    places = ((*place.split("/"), name) for place, name in prompts.items())
    mappings = [{"category": category, "subcategory": part, "prompt_name": name} for category, part, name in places]
    await uderia.send("POST", _MAPPINGS.format(_id(profile_id)), "map prompts", body={"mappings": mappings})


async def unmap_prompts(uderia: Uderia, profile_id: str) -> None:
    """Let a profile use the default prompts again."""
    await uderia.send("DELETE", _MAPPINGS.format(_id(profile_id)), "unmap prompts")


async def listed(uderia: Uderia, path: str, key: str) -> Any:
    """Return one part of what the server lists, None where the user may not read it."""
    try:
        body = (await uderia.send("GET", path, key.replace("_", " "))).json()
    except (Gone, Refused):
        return None
    return body.get(key) if isinstance(body, dict) else None


async def collections(uderia: Uderia) -> list[Json]:
    """Return the collections that the user owns or has subscribed to."""
    reply = await uderia.send("GET", _COLLECTIONS, "collections")
    body = reply.json()
    if not isinstance(body, dict):
        raise NoAnswer("collections: the answer is not a JSON object", arrived=True)
    return [one for one in _objects(body.get("collections")) if isinstance(one.get("id"), int)]


async def count_cases(uderia: Uderia, collection_id: int) -> int:
    """Return the number of cases in a collection that is switched on."""
    body = (await uderia.send("GET", f"{_COLLECTIONS}/{collection_id}/rows?limit=1&light=true", "cases")).json()
    total = body.get("total") if isinstance(body, dict) else None
    if not isinstance(total, int):
        raise NoAnswer("cases: the answer has no total", arrived=True)
    return total


async def switch_collection(uderia: Uderia, collection_id: int, *, on: bool) -> None:
    """Switch a collection on or off. A collection that is off is neither read nor written."""
    await uderia.send("POST", f"{_COLLECTIONS}/{collection_id}/toggle", "switch collection", body={"enabled": on})


async def reset_collection(uderia: Uderia, collection_id: int) -> None:
    """Remove all cases of a collection."""
    await uderia.send("POST", f"{_COLLECTIONS}/{collection_id}/reset", "reset collection", body={})


async def export_collection(uderia: Uderia, collection_id: int) -> bytes:
    """Return a collection as the server's zip archive."""
    return (await uderia.send("GET", f"{_COLLECTIONS}/{collection_id}/export", "export collection")).body


async def import_collection(uderia: Uderia, archive: bytes, mcp_server_id: str) -> int:
    """Create a collection from an archive and return its id. Its cases name the old collection."""
    form = Upload(name="collection.zip", content=archive, fields={"mcp_server_id": mcp_server_id})
    reply = await uderia.send("POST", f"{_COLLECTIONS}/import", "import collection", body=form, repeatable=False)
    body = reply.json()
    made = body.get("collection_id") if isinstance(body, dict) else None
    if not isinstance(made, int):
        raise NoAnswer("import collection: the answer names no collection_id", arrived=True)
    return made


async def delete_collection(uderia: Uderia, collection_id: int) -> None:
    """Delete a collection. An unknown one, which the server answers with 403, is not an error."""
    try:
        await uderia.send("DELETE", f"{_COLLECTIONS}/{collection_id}", "delete collection")
    except Refused as error:
        known = {one["id"] for one in await collections(uderia)}
        if error.status not in (_DENIED, 404) or collection_id in known:
            raise


def _id(value: str) -> str:
    """Return an id for a path; raises ``Refused`` for text that could name another route, as a foreign ledger may have."""
    if not ID.fullmatch(value):
        raise Refused(f"{plain(value)!r} is not an id of the server", status=400)
    return value


def _objects(listed: Any) -> list[Json]:
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []

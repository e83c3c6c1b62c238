"""Routes of context-window types: list, create, delete."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from uderia_bench.sim.api import responses
from uderia_bench.sim.api.auth import signed_in
from uderia_bench.sim.api.collections import read_object
from uderia_bench.sim.api.profiles import book_of
from uderia_bench.sim.state import new_id


async def _list(request: Request) -> Response:
    types = list(book_of(request).windows.values())
    return responses.json({"context_window_types": types, "status": "success"})


async def _create(request: Request) -> Response:
    body, windows = await read_object(request) or {}, book_of(request).windows
    name = body.get("name")
    if not isinstance(name, str) or not name or not isinstance(body.get("modules"), dict):
        return responses.failure(400, "name and modules are required")
    if any(window["name"] == name for window in windows.values()):
        return responses.failure(400, f"Context window type '{name}' already exists")
    made = {key: value for key, value in body.items() if key != "is_default"} | {"id": f"cwt-{new_id()}"}
    windows[made["id"]] = made
    return responses.created("Context window type created successfully", context_window_type=made)


async def _delete(request: Request) -> Response:
    book, window_id = book_of(request), request.path_params["window_id"]
    if window_id not in book.windows:
        return responses.failure(404, "Context window type not found")
    tags = book.using(window_id)
    if tags:
        message = f"Cannot delete context window type: {len(tags)} profile(s) assigned: {', '.join(tags)}"
        return responses.failure(400, message)
    if book.windows[window_id].get("is_default"):
        return responses.failure(400, "Cannot delete the default context window type")
    del book.windows[window_id]
    return responses.success("Context window type deleted successfully")


_PATH = "/api/v1/context-window-types"
ROUTES = [
    Route(_PATH, signed_in(_list), methods=["GET"]),
    Route(_PATH, signed_in(_create), methods=["POST"]),
    Route(f"{_PATH}/{{window_id}}", signed_in(_delete), methods=["DELETE"]),
]

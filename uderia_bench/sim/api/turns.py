"""Routes of a single turn: details, plan and query. All require a valid token.

Source: docs/reference/protocol.md, "Reading sessions".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from uderia_bench.sim.api import responses
from uderia_bench.sim.api.auth import Handler, signed_in
from uderia_bench.sim.api.sessions import session_of


def _of_turn(show: str) -> Handler:
    """Return the handler of one part of a turn."""

    async def handler(request: Request) -> Response:
        session = session_of(request)
        if session is None:
            return responses.error(404, "Session not found")
        turn = session.turn(request.path_params["number"])
        if turn is None:
            return responses.error(404, "Turn not found")
        return responses.json(_PARTS[show](turn))

    return signed_in(handler)


_PARTS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "details": lambda turn: turn,
    "plan": lambda turn: {"plan": turn.get("original_plan")},
    "query": lambda turn: {"query": turn["user_query"]},
}
_PATH = "/api/session/{session_id}/turn/{number:int}/"
ROUTES = [Route(_PATH + part, _of_turn(part), methods=["GET"]) for part in _PARTS]

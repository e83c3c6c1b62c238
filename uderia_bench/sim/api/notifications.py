"""Notification stream: server-sent events of a user, without a sign-in.

Source: docs/reference/protocol.md, "Push channels".
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from uderia_bench.sim.api import responses
from uderia_bench.sim.api.auth import state_of

_HEADERS = {"cache-control": "no-cache", "connection": "keep-alive"}


async def _subscribe(request: Request) -> Response:
    user = request.query_params.get("user_uuid")
    if not user:
        return responses.error(400, "user_uuid is required")
    stream = state_of(request).notifications.listen(user)
    return StreamingResponse(stream, media_type="text/event-stream", headers=_HEADERS)


ROUTES = [Route("/api/notifications/subscribe", _subscribe, methods=["GET"])]

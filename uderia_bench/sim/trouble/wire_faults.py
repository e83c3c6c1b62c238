"""Faults of the network: responses that are broken, wrong, late or missing.

They are entries of the scenario file like the other faults (faults.py). ``call`` limits one to
``login``, ``session``, ``query``, ``task``, ``cancel`` or ``details`` requests. The rate is per
request, and a request has at most one fault::

    faults:
      - {kind: reset_after, rate: 0.05, call: query}    # accepted, then a reset before the response
      - {kind: http_503, rate: 1, from: 30, until: 40}  # a proxy error for ten seconds

``factor`` is the number of extra megabytes of a ``huge`` response, the seconds before a
``stalled_body`` ends, and the seconds for which a server that is ``away`` refuses connections.

``GET /sim/faults`` counts the planted faults.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

from starlette.responses import Response

from uderia_bench.sim.agent.draw import stream
from uderia_bench.sim.api import responses
from uderia_bench.sim.guard import App, Message, Receive, Send
from uderia_bench.sim.state import State
from uderia_bench.sim.trouble import faults
from uderia_bench.sim.trouble.faults import Fault

RETRY_AFTER_S = 1
_LEAVING_S = 0.01
_CALLS = (
    ("login", "POST", re.compile(r"/api/v1/auth/login")),
    ("session", "POST", re.compile(r"/api/v1/sessions")),
    ("query", "POST", re.compile(r"/api/v1/sessions/[^/]+/query")),
    ("task", "GET", re.compile(r"/api/v1/tasks/[^/]+")),
    ("cancel", "POST", re.compile(r"/api/v1/tasks/[^/]+/cancel")),
    ("details", "GET", re.compile(r"/api/v1/sessions/[^/]+/details")),
)
_PAGE = "<!doctype html><title>Bad gateway</title><h1>The proxy has something to say</h1>"
_MEGABYTE = b" " * 2**20


class WireFaults:
    """The application with network faults."""

    def __init__(self, app: App, state: State) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, with a fault if one is drawn."""
        fault = self._drawn(scope) if scope["type"] == "http" else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        self._state.planted[fault.kind] += 1
        await self._play(fault, scope, receive, send)

    def _drawn(self, scope: Message) -> Fault | None:
        call = _call(scope["method"], scope["path"])
        if call is None:
            return None
        state = self._state
        state.calls[call] += 1
        for place, fault in enumerate(state.settings.faults):
            mine = fault.kind in faults.WIRE_KINDS and fault.call in (None, call) and fault.holds(state.seconds)
            if mine and stream(state.settings.seed, "wire", place, call, state.calls[call]).random() < fault.rate:
                return fault
        return None

    async def _play(self, fault: Fault, scope: Message, receive: Receive, send: Send) -> None:
        if fault.kind in _INSTEAD:
            await _INSTEAD[fault.kind](scope, receive, send)
        elif fault.kind == "reset":
            await _abort(send)
        elif fault.kind == "away":
            self._state.leave(fault.factor)
            await _abort(send)
        elif fault.kind == "token_expiry":
            self._state.accounts.expire()
            await self._app(scope, receive, send)
        elif fault.kind == "toggle":
            self._state.toggle_default_collection()
            await self._app(scope, receive, send)
        elif fault.kind == "restart":
            self._state.restart()
            await self._app(scope, receive, send)
        else:
            status, body = await self._response(scope, receive)
            await _CHANGED[fault.kind](status, body, fault, send)

    async def _response(self, scope: Message, receive: Receive) -> tuple[int, bytes]:
        """Let the application answer the request, and return its response without sending it."""
        status, parts = 0, list[bytes]()

        async def keep(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            parts.append(message.get("body", b""))

        await self._app(scope, receive, keep)
        return status, b"".join(parts)


def _call(method: str, path: str) -> str | None:
    return next((call for call, verb, pattern in _CALLS if verb == method and pattern.fullmatch(path)), None)


async def _abort(send: Send) -> None:
    """Abort the connection. In-process clients have none and get a ConnectionResetError."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("connection reset by a planted fault")
    await asyncio.sleep(_LEAVING_S)  # so that the data sent before arrives
    transport.abort()
    await asyncio.sleep(_LEAVING_S)  # until uvicorn notices; otherwise it sends a response


async def _begin(send: Send, status: int, length: int) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(length).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _whole(send: Send, status: int, body: bytes) -> None:
    await _begin(send, status, len(body))
    await send({"type": "http.response.body", "body": body})


async def _reset_after(_: int, __: bytes, ___: Fault, send: Send) -> None:
    await _abort(send)


async def _cut_off(status: int, body: bytes, _: Fault, send: Send) -> None:
    """Send half of the response, then abort the connection."""
    await _begin(send, status, len(body))
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    await _abort(send)


async def _stalls(status: int, body: bytes, fault: Fault, send: Send) -> None:
    """Send half of the response, wait ``factor`` seconds, then abort the connection."""
    await _begin(send, status, len(body))
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    await asyncio.sleep(fault.factor)
    await _abort(send)


async def _malformed(status: int, body: bytes, _: Fault, send: Send) -> None:
    await _whole(send, status, body[: len(body) // 2])


async def _huge(status: int, body: bytes, fault: Fault, send: Send) -> None:
    """Send ``factor`` megabytes of white space before the response, which JSON allows."""
    megabytes = int(fault.factor)
    await _begin(send, status, megabytes * len(_MEGABYTE) + len(body))
    for _ in range(megabytes):
        await send({"type": "http.response.body", "body": _MEGABYTE, "more_body": True})
    await send({"type": "http.response.body", "body": body})


_TOO_MANY = {"message": "Too many requests", "status": "error"}
_INSTEAD: dict[str, Response] = {
    "http_429": Response("", 429),
    "http_429_header": Response("", 429, headers={"Retry-After": str(RETRY_AFTER_S)}),
    "http_429_body": responses.json({**_TOO_MANY, "retry_after": RETRY_AFTER_S}, 429),
    "http_500": responses.page(500),
    "http_502": Response(_PAGE, 502, media_type="text/html"),
    "http_503": Response(_PAGE, 503, media_type="text/html"),
    "html": Response(_PAGE, 200, media_type="text/html"),
    "missing": responses.error(404, "Session not found"),
}
"""Responses that replace the server's. The request does not reach the server."""

_CHANGED: dict[str, Callable[[int, bytes, Fault, Send], Awaitable[None]]] = {
    "reset_after": _reset_after,
    "cut_off": _cut_off,
    "stalled_body": _stalls,
    "malformed": _malformed,
    "huge": _huge,
}
"""Changes of the server's response."""

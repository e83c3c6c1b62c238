"""Checks of a request before it reaches the application: host, origin, size and time of the body.

The server has a well-known password and runs on people's machines. A web page must not reach it with
the visitor's browser, neither through a host name that resolves to the loopback address (DNS
rebinding) nor from another origin.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response

from uderia_bench.sim.api import responses

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MOST_BODY_BYTES = 8 * 2**20
BODY_S = 10.0  # for the whole body of a request


class Guard:
    """The application behind the checks. ``hosts`` are further host names that it answers to."""

    def __init__(self, app: App, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = {"localhost", *(host.lower() for host in hosts)}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope["method"], Headers(scope=scope))
        if refusal is None:
            body, refusal = await _read(receive)
            if body and body[-1]["type"] == "http.disconnect":
                return  # a client that left within its request has no use for an answer
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    def _refusal(self, method: str, headers: Headers) -> Response | None:
        for host in headers.getlist("host"):
            if not self._is_known(host):
                return responses.error(403, f"Unknown host {host!r}. Use the URL that the server printed.")
        if _is_foreign(method, headers):
            return responses.error(403, "A page of another origin cannot use this server.")
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > MOST_BODY_BYTES:
            return _too_large()
        return None

    def _is_known(self, host: str) -> bool:
        """Return whether the server answers to a host: an IP address or a known name."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        name = name.lower().rstrip(".")
        if name in self._hosts or name.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True


def _is_foreign(method: str, headers: Headers) -> bool:
    """Return whether a page of another origin sent the request. Following a link is allowed."""
    if origins := headers.getlist("origin"):
        own = headers.get("host", "").lower()
        return any(origin.lower().partition("://")[2] != own for origin in origins)
    is_link = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
    return headers.get("sec-fetch-site") in ("cross-site", "same-site") and not is_link


def _too_large() -> Response:
    return responses.error(413, f"The body is larger than {MOST_BODY_BYTES} bytes.")


async def _read(receive: Receive) -> tuple[list[Message], Response | None]:
    """Return the messages of the body, and a refusal if the body is too large or too slow."""
    messages: list[Message] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_S):
            while True:
                message = await receive()
                messages.append(message)
                size += len(message.get("body", b""))
                if size > MOST_BODY_BYTES:
                    return [], _too_large()
                if not message.get("more_body", False):
                    return messages, None
    except TimeoutError:
        return [], responses.error(408, f"The body did not arrive within {BODY_S:g} s.")


def _replay(messages: list[Message], receive: Receive) -> Receive:
    """Return a receive function that first returns the messages that were already read."""
    left = iter(messages)

    async def next_message() -> Message:
        for message in left:
            return message
        return await receive()

    return next_message

"""Decide which requests may use the view: they need its token, and come from its own pages or from a program.

The token is in the address that the command prints. A request with it gets a cookie, which a page of another
site cannot use, and goes on without the token. A program sends the token as ``Authorization: Bearer``.
The Host header is checked too, since a foreign name can be made to lead here (DNS rebinding), and the Origin, since a
page of another site may open a WebSocket.

The cookie is made from a key in the user's cache directory. So a page that is open when the view is started again
on its port goes on.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import socket
from contextlib import suppress
from urllib.parse import urlencode

from starlette.datastructures import Headers, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from uderia_bench.gateway.trust import is_loopback
from uderia_bench.report.formats.html.markup import tag
from uderia_bench.view import pages

TOKEN_BYTES = 32
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_COOKIE_DAYS = 30
_HEADERS = {
    "content-security-policy": pages.POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with no-referrer the page's own form would have the origin null, and be refused
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_NOT_FOR_YOU = (
    "This view needs its token. Open the address that 'uderia-bench view' printed. If you have just done so, "
    "the link came from another site: "
)


class Guard:
    """Lets only the owner's requests through, and gives every answer its headers."""

    def __init__(self, app: ASGIApp, *, host: str, port: int, key: bytes) -> None:
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        self._app = app
        self._host, self._port = host, port
        self._cookie = f"uderia-bench-view-{port}"  # cookies do not tell ports apart
        self._pass = hmac.new(key, self._cookie.encode(), hashlib.sha256).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in _HEADERS.items())]
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, with_headers)
        elif scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {}):
            await refusal(scope, receive, with_headers)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the answer to a request that does not reach a page: a refusal, or the way on with a cookie."""
        headers, asked = Headers(scope=scope), QueryParams(scope["query_string"])
        if ".." in scope["path"].replace("\\", "/").split("/") or "\0" in scope["path"]:
            return PlainTextResponse("a path has no '..' here", status_code=400)
        if not self._is_ours(headers.get("host", "")):
            return PlainTextResponse("this view has another name: open the address that it printed", status_code=403)
        origin = headers.get("origin")
        ours = origin == f"http://{headers.get('host', '')}"
        changes = scope["type"] == "http" and scope["method"] not in ("GET", "HEAD")
        if not ours and (origin is not None or (changes and not self._has_bearer(headers))):  # a program sends none
            return PlainTextResponse("a page of another site cannot read this view", status_code=403)
        has_token = _same(asked.get("token"), self.token)
        if has_token and scope["type"] == "http":
            rest = urlencode([(name, value) for name, value in asked.multi_items() if name != "token"])
            on = RedirectResponse(f"/{scope['path'].lstrip('/')}{f'?{rest}' if rest else ''}", status_code=303)
            on.set_cookie(self._cookie, self._pass, max_age=_COOKIE_DAYS * 86400, httponly=True, samesite="strict")
            return on
        known = _same(cookie_parser(headers.get("cookie", "")).get(self._cookie), self._pass)
        if known or has_token or self._has_bearer(headers):
            return None
        again = tag("a", "go on", href="")
        head = tag("head", tag("meta", charset="utf-8"), tag("meta", name="viewport", content="width=device-width"),
                   tag("meta", name="color-scheme", content="light dark"), tag("title", "Token needed - uderia-bench"),
                   tag("link", rel="icon", href="data:,"))  # fmt: skip
        body = tag("html", head, tag("body", tag("main", tag("h1", "Token needed"), tag("p", _NOT_FOR_YOU, again))), lang="en")
        return HTMLResponse(f"<!doctype html>\n{body}", status_code=401)

    def _is_ours(self, host: str) -> bool:
        """Whether a Host header names this view: its address or loopback, with its port."""
        name, _, port = host.rpartition(":") if host.rpartition(":")[2].isdigit() else (host, "", "80")
        name = name.strip("[]").lower()
        if port != str(self._port):
            return False
        if name in (*LOOPBACK, self._host.lower()):
            return True
        if is_loopback(self._host):
            return False
        with suppress(ValueError):  # bound to every address: a foreign name can be made to lead here, a number cannot
            ipaddress.ip_address(name)
            return True
        return name == socket.gethostname().lower()

    def _has_bearer(self, headers: Headers) -> bool:
        scheme, _, value = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and _same(value, self.token)


def _same(given: str | None, expected: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), expected.encode())

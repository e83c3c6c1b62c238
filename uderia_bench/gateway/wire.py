"""One HTTP exchange, with foreign errors mapped to ours; no path, no token and no retry is decided here.

Why aiohttp under httpx: httpx's own connection pool costs time proportional to its connections (measured: 1.5 ms of CPU a
request at 16 connections, 16 ms at 1,000), the same API over aiohttp's costs 0.25 to 0.45 ms at any of them. A slow client is a
wrong clock.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import anyio
import httpx
import orjson

from uderia_bench.errors import Gone, NoAnswer, Refused, Throttled

CONNECT_TIMEOUT_S = 10.0  # a loopback or LAN server answers in milliseconds; longer is an outage
READ_TIMEOUT_S = 150.0  # session and query handlers run a 10 s MCP health check and may classify tools first (protocol.md 3.1)
ERROR_TEXT_LIMIT = 300  # characters of a server's error that go into ours: enough to recognise it, one line on a terminal
NEVER_ARRIVED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of the server with its status. ``sent_s`` and ``read_s`` are anyio's clock around the transport."""

    status: int
    body: bytes
    sent_s: float
    read_s: float

    def json(self) -> Any:
        """Decode the body; None where it is not JSON (the server sends HTML error pages)."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


def fast_transport() -> httpx.AsyncBaseTransport:
    """Build the transport for real runs: aiohttp's connections without a cap, since the runner's slots are the cap."""
    import aiohttp  # noqa: PLC0415 - 0.2 s of start-up that only a run should pay
    import httpx_aiohttp  # noqa: PLC0415

    context = ssl.create_default_context()

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60.0, ssl=context)
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    return httpx_aiohttp.AiohttpTransport(client=session)


class Wire:
    """HTTP to one server. The transport is given, so that a test's is a function and nobody patches."""

    def __init__(self, base_url: str, transport: httpx.AsyncBaseTransport) -> None:
        self.base_url = base_url.rstrip("/")
        timeout = httpx.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S, write=READ_TIMEOUT_S, pool=None)
        self._client = httpx.AsyncClient(base_url=self.base_url, transport=transport, timeout=timeout, trust_env=False)

    async def __aenter__(self) -> Self:
        """Open the client."""
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        await self._client.__aexit__(kind, error, trace)

    async def exchange(self, method: str, path: str, *, token: str | None = None, body: Any = None) -> Reply:
        """Send one request and read its whole answer, whatever the status.

        Raises ``NoAnswer`` where none came; its ``arrived`` says whether the request may have reached the server.
        """
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        content = None
        if body is not None:
            content = orjson.dumps(body)
            headers["Content-Type"] = "application/json"
        request = self._client.build_request(method, path, content=content, headers=headers)
        sent_s = anyio.current_time()
        try:
            response = await self._client.send(request)
        except httpx.HTTPError as error:
            text = f"{method} {self.base_url}{path}: {type(error).__name__} {error}".strip()
            raise NoAnswer(text, arrived=not isinstance(error, NEVER_ARRIVED)) from error
        except httpx.InvalidURL as error:
            raise NoAnswer(f"{self.base_url}{path} is no address: {error}", arrived=False) from error
        return Reply(status=response.status_code, body=response.content, sent_s=sent_s, read_s=anyio.current_time())


def refuse(reply: Reply, what: str) -> Refused:
    """Make our error of an error status, with the server's own words where it gave any."""
    said = server_words(reply)
    text = f"{what}: HTTP {reply.status}" + (f", {said}" if said else "")
    if reply.status == httpx.codes.TOO_MANY_REQUESTS:
        return Throttled(text, status=reply.status, retry_after_s=retry_after_s(reply.json()))
    if reply.status == httpx.codes.NOT_FOUND:
        return Gone(text, status=reply.status)
    return Refused(text, status=reply.status)


def server_words(reply: Reply) -> str:
    """Return the server's error text: ``error`` or ``message`` of a JSON body, else nothing (an HTML page says nothing)."""
    data = reply.json()
    if not isinstance(data, dict):
        return ""
    said = data.get("error") or data.get("message") or ""
    return " ".join(str(said).split())[:ERROR_TEXT_LIMIT]


def retry_after_s(data: Any) -> float | None:
    """Read when to come back from a 429's body (the server sends no Retry-After header: observed.md, Endpoints)."""
    if not isinstance(data, dict):
        return None
    for key in ("retry_after", "retry_after_seconds"):
        value = data.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            return float(value)
    return None

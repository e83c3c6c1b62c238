"""One HTTP exchange, with foreign errors mapped to ours; no path, no token and no retry is decided here.

Why no ``httpx.AsyncClient``: its layers (merging, hooks, redirects, authentication, cookies) cost as much again as all the rest
(``tests/bench/wire.py``, small answers: 0.13, 0.14 and 0.17 ms of CPU a request of ours at 16, 256 and 1,000 in flight, 0.25,
0.30 and 0.33 through it). A redirect is an answer like any other and nobody follows it, no cookie is kept, and no proxy is
taken from the environment.

Why gzip is asked for: of 45 KB of task it leaves 5.5. Unpacking takes 35 µs, reading the rest from loopback 20 µs: here a tie,
on a network never. The server itself packs nothing; a proxy before it may.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

import anyio
import httpx
import orjson

from uderia_bench.errors import Gone, NoAnswer, Refused, Throttled

CONNECT_TIMEOUT_S = 10.0  # a loopback or LAN server answers in milliseconds; longer is an outage
# session and query handlers run a 10 s MCP health check and may classify tools first
# (docs/reference/protocol.md, "Creating a session")
WHOLE_ANSWER_S = 180.0
# without a byte of a stream that sends one every 20 s (docs/reference/protocol.md, "Push
# channels"): it is dead
SILENCE_S = 60.0
ADDRESSES_KEPT = 2048  # twice the trials that 1,000 slots have in flight: a task is polled again before as many others are read
HEADERS_KEPT = 4  # with and without a body, for two tokens: one of them has just been renewed
LARGEST_BODY = (
    128 * 2**20
)  # bytes, unpacked; a task with big results has a few MB (docs/reference/measured.md, "Endpoints"), 50 MB must still pass
# An exchange as a whole has its time: a second one for every wait would be two timers more a request, and stop nothing sooner.
TIMEOUTS = {"connect": CONNECT_TIMEOUT_S, "read": None, "write": None, "pool": None}
HEADERS = (("Accept", "application/json"), ("Accept-Encoding", "gzip"), ("User-Agent", "uderia-bench"))
ERROR_TEXT_LIMIT = 300  # characters of a server's error that go into ours: enough to recognise it, one line on a terminal
NEVER_ARRIVED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of the server with its status. ``sent_s`` and ``read_s`` are anyio's clock around the transport.

    ``retry_after`` is the header of that name, as it came.
    """

    status: int
    body: bytes
    sent_s: float
    read_s: float
    retry_after: str | None = None

    def json(self) -> Any:
        """Decode the body; None where it is not JSON (the server sends HTML error pages)."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


def fast_transport(*, buffer: int = 2**16) -> httpx.AsyncBaseTransport:
    """Build the transport for real runs, on asyncio. Reading pauses where twice ``buffer`` bytes wait for us."""
    from uderia_bench.gateway.transport import AiohttpTransport  # noqa: PLC0415 - 0.2 s of start-up that only a run should pay

    return AiohttpTransport(buffer=buffer)


class Wire:
    """HTTP to one server. The transport is given, so that a test's is a function and nobody patches."""

    def __init__(self, base_url: str, transport: httpx.AsyncBaseTransport) -> None:
        self.base_url = base_url.rstrip("/")
        self._transport = transport
        # Reading an address takes an eighth of sending a request, and a task is polled again and again.
        self._address = lru_cache(ADDRESSES_KEPT)(lambda path: httpx.URL(self.base_url + path))
        self._headers = lru_cache(HEADERS_KEPT)(_headers)

    async def __aenter__(self) -> Self:
        """Open the transport."""
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        await self._transport.__aexit__(kind, error, trace)

    async def exchange(self, method: str, path: str, *, token: str | None = None, body: Any = None) -> Reply:
        """Send one request and read its whole answer, whatever the status.

        Raises ``NoAnswer`` where none came whole and in time; its ``arrived`` says whether the request may have reached the
        server. Raises ``Refused`` for an answer too large to hold.
        """
        request = self._request(method, path, token, body)
        sent_s = anyio.current_time()
        try:
            with anyio.CancelScope(deadline=sent_s + WHOLE_ANSWER_S):
                response = await self._transport.handle_async_request(request)
                try:
                    received = await _body(response, request.url)
                finally:
                    await response.aclose()
                return Reply(
                    status=response.status_code,
                    body=received,
                    sent_s=sent_s,
                    read_s=anyio.current_time(),
                    retry_after=response.headers.get("Retry-After"),
                )
        except (httpx.HTTPError, OSError) as error:
            text = f"{method} {self.base_url}{path}: {type(error).__name__} {error}".strip()
            raise NoAnswer(text, arrived=not isinstance(error, NEVER_ARRIVED)) from error
        raise NoAnswer(f"{method} {self.base_url}{path}: no whole answer within {WHOLE_ANSWER_S:g} s", arrived=True)

    @asynccontextmanager
    async def listen(self, path: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Open a stream of events without a sign-in, and yield its bytes as they come.

        Raises ``NoAnswer`` where it does not come about, breaks or falls silent, ``Refused`` where the server has none.
        """
        timeouts = {**TIMEOUTS, "read": SILENCE_S}
        headers = (("Accept", "text/event-stream"), ("Accept-Encoding", "identity"))
        try:
            request = httpx.Request("GET", self.base_url + path, headers=headers, extensions={"timeout": timeouts})
            response = await self._transport.handle_async_request(request)
            try:
                if response.status_code != httpx.codes.OK:
                    raise Refused(f"notifications: HTTP {response.status_code}", status=response.status_code)
                assert isinstance(response.stream, httpx.AsyncByteStream), "an asynchronous transport answers with one"
                yield aiter(response.stream)
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise NoAnswer(f"notifications: {type(error).__name__} {error}".strip(), arrived=True) from error

    def _request(self, method: str, path: str, token: str | None, body: Any) -> httpx.Request:
        try:
            url = self._address(path)
        except httpx.InvalidURL as error:
            raise NoAnswer(f"{self.base_url}{path} is no address: {error}", arrived=False) from error
        content = b"" if body is None else orjson.dumps(body)
        # A stream and ready headers, as httpx works out what neither is told; host and length are the transport's to say.
        headers = self._headers(token, sends=body is not None)
        return httpx.Request(method, url, headers=headers, stream=httpx.ByteStream(content), extensions={"timeout": TIMEOUTS})


def _headers(token: str | None, *, sends: bool) -> httpx.Headers:
    """Return the headers of requests of that kind; who makes a request copies them."""
    headers = [*HEADERS]
    if token is not None:
        headers.append(("Authorization", f"Bearer {token}"))
    if sends:
        headers.append(("Content-Type", "application/json"))
    return httpx.Headers(headers)


async def _body(response: httpx.Response, url: httpx.URL) -> bytes:
    """Read an answer as it comes, and no further than ``LARGEST_BODY``: neither a long nor a well-packed one fills memory."""
    parts: list[bytes] = []
    size = 0
    assert isinstance(response.stream, httpx.AsyncByteStream), "an asynchronous transport answers with one"
    packed = "Content-Encoding" in response.headers  # or httpx's layers around its decoder are left out
    async for part in response.aiter_bytes() if packed else response.stream:
        size += len(part)
        if size > LARGEST_BODY:
            raise Refused(f"{url}: an answer larger than {LARGEST_BODY // 2**20} MB is not read", status=response.status_code)
        parts.append(part)
    return b"".join(parts)


def refuse(reply: Reply, what: str) -> Refused:
    """Make our error of an error status, with the server's own words where it gave any."""
    said = server_words(reply)
    text = f"{what}: HTTP {reply.status}" + (f", {said}" if said else "")
    if reply.status == httpx.codes.TOO_MANY_REQUESTS:
        return Throttled(text, status=reply.status, retry_after_s=retry_after_s(reply))
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


def retry_after_s(reply: Reply) -> float | None:
    """Read when to come back: from the body, else from a proxy's header.

    Source: the server's own way: docs/reference/measured.md, "Endpoints".
    """
    data = reply.json()
    for key in ("retry_after", "retry_after_seconds"):
        value = data.get(key) if isinstance(data, dict) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            return float(value)
    header = (reply.retry_after or "").strip()
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        return max((parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):  # neither seconds nor a date with its zone
        return None

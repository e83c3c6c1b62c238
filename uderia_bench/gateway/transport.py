"""aiohttp's connections under httpx's requests and responses, with every error named by whether the request went out.

Why aiohttp: httpx's own connection pool costs time proportional to its connections (measured: 1.5 ms of CPU a request at 16
connections, 16 ms at 1,000), aiohttp's 0.15 to 0.3 ms at any number. A slow client is a wrong clock.

Why not httpx-aiohttp: it calls every connection that broke a connect timeout, also one that broke after the request went out
(a query taken for never sent would be asked twice), and it loads the certificates of the system again for every transport.

aiohttp takes 0.2 s to import: whoever imports this module pays for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import lru_cache

import aiohttp
import httpx

HEADER_ENCODING = "iso-8859-1"  # of HTTP (RFC 9110, 5.5); httpx tries others first, on every header of every answer
KEEP_ALIVE_S = 4.0  # servers close idle connections after 5 s or so; a query sent at that moment is in an unknown state


class AiohttpTransport(httpx.AsyncBaseTransport):
    """A transport for asyncio with as many connections as there are requests: the runner's slots are the cap.

    ``extensions["timeout"]`` of a request bounds its connecting (``connect``) and each wait for bytes (``read``), in seconds.
    Redirects are not followed, cookies not kept, bodies not unpacked, and no proxy is taken from the environment. Reading
    pauses where twice ``buffer`` bytes wait.
    """

    def __init__(self, *, buffer: int) -> None:
        self._buffer = buffer
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request whose body is in memory; returns when the head of its answer has come."""
        session = self._session or self._open()
        timeouts = request.extensions["timeout"]
        try:
            answer = await session.request(
                request.method,
                str(request.url),
                headers=request.headers.multi_items(),
                data=request.read() or None,
                allow_redirects=False,
                timeout=_timeout(timeouts["connect"], timeouts["read"]),
            )
        except aiohttp.ClientError as error:
            raise _named(error, request) from error
        except UnicodeError as error:  # of a host name that no resolver can be asked for
            raise httpx.UnsupportedProtocol(f"{request.url.host}: {error}", request=request) from error
        response = httpx.Response(answer.status, headers=answer.raw_headers, stream=_Body(answer, request), request=request)
        response.headers.encoding = HEADER_ENCODING
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        """Open the session, which wants a running event loop."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=self._buffer,
            auto_decompress=False,
        )
        return self._session


class _Body(httpx.AsyncByteStream):
    """An answer's bytes as they come. No generator, as the event loop keeps track of each of those."""

    def __init__(self, response: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._response = response
        self._request = request

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return itself: there is one reader."""
        return self

    async def __anext__(self) -> bytes:
        """Return what has come, as soon as something has."""
        try:
            chunk = await self._response.content.readany()
        except aiohttp.ClientError as error:
            raise _named(error, self._request) from error
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Give the connection back, or close it where the answer was not read to its end."""
        self._response.release()


@lru_cache
def _timeout(connect_s: float | None, read_s: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(sock_connect=connect_s, sock_read=read_s)


def _named(error: aiohttp.ClientError, request: httpx.Request) -> httpx.TransportError:
    """Return httpx's error for aiohttp's."""
    text = str(error) or type(error).__name__
    kind: type[httpx.TransportError]
    match error:
        case aiohttp.ConnectionTimeoutError():
            kind = httpx.ConnectTimeout
        case aiohttp.ClientConnectorError():
            kind = httpx.ConnectError
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            kind = httpx.UnsupportedProtocol
        case aiohttp.ServerTimeoutError():
            kind = httpx.ReadTimeout
        case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError():
            kind = httpx.ReadError
        case _:  # it says nothing that HTTP knows
            kind, text = httpx.RemoteProtocolError, f"{type(error).__name__} {error}"
    return kind(text, request=request)

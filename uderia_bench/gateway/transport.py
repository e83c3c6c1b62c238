"""An httpx transport over aiohttp's connections, whose errors tell whether the request was sent.

Why aiohttp: httpx's connection pool takes time proportional to its connections (measured: 1.5 ms of CPU per request at
16 connections, 16 ms at 1,000). aiohttp takes 0.15 to 0.3 ms at any number. A slow client measures wrong times.

Why not httpx-aiohttp: it reports every broken connection as a connect timeout, even if it broke after the request was
sent. A query that was taken as never sent would be asked twice. It also loads the system's certificates again for
every transport.

Importing this module imports aiohttp, which takes 0.2 s.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator
from functools import lru_cache

import aiohttp
import httpx

from uderia_bench.gateway.tls import NoTls, UntrustedCertificate

HEADER_ENCODING = "iso-8859-1"  # of HTTP (RFC 9110, 5.5); httpx tries others first, on every header of every answer
KEEP_ALIVE_S = 4.0  # servers close idle connections after 5 s or so; a query sent at that moment is in an unknown state


class AiohttpTransport(httpx.AsyncBaseTransport):
    """A transport for asyncio with one connection per request; the runner's slots limit their number.

    ``extensions["timeout"]`` of a request bounds its connecting (``connect``) and each wait for bytes (``read``), in seconds.
    Redirects are not followed, cookies are not kept, bodies are not unpacked, and no proxy is taken from the
    environment. Reading pauses while twice ``buffer`` bytes wait.
    """

    def __init__(self, *, buffer: int) -> None:
        self._buffer = buffer
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request whose body is in memory; return when the head of the answer has arrived."""
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
        except UnicodeError as error:  # a host name that cannot be looked up
            raise httpx.UnsupportedProtocol(f"{request.url.host}: {error}", request=request) from error
        response = httpx.Response(answer.status, headers=answer.raw_headers, stream=_Body(answer, request), request=request)
        response.headers.encoding = HEADER_ENCODING
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        """Open the session, which needs a running event loop."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=self._buffer,
            auto_decompress=False,
        )
        return self._session


class _Body(httpx.AsyncByteStream):
    """The bytes of an answer as they arrive. Not a generator, because the event loop tracks each generator."""

    def __init__(self, response: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._response = response
        self._request = request

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return itself: there is one reader."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next bytes as soon as some have arrived."""
        try:
            chunk = await self._response.content.readany()
        except aiohttp.ClientError as error:
            raise _named(error, self._request) from error
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Release the connection, or close it if the answer was not read to its end."""
        self._response.release()


@lru_cache
def _timeout(connect_s: float | None, read_s: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(sock_connect=connect_s, sock_read=read_s)


def _named(error: aiohttp.ClientError, request: httpx.Request) -> httpx.TransportError:
    """Return httpx's error for aiohttp's."""
    text = str(error) or type(error).__name__
    kind: type[httpx.TransportError]
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as certificate):
            return UntrustedCertificate(certificate, request)
        case aiohttp.ClientConnectorSSLError():
            reason = getattr(error.os_error, "reason", None)
            return NoTls(str(reason or error).replace("_", " ").lower(), request=request)
        case aiohttp.ConnectionTimeoutError():
            kind = httpx.ConnectTimeout
        case aiohttp.ClientConnectorError(os_error=cause):
            kind, text = httpx.ConnectError, _reason(cause)
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            kind = httpx.UnsupportedProtocol
        case aiohttp.ServerTimeoutError():
            kind = httpx.ReadTimeout
        case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError():
            kind = httpx.ReadError
        case _:  # an answer that is not HTTP
            message = str(getattr(error, "message", "")) or text
            kind, text = httpx.RemoteProtocolError, message.strip().partition("\n")[0].rstrip(":").lower()
    return kind(text, request=request)


def _reason(cause: OSError) -> str:
    """Return the system's words for an error, such as "Connection refused".

    The texts of asyncio and aiohttp repeat the address.
    """
    if cause.errno is not None and cause.errno > 0:  # the numbers of name resolution are negative
        return os.strerror(cause.errno)
    return cause.strerror or str(cause)

"""One HTTP exchange whose errors are those of ``uderia_bench.errors``. Callers choose path, token and retries.

Why no ``httpx.AsyncClient``: its layers (merging, hooks, redirects, authentication, cookies) double the cost. With
small answers this module takes 0.13, 0.14 and 0.17 ms of CPU per request at 16, 256 and 1,000 in flight, and 0.25,
0.30 and 0.33 ms through the client (``tests/bench/wire.py``). Redirects are not followed, cookies are not kept, and no
proxy is taken from the environment.

Why gzip is requested: it shrinks 45 KB of a task to 5.5 KB. Unpacking takes 35 µs, about as long as reading the rest
from loopback (20 µs) and much less than reading it from a network. The server does not compress, but a proxy may.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

import anyio
import httpx
import orjson
import zstandard

from uderia_bench.errors import Gone, NoAnswer, Refused, Throttled
from uderia_bench.gateway import unpacking
from uderia_bench.gateway.masking import Secrets
from uderia_bench.json_text import parse_json
from uderia_bench.printable import plain

CONNECT_TIMEOUT_S = 10.0  # a loopback or LAN server answers in milliseconds; longer is an outage
# session and query handlers run a 10 s MCP health check and may classify tools first
# (docs/reference/protocol.md, "Creating a session")
WHOLE_ANSWER_S = 180.0
# a stream that sends something every 20 s is dead after this long without a byte
# (docs/reference/protocol.md, "Push channels")
SILENCE_S = 60.0
ADDRESSES_KEPT = 2048  # twice the trials in flight at 1,000 slots, so that a task's address is kept until its next poll
HEADERS_KEPT = 4  # with and without a body, each for the old and the new token
# Bytes, unpacked. A task with large results has a few MB (docs/reference/measured.md, "Endpoints"),
# and 50 MB must still pass.
LARGEST_BODY = 128 * 2**20
# The exchange as a whole has a timeout. Timeouts for each wait would add two timers per request and
# stop nothing sooner.
TIMEOUTS = {"connect": CONNECT_TIMEOUT_S, "read": None, "write": None, "pool": None}
HEADERS = (("Accept", "application/json"), ("Accept-Encoding", "gzip"), ("User-Agent", "uderia-bench"))
LONGEST_PAUSE_S = 86_400.0  # a server that asks for more, or for a number of 400 digits, counts as asking for a day
ERROR_TEXT_LIMIT = 300  # characters of the server's error text in an error message, to fit on one line
NEVER_ARRIVED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of the server. ``sent_s`` and ``read_s`` are times of anyio's clock around the exchange.

    ``retry_after`` and ``location`` are headers. Secrets that were sent to the server are masked in all of it.
    """

    status: int
    body: bytes
    sent_s: float
    read_s: float
    retry_after: str | None = None
    location: str | None = None

    def json(self) -> Any:
        """Decode the body; None if it is not JSON (the server sends HTML error pages)."""
        try:
            return parse_json(self.body).value
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file to send as a form, with other fields of the form."""

    name: str
    content: bytes
    fields: Mapping[str, str]

    def encoded(self) -> tuple[bytes, str]:
        """Return the form's body and its content type."""
        boundary = hashlib.sha256(self.content).hexdigest()
        disposition = f'--{boundary}\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n'
        parts = [(disposition % (name, "")).encode() + value.encode() for name, value in self.fields.items()]
        parts.append((disposition % ("file", f'; filename="{self.name}"')).encode() + self.content)
        return b"\r\n".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def fast_transport(*, buffer: int = 2**16) -> httpx.AsyncBaseTransport:
    """Build the transport for real runs, on asyncio. Reading pauses while twice ``buffer`` bytes wait."""
    from uderia_bench.gateway.transport import AiohttpTransport  # noqa: PLC0415 - 0.2 s of start-up that only a run should pay

    return AiohttpTransport(buffer=buffer)


class Wire:
    """HTTP to one server. The transport is a parameter, so tests pass a function instead of patching."""

    def __init__(self, base_url: str, transport: httpx.AsyncBaseTransport, secrets: Secrets | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._transport = transport
        self._secrets = secrets or Secrets()
        # Parsing an address takes an eighth of a request, and a task is polled many times.
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

    def hide(self, secret: str) -> None:
        """Mask a secret in every later answer. Tokens that ``exchange`` sends are masked without this."""
        self._secrets.add(secret)

    def masked(self, reply: Reply) -> Reply:
        """Return a reply without the secrets."""
        return replace(
            reply,
            body=self._secrets.mask(reply.body, error=reply.status >= httpx.codes.MULTIPLE_CHOICES),
            location=None if reply.location is None else self._secrets.mask_text(reply.location),
        )

    async def exchange(self, method: str, path: str, *, token: str | None = None, body: Any = None) -> Reply:
        """Send one request and read its whole answer, whatever the status, without the secrets in it.

        Raises as ``exchange_unmasked``.
        """
        return self.masked(await self.exchange_unmasked(method, path, token=token, body=body))

    async def exchange_unmasked(self, method: str, path: str, *, token: str | None = None, body: Any = None) -> Reply:
        """Send one request and read its whole answer as it is. Only a sign-in may read that.

        Raises ``NoAnswer`` when no complete answer arrives in time. Its ``arrived`` is whether the request may
        have reached the server. Raises ``Refused`` for an answer that is too large.
        """
        if token is not None:
            self._secrets.add(token)
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
                    location=response.headers.get("Location"),
                )
        except (httpx.HTTPError, OSError) as error:
            said = self._secrets.mask_text(str(error))
            text = f"{method} {self.base_url}{path}: {type(error).__name__} {said}".strip()
            raise NoAnswer(text, arrived=not isinstance(error, NEVER_ARRIVED)) from error
        raise NoAnswer(f"{method} {self.base_url}{path}: no whole answer within {WHOLE_ANSWER_S:g} s", arrived=True)

    @asynccontextmanager
    async def listen(self, path: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Open a stream of events without a sign-in, and yield its bytes as they arrive.

        Raises ``NoAnswer`` if it does not open, breaks or falls silent, ``Refused`` if the server has none.
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
            said = self._secrets.mask_text(str(error))
            raise NoAnswer(f"notifications: {type(error).__name__} {said}".strip(), arrived=True) from error

    def _request(self, method: str, path: str, token: str | None, body: Any) -> httpx.Request:
        try:
            url = self._address(path)
        except httpx.InvalidURL as error:
            raise NoAnswer(f"{self.base_url}{path} is not a valid address: {error}", arrived=False) from error
        content, kind = (b"", None) if body is None else _encoded(body)
        # With a stream and complete headers httpx adds none. The transport adds host and length.
        headers = self._headers(token, kind)
        return httpx.Request(method, url, headers=headers, stream=httpx.ByteStream(content), extensions={"timeout": TIMEOUTS})


def _encoded(body: Any) -> tuple[bytes, str]:
    return body.encoded() if isinstance(body, Upload) else (orjson.dumps(body), "application/json")


def _headers(token: str | None, content_type: str | None) -> httpx.Headers:
    """Return the headers of requests of this kind. Each request copies them."""
    headers = [*HEADERS]
    if token is not None:
        headers.append(("Authorization", f"Bearer {token}"))
    if content_type is not None:
        headers.append(("Content-Type", content_type))
    return httpx.Headers(headers)


async def _body(response: httpx.Response, url: httpx.URL) -> bytes:
    """Read and unpack an answer within ``LARGEST_BODY`` and ``unpacking.MOST_VALUES``, so that none fills memory."""
    assert isinstance(response.stream, httpx.AsyncByteStream), "an asynchronous transport answers with one"
    body = unpacking.Body(LARGEST_BODY)
    into = None
    try:
        into = unpacking.unpacked_by(response.headers.get("Content-Encoding", ""), body)
        async for part in response.stream:
            into.write(part)
            body.count(part)
        whole = body.whole()
    except unpacking.TooLarge:
        too_large = f"{url}: an answer larger than {LARGEST_BODY // 2**20} MB is not read"
        raise Refused(too_large, status=response.status_code) from None
    except (zlib.error, zstandard.ZstdError) as error:
        raise httpx.DecodingError(f"the answer cannot be unpacked: {error}") from error
    except ValueError as error:
        raise Refused(f"{url}: an answer {error}", status=response.status_code) from error
    finally:
        del into  # the error's traceback may be kept, and its window of zstd takes 8 MB
    if unpacking.too_many_values(whole):
        many = f"{url}: an answer with more than {unpacking.MOST_VALUES:,} JSON values is not read"
        raise Refused(many, status=response.status_code)
    return whole


def refuse(reply: Reply, what: str) -> Refused:
    """Make the error for an error status, with the server's error text if there is any."""
    said = server_words(reply)
    text = f"{what}: HTTP {reply.status}" + (f", {said}" if said else "")
    if reply.location is not None and httpx.codes.is_redirect(reply.status):
        text += f", a redirect to {plain(reply.location)}, which is not followed"
    if reply.status == httpx.codes.TOO_MANY_REQUESTS:
        return Throttled(text, status=reply.status, retry_after_s=retry_after_s(reply))
    if reply.status == httpx.codes.NOT_FOUND:
        return Gone(text, status=reply.status)
    return Refused(text, status=reply.status)


def server_words(reply: Reply) -> str:
    """Return the server's error text: ``error`` or ``message`` of a JSON body, else an empty text."""
    data = reply.json()
    if not isinstance(data, dict):
        return ""
    said = data.get("error") or data.get("message") or ""
    return plain(" ".join(str(said).split()))[:ERROR_TEXT_LIMIT]


def retry_after_s(reply: Reply) -> float | None:
    """Read the requested pause from the body, else from a proxy's header; at most ``LONGEST_PAUSE_S``.

    Source: docs/reference/measured.md, "Endpoints".
    """
    data = reply.json()
    for key in ("retry_after", "retry_after_seconds"):
        value = data.get(key) if isinstance(data, dict) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            return float(min(value, LONGEST_PAUSE_S))
    header = (reply.retry_after or "").strip()
    if header.isascii() and header.isdigit():
        return min(float(header), LONGEST_PAUSE_S)
    try:
        left_s = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError, OverflowError):  # neither seconds nor a date with its zone
        return None
    return min(max(left_s, 0.0), LONGEST_PAUSE_S)

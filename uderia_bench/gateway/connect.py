"""Open and close the connection to a server: transport, wire and sign-in."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import httpx

from uderia_bench.errors import NoCredentials, NotSignedIn
from uderia_bench.gateway.credentials import Credentials
from uderia_bench.gateway.kept_tokens import KeptTokens
from uderia_bench.gateway.masking import Secrets
from uderia_bench.gateway.signin import SignIn
from uderia_bench.gateway.trust import is_loopback
from uderia_bench.gateway.uderia import Uderia
from uderia_bench.gateway.wire import Wire, fast_transport

STREAM_BUFFER = 2**10  # bytes: one event of a notification stream pauses it until the next read (gateway/notifications.py)


@asynccontextmanager
async def connect(
    base_url: str,
    credentials: Credentials,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    allow_plain_http: bool = False,
    kept: KeptTokens | None = None,
) -> AsyncGenerator[Uderia]:
    """Open ``base_url`` and sign in; raises ``Unreachable``, else ``NotSignedIn``. Tests pass a transport.

    Credentials are sent over plain http to another machine only with ``allow_plain_http``, because they
    travel unencrypted.
    """
    parts = urlsplit(base_url)
    if parts.scheme == "http" and not allow_plain_http and not is_loopback(parts.hostname or ""):
        raise NotSignedIn(f"{base_url}: not signing in over plain http to another machine; use https, or --allow-plain-http")
    secrets = Secrets()
    async with (
        Wire(base_url, transport or fast_transport(), secrets) as wire,
        Wire(base_url, transport or fast_transport(buffer=STREAM_BUFFER), secrets) as stream,
    ):
        uderia = Uderia(wire, SignIn(wire, credentials, kept), stream)
        await uderia.sign_in()
        yield uderia


async def reach(base_url: str, *, transport: httpx.AsyncBaseTransport | None = None, allow_plain_http: bool = False) -> None:
    """Raise as ``connect`` where it could not sign in at ``base_url`` with any credentials."""
    with suppress(NoCredentials):
        async with connect(base_url, Credentials(), transport=transport, allow_plain_http=allow_plain_http):
            pass

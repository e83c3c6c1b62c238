"""Opening a server for a run: transport, wire and sign-in put together, closed together."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx

from uderia_bench.gateway.credentials import Credentials
from uderia_bench.gateway.signin import SignIn
from uderia_bench.gateway.uderia import Uderia
from uderia_bench.gateway.wire import Wire, fast_transport


@asynccontextmanager
async def connect(
    base_url: str, credentials: Credentials, *, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncGenerator[Uderia]:
    """Open ``base_url`` and sign in; raises ``Unreachable`` or ``NotSignedIn``. A test gives its own transport."""
    async with Wire(base_url, transport or fast_transport()) as wire:
        uderia = Uderia(wire, SignIn(wire, credentials))
        await uderia.sign_in()
        yield uderia

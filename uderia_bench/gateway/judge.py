"""The endpoint of a judge: send one chat completion in OpenAI's format and return the decoded reply."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from uderia_bench.errors import NotSignedIn, Refused
from uderia_bench.gateway.trust import is_loopback
from uderia_bench.gateway.wire import Wire, fast_transport, refuse

Transport: TypeAlias = httpx.AsyncBaseTransport

_PATH = "/chat/completions"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An open connection to a judge."""

    wire: Wire
    model: str
    key: SecretStr | None

    async def complete(self, messages: Sequence[Mapping[str, str]]) -> Any:
        """Ask once and return the decoded reply. Raises ``CallFailed`` when there is none."""
        body = {"model": self.model, "messages": list(messages), "temperature": 0}
        token = None if self.key is None else self.key.get_secret_value()
        reply = await self.wire.exchange("POST", _PATH, token=token, body=body)
        if reply.status != httpx.codes.OK:
            raise refuse(reply, f"judge {self.wire.base_url}")
        if (decoded := reply.json()) is None:
            raise Refused(f"judge {self.wire.base_url}: the reply is not JSON", status=reply.status)
        return decoded


@asynccontextmanager
async def connect(
    url: str, *, model: str, key: SecretStr | None, transport: Transport | None = None
) -> AsyncGenerator[Endpoint]:
    """Open a judge. Tests pass a transport.

    Raises ``NotSignedIn`` when a key would travel unencrypted to another machine.
    """
    parts = urlsplit(url)
    if key is not None and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise NotSignedIn(f"judge {url}: its key does not go over plain http to another machine; use https")
    async with Wire(url, transport or fast_transport()) as wire:
        yield Endpoint(wire, model, key)

"""The judge's endpoint: one chat completion (OpenAI's form), as it came. What it says is not read here."""

from __future__ import annotations

from typing import Any

import httpx

from uderia_bench.errors import Refused
from uderia_bench.gateway.credentials import Secret
from uderia_bench.gateway.wire import Wire, refuse
from uderia_bench.judge import Ask

_PATH = "/chat/completions"


async def complete(wire: Wire, ask: Ask, *, model: str, key: Secret | None) -> Any:
    """Ask the judge once; returns the decoded reply. Raises ``CallFailed`` where there is none."""
    body = {"model": model, "messages": list(ask.messages), "temperature": 0}
    reply = await wire.exchange("POST", _PATH, token=None if key is None else key.reveal(), body=body)
    if reply.status != httpx.codes.OK:
        raise refuse(reply, f"judge {wire.base_url}")
    if (decoded := reply.json()) is None:
        raise Refused(f"judge {wire.base_url}: the reply is no JSON", status=reply.status)
    return decoded

"""A stock ``httpx.AsyncClient`` doing the scenario as its documentation would: a coroutine a trial, polling in a sleeping loop.

The one thing changed is its limits, so that every trial can have a connection and keep it.

``python -m bench.stock_httpx URL TRIALS EVERY_S PER_S``
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time

import httpx
from bench import machine, server


async def ask(url: str, trials: int, every_s: float, per_s: float) -> list[dict]:
    """Ask so many questions, begun at an even rate or all at once (``inf``), and return what was seen of each."""
    token, profile = server.sign_in(url)
    limits = httpx.Limits(max_connections=trials, max_keepalive_connections=trials, keepalive_expiry=None)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=None) as client:

        async def call(method: str, path: str, body: object = None) -> dict:
            """Call again where the connection was closed meanwhile: a saturated client comes after the server's keep-alive."""
            while True:
                with contextlib.suppress(httpx.TransportError):
                    return (await client.request(method, path, json=body)).json()

        async def one(number: int) -> dict:
            await asyncio.sleep(number / per_s)
            session = (await call("POST", "/api/v1/sessions", {"profile_id": profile}))["session_id"]
            query = {"prompt": server.PROMPT, "profile_id": profile}
            sent_s = time.perf_counter()
            accepted = await call("POST", f"/api/v1/sessions/{session}/query", query)
            path = accepted["status_url"]
            while (await call("GET", path))["status"] not in server.TERMINAL:  # noqa: ASYNC110 - the event is there
                await asyncio.sleep(every_s)
            seen_s = time.perf_counter() - sent_s
            await call("GET", f"/api/v1/sessions/{session}/details")
            return {"task_id": accepted["task_id"], "sent_s": sent_s, "seen_s": seen_s}

        return await asyncio.gather(*(one(number) for number in range(trials)))


if __name__ == "__main__":
    machine.take(machine.client_core())
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    seen = asyncio.run(ask(sys.argv[1], int(sys.argv[2]), *map(float, sys.argv[3:])))
    told = {"wall_s": time.perf_counter() - wall_s, "cpu_s": time.process_time() - cpu_s, "trials": seen}
    sys.stdout.write(json.dumps(told) + "\n")

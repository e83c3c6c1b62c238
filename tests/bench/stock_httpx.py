"""A stock ``httpx.AsyncClient`` doing the scenario as its documentation would: a coroutine a trial, polling in a sleeping loop.

The one thing changed is its limits, so that every trial can have a connection.

``python -m bench.stock_httpx URL TRIALS EVERY_S``
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import httpx
from bench import machine, server


async def ask(url: str, trials: int, every_s: float) -> list[dict]:
    """Ask so many questions, begun at an even rate, and return what was seen of each."""
    token, profile = server.sign_in(url)
    limits = httpx.Limits(max_connections=trials, max_keepalive_connections=trials)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=None) as client:

        async def one(number: int) -> dict:
            await asyncio.sleep(number / server.RAMP_PER_S)
            session = (await client.post("/api/v1/sessions", json={"profile_id": profile})).json()["session_id"]
            query = {"prompt": server.PROMPT, "profile_id": profile}
            sent_s = time.perf_counter()
            accepted = (await client.post(f"/api/v1/sessions/{session}/query", json=query)).json()
            path = accepted["status_url"]
            while (await client.get(path)).json()["status"] not in server.TERMINAL:  # noqa: ASYNC110 - the event is there
                await asyncio.sleep(every_s)
            seen_s = time.perf_counter() - sent_s
            (await client.get(f"/api/v1/sessions/{session}/details")).json()
            return {"task_id": accepted["task_id"], "sent_s": sent_s, "seen_s": seen_s}

        return await asyncio.gather(*(one(number) for number in range(trials)))


if __name__ == "__main__":
    machine.take(machine.client_core())
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    seen = asyncio.run(ask(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
    told = {"wall_s": time.perf_counter() - wall_s, "cpu_s": time.process_time() - cpu_s, "trials": seen}
    sys.stdout.write(json.dumps(told) + "\n")

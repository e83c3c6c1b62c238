"""What one request costs the client: our wire against httpx's client over the same transport, and over its own pool.

The server is the embedded one in another process; all ask it the same in turn, and CPU is this process's own. It keeps an idle
connection for longer than the slowest of them needs to use all of its connections once.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable

import anyio
import httpx
from bench.server import serve

from uderia_bench.gateway.transport import KEEP_ALIVE_S
from uderia_bench.gateway.wire import Wire, fast_transport

PATH = "/api/v1/auth/me"
CONNECTIONS = (16, 256, 1000)
ROUNDS = 3
REQUESTS_EACH = 3


def stock_transport(connections: int) -> httpx.AsyncBaseTransport:
    """Return httpx's own transport with room for all connections."""
    return httpx.AsyncHTTPTransport(
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=KEEP_ALIVE_S)
    )


async def by_wire(url: str, transport: httpx.AsyncBaseTransport, connections: int) -> float:
    """Return CPU milliseconds a request of ours, with that many in flight."""
    async with Wire(url, transport) as wire:
        return await cpu_ms(lambda: wire.exchange("GET", PATH, token="none"), connections)


async def by_client(url: str, transport: httpx.AsyncBaseTransport, connections: int) -> float:
    """Return CPU milliseconds a request of ``httpx.AsyncClient``, with that many in flight."""
    async with httpx.AsyncClient(base_url=url, transport=transport, timeout=None, trust_env=False) as client:
        return await cpu_ms(lambda: client.get(PATH, headers={"Authorization": "Bearer none"}), connections)


async def cpu_ms(request: Callable[[], Awaitable[object]], connections: int) -> float:
    """Return CPU milliseconds a request with that many in flight, on connections that are open."""

    async def ask() -> None:
        for _ in range(REQUESTS_EACH):
            await request()

    async def all_at_once() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(connections):
                group.start_soon(ask)

    await all_at_once()  # opens the connections
    began = time.process_time()
    await all_at_once()
    return (time.process_time() - began) * 1000 / (connections * REQUESTS_EACH)


if __name__ == "__main__":
    with serve(speed=100.0) as server:
        print("CPU a request       ours   httpx's client over our transport   over its own pool")
        for number in CONNECTIONS:
            rounds: list[tuple[float, float, float]] = []
            for _ in range(ROUNDS):
                ours = anyio.run(by_wire, server.url, fast_transport(), number)
                client = anyio.run(by_client, server.url, fast_transport(), number)
                rounds.append((ours, client, anyio.run(by_client, server.url, stock_transport(number), number)))
            mine, layers, pool = (statistics.median(each) for each in zip(*rounds, strict=True))
            shown = f"{mine:6.2f} ms  {layers:6.2f} ms {layers / mine:5.1f} x   {pool:8.2f} ms {pool / mine:6.1f} x"
            print(f"{number:>5} in flight  {shown}")

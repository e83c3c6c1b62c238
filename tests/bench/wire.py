"""What one request costs the client: our transport against httpx's own pool, at few and at many connections.

The server is the embedded one in another process; both transports ask it the same in turn, and CPU is this process's own.
"""

from __future__ import annotations

import statistics
import time

import anyio
import httpx

from uderia_bench import embedded
from uderia_bench.gateway.wire import Wire, fast_transport

CONNECTIONS = (16, 256, 1000)
ROUNDS = 3
REQUESTS_EACH = 3


def stock_transport(connections: int) -> httpx.AsyncBaseTransport:
    """Return httpx's own transport with room for all connections."""
    return httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections))


async def cpu_ms(url: str, transport: httpx.AsyncBaseTransport, connections: int) -> float:
    """Return CPU milliseconds a request with that many requests in flight."""
    async with Wire(url, transport) as wire:

        async def ask() -> None:
            for _ in range(REQUESTS_EACH):
                await wire.exchange("GET", "/api/v1/auth/me", token="none")

        async def all_at_once() -> None:
            async with anyio.create_task_group() as group:
                for _ in range(connections):
                    group.start_soon(ask)

        await all_at_once()  # opens the connections
        began = time.process_time()
        await all_at_once()
        return (time.process_time() - began) * 1000 / (connections * REQUESTS_EACH)


if __name__ == "__main__":
    with embedded.serve(seed=1, speed=100.0) as address:
        print("CPU a request      ours   httpx's pool   ratio")
        for number in CONNECTIONS:
            ours, stock = [], []
            for _ in range(ROUNDS):
                ours.append(anyio.run(cpu_ms, address, fast_transport(), number))
                stock.append(anyio.run(cpu_ms, address, stock_transport(number), number))
            mine, theirs = statistics.median(ours), statistics.median(stock)
            print(f"{number:>5} in flight  {mine:6.2f} ms  {theirs:8.2f} ms   {theirs / mine:6.1f} x")

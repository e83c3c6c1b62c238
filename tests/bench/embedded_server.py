"""How much of one core the embedded server takes: 1,000 tasks in flight at true speed, and 1,000 OPTIM trials at speed 50.

The client is this process, on another core, with sockets and no HTTP library: it must not be what is measured. There is no
capacity limit here (``--tasks-per-s 0``): what is measured is the program, not the server it plays.

    python -m bench.embedded_server [trials]
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from bench import machine, server
from bench.server import Server

POLL_S = 2.0  # how often a client that stands in for the gateway looks at each task
PROMPTS = (
    "how many databases are on the system?",
    "list the tables in sales_db",
    "which version do we run?",
    "count the rows of orders",
    "system usage for the past 4 days",
)


class Connection:
    """One keep-alive connection speaking the little HTTP a trial needs."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.token = ""

    async def call(self, method: str, path: str, body: object = None) -> dict:
        """Send one request and return the JSON it is answered with."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nhost: sim\r\nauthorization: Bearer {self.token}\r\n"
        writer.write(f"{head}content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content)
        answered = await reader.readuntil(b"\r\n\r\n")
        length = int(answered.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return json.loads(await reader.readexactly(length))


async def measure(served: Server, *, trials: int, concurrency: int, poll_s: float, at_most_s: float) -> str:
    """Ask so many OPTIM questions, or as many as get an answer in ``at_most_s``, and say what the server took for them."""
    token, profile = server.sign_in(served.url)
    port = int(served.url.rsplit(":", 1)[1])
    began, used = time.monotonic(), served.cpu_s()
    numbers, in_flight, most, done, late = iter(range(trials)), 0, 0, 0, 0.0

    async def client() -> None:
        nonlocal in_flight, most, done, late
        connection = Connection("127.0.0.1", port)
        connection.token = token
        for number in numbers:
            session = (await connection.call("POST", "/api/v1/sessions", {"profile_id": profile}))["session_id"]
            query = {"prompt": PROMPTS[number % len(PROMPTS)], "profile_id": profile}
            path = (await connection.call("POST", f"/api/v1/sessions/{session}/query", query))["status_url"]
            in_flight += 1
            most = max(most, in_flight)
            while True:
                asked = time.monotonic()
                task = await connection.call("GET", path)
                late = max(late, time.monotonic() - asked)
                if task["status"] in server.TERMINAL:
                    break
                await asyncio.sleep(poll_s)
            await connection.call("GET", f"/api/v1/sessions/{session}/details")
            in_flight -= 1
            done += 1

    clients = [asyncio.create_task(client()) for _ in range(concurrency)]
    await asyncio.wait(clients, timeout=at_most_s)
    took, used = time.monotonic() - began, served.cpu_s() - used
    for running in clients:
        running.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    return (
        f"{done} of {trials} trials, at most {most} in flight, each polled every {poll_s:g} s: {took:.1f} s, "
        f"{used:.1f} s of CPU, {used / took:.0%} of a core, slowest poll {1000 * late:.0f} ms"
    )


def serve_and_measure(speed: float, **how: float) -> None:
    """Start a server, measure it and print the result."""
    with server.serve(speed=speed) as served:
        print(f"speed {speed:g}: {asyncio.run(measure(served, **how))}")


def main() -> None:
    """Measure both."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    machine.take(machine.client_core())
    serve_and_measure(1.0, trials=trials, concurrency=trials, poll_s=POLL_S, at_most_s=30.0)
    serve_and_measure(50.0, trials=trials, concurrency=64, poll_s=0.05, at_most_s=120.0)


if __name__ == "__main__":
    main()

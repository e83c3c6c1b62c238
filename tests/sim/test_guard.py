"""Tests of requests that the server refuses: foreign hosts and origins, large and slow requests."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from waiting import until

from uderia_bench.sim import guard

SCRIPT = """
import sys
from uderia_bench.sim import connections, guard, serving
from uderia_bench.sim.config import Settings
connections.REQUEST_S = guard.BODY_S = float(sys.argv[1])
serving.serve(Settings(speed=100, login_limit=0), keep_alive_s=0, exit_with_parent=True, allowed_hosts=["bench.test"])
"""
LOGIN = "/api/v1/auth/login"
ADMIN = b'{"username": "admin", "password": "admin"}'


class Server:
    """A server process that waits ``seconds`` for a request."""

    def __init__(self, seconds: float) -> None:
        command = [sys.executable, "-c", SCRIPT, str(seconds)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.address = ("127.0.0.1", int(json.loads(self.process.stdout.readline())["url"].rsplit(":", 1)[1]))
        self.host = f"127.0.0.1:{self.address[1]}"

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """Send one request and return status and body. Underscores in header names become hyphens."""
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        connection.putrequest(method, path, skip_host="host" in headers)
        sent = {"content-type": "application/json", "content-length": str(len(body)), **headers}
        for name, value in sent.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders(body)
        answer = connection.getresponse()
        try:
            return answer.status, answer.read()
        finally:
            connection.close()

    def memory_mb(self) -> int:
        """Return the memory of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) // 1024

    def stop(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def running(seconds: float) -> Iterator[Server]:
    """Run a server process."""
    made = Server(seconds)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def server():
    """Run a server that waits for what a busy machine sends late."""
    yield from running(60.0)


@pytest.fixture(scope="module")
def impatient():
    """Run a server that waits two seconds for a request."""
    yield from running(2.0)


@pytest.mark.parametrize("host", ["rebind.evil.example", "rebind.evil.example:80", "localhost.evil.example", "evil", ""])
def test_a_foreign_host_is_refused(server, host):
    """A name that an attacker resolves to the loopback address gets no token and no truth."""
    for method, path, body in (("POST", LOGIN, ADMIN), ("GET", "/sim/truth", b"")):
        status, answer = server.request(method, path, body, host=host)
        assert status == 403
        assert b"token" not in answer


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:5050", "LOCALHOST", "sim.localhost", "[::1]:5050", "bench.test"])
def test_loopback_and_allowed_hosts_are_served(server, host):
    """IP addresses, localhost and ``--allow-host`` names are accepted."""
    assert server.request("POST", LOGIN, ADMIN, host=host)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", LOGIN), ("POST", "/sim/restart"), ("GET", "/sim/truth"), ("DELETE", "/api/session/x")]
)
def test_a_page_of_another_origin_is_refused(server, method, path, headers):
    """The refusal comes before the route, also for requests that a browser sends without a preflight."""
    status, answer = server.request(method, path, ADMIN if path == LOGIN else b"", **headers)
    assert (status, json.loads(answer)) == (403, {"error": "A page of another origin cannot use this server."})


def test_a_page_of_the_same_origin_is_served(server):
    """The origin equals the host of the request. A link from another page may be followed."""
    assert server.request("POST", "/sim/restart", origin=f"http://{server.host}")[0] == 200
    assert server.request("GET", "/sim/truth", sec_fetch_site="cross-site", sec_fetch_mode="navigate")[0] == 200


def test_a_large_body_is_refused_without_reading_it(server):
    """A length of 300 MB is refused at once, a chunked body at the limit, and memory does not grow."""
    before = server.memory_mb()
    with socket.create_connection(server.address, timeout=60) as connection:
        connection.sendall(f"POST {LOGIN} HTTP/1.1\r\nhost: {server.host}\r\ncontent-length: 300000000\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
    with socket.create_connection(server.address, timeout=60) as connection:
        head = f"POST {LOGIN} HTTP/1.1\r\nhost: {server.host}\r\ntransfer-encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        for _ in range(9):
            connection.sendall(b"100000\r\n" + b"x" * 2**20 + b"\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
    assert server.memory_mb() - before < 40
    assert server.request("POST", LOGIN, ADMIN)[0] == 200


OPEN = b"(no data)"


def read(connection: socket.socket) -> bytes:
    """Return received data, ``OPEN`` if there is none, empty if the server closed the connection."""
    connection.settimeout(0.01)
    try:
        return connection.recv(1000)
    except TimeoutError:
        return OPEN
    except ConnectionError:
        return b""


def test_half_requests_are_closed(impatient):
    """Connections without a complete request are closed after their time; others are served."""
    held = [socket.create_connection(impatient.address, timeout=60) for _ in range(100)]
    for number, connection in enumerate(held):
        connection.sendall((b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")[number % 2])
    assert impatient.request("POST", LOGIN, ADMIN)[0] == 200
    until(lambda: not any(read(connection) for connection in held), "the half requests are closed")
    for connection in held:
        connection.close()


def test_a_second_half_request_is_closed(impatient):
    """The time starts again after a response."""
    with socket.create_connection(impatient.address, timeout=60) as connection:
        connection.sendall(b"GET /sim/truth HTTP/1.1\r\nHost: localhost\r\n\r\nGET /sim/truth HTTP/1.1\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        with suppress(ConnectionError):
            while connection.recv(1000):
                pass


def test_a_slow_body_is_refused(impatient):
    """A body that does not arrive gives 408."""
    with socket.create_connection(impatient.address, timeout=60) as connection:
        connection.sendall(f"POST {LOGIN} HTTP/1.1\r\nhost: {impatient.host}\r\ncontent-length: 100\r\n\r\n{{".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_leaves_within_its_request_is_forgotten():
    """It causes no error, whose traceback would fill the terminal of the server."""
    asked = []

    async def app(*_):
        asked.append(True)

    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def receive():
        return next(messages)

    scope = {"type": "http", "method": "POST", "headers": [(b"host", b"localhost"), (b"content-length", b"9")]}
    asyncio.run(guard.Guard(app)(scope, receive, app))
    assert asked == []


def test_a_second_origin_is_checked_too(server):
    """Each header with an origin counts."""
    with socket.create_connection(server.address, timeout=60) as connection:
        own = f"POST /sim/restart HTTP/1.1\r\nhost: {server.host}\r\norigin: http://{server.host}\r\n"
        connection.sendall(f"{own}origin: http://evil.test\r\ncontent-length: 0\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 403 ")


def test_a_running_request_is_not_closed(impatient):
    """A notification stream stays open longer than the time for a request."""
    with socket.create_connection(impatient.address, timeout=60) as connection:
        connection.sendall(b"GET /api/notifications/subscribe?user_uuid=x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"text/event-stream" in connection.recv(1000)
        time.sleep(3.0)
        assert read(connection)

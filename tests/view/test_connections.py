"""Connections that never send a request end, and do not take all file descriptors of the view."""

from __future__ import annotations

import asyncio
import socket

import pytest
from uvicorn import Config, Server
from websockets.asyncio.client import connect

from uderia_bench.view import connections
from uderia_bench.view.connections import Connection


async def _app(scope, receive, send):
    await receive()
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        await receive()
        await send({"type": "websocket.send", "text": "still here"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def serving(talk):
    """Serve an application while something talks with it at a port; return what that returns."""

    async def go():
        server = Server(Config(_app, http=Connection, ws="websockets-sansio", lifespan="off", log_level="critical"))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            task = asyncio.create_task(server.serve([listener]))
            try:
                return await talk(listener.getsockname()[1])
            finally:
                server.should_exit = True
                await task

    return asyncio.run(go())


async def _ended(reader):
    """Return what a connection sent until its end, also where it was reset."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b"reset"


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT"])
def test_a_request_that_is_not_complete_in_time_is_closed(monkeypatch, sent):
    """Also the second one of a connection. It may trickle."""
    monkeypatch.setattr(connections, "REQUEST_S", 0.3)

    async def talk(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        ended = asyncio.create_task(_ended(reader))
        for _ in range(40):
            if ended.done():
                break
            writer.write(b"a" if sent else b"")
            await asyncio.sleep(0.05)
        assert ended.done()
        writer.close()

    serving(talk)


def test_the_connections_are_limited(monkeypatch):
    """A further one is closed at once. The others stay."""
    monkeypatch.setattr(connections, "MOST", 2)

    async def talk(port):
        made = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        further = await asyncio.open_connection("127.0.0.1", port)
        assert await asyncio.wait_for(_ended(further[0]), 5) in (b"", b"reset")
        for reader, writer in made:
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).endswith(b"ok")
        for _, writer in (*made, further):
            writer.close()

    serving(talk)


def test_a_websocket_stays_open(monkeypatch):
    """The time of a request ends when it becomes a WebSocket."""
    begun, start = [], Connection._start

    def starts(connection):
        start(connection)
        begun.append(connection._deadline)

    monkeypatch.setattr(Connection, "_start", starts)

    async def talk(port):
        async with connect(f"ws://127.0.0.1:{port}/", proxy=None) as page:
            assert [deadline.cancelled() for deadline in begun] == [True]
            await page.send("?")
            return await page.recv()

    assert serving(talk) == "still here"

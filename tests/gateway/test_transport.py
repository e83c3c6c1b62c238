"""What the transport calls a failure: only what surely did not go out is an error of connecting."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute

from uderia_bench.gateway.transport import AiohttpTransport
from uderia_bench.gateway.wire import NEVER_ARRIVED

pytestmark = pytest.mark.anyio
SHORT_S = 0.2  # for the limit that a test is about; the other one is long, as a busy machine may use up a short one


@pytest.fixture
def anyio_backend():
    """Run on asyncio: the connections are aiohttp's."""
    return "asyncio"


@asynccontextmanager
async def listening(handle):
    """Yield the port of a server on which ``handle`` has every connection."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with anyio.create_task_group() as group:
        group.start_soon(listener.serve, handle)
        yield listener.extra(SocketAttribute.local_port)
        group.cancel_scope.cancel()
    await listener.aclose()


async def silent(stream):
    """Read and do not answer."""
    async with stream:
        await stream.receive()
        await anyio.sleep_forever()


async def plain(stream):
    """Answer in plain HTTP, whatever is spoken."""
    async with stream:
        await stream.receive()
        await stream.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


async def get(url: str, **limits: float) -> httpx.Response:
    """Send one request."""
    async with AiohttpTransport(buffer=1024) as transport:
        request = httpx.Request("GET", url, extensions={"timeout": {"connect": 60.0, "read": 60.0, **limits}})
        return await transport.handle_async_request(request)


async def test_a_request_to_an_unknown_name_never_arrived():
    """The resolver says so before anything is sent."""
    with pytest.raises(httpx.ConnectError) as caught:
        await get("http://uderia.invalid/")
    assert isinstance(caught.value, NEVER_ARRIVED)


async def test_another_protocol_is_not_spoken():
    """Only http and https are."""
    with pytest.raises(httpx.UnsupportedProtocol):
        await get("ftp://127.0.0.1/")


async def test_no_tls_on_the_other_side_never_arrived():
    """The request follows the handshake, which fails."""
    async with listening(plain) as port:
        with pytest.raises(httpx.ConnectError):
            await get(f"https://127.0.0.1:{port}/")


async def test_a_connection_that_is_not_accepted_never_arrived():
    """Where connecting takes too long, nothing was sent."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        others = [socket.socket() for _ in range(3)]
        for other in others:
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        try:
            with pytest.raises(httpx.ConnectTimeout):
                await get(f"http://127.0.0.1:{full.getsockname()[1]}/", connect=SHORT_S)
        finally:
            for other in others:
                other.close()


async def test_silence_after_the_request_may_have_arrived():
    """The server has the request, and what it did with it is unknown."""
    async with listening(silent) as port:
        with pytest.raises(httpx.ReadTimeout) as caught:
            await get(f"http://127.0.0.1:{port}/", read=SHORT_S)
    assert not isinstance(caught.value, NEVER_ARRIVED)

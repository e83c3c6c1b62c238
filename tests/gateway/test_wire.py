"""What the wire promises of real connections that break, stall or lie: what may have arrived, and answers with bounds."""

from __future__ import annotations

import gzip
import socket
import struct
from contextlib import asynccontextmanager, suppress

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute

from uderia_bench.errors import NoAnswer, Refused, Throttled
from uderia_bench.gateway import wire
from uderia_bench.gateway.wire import Wire, fast_transport, refuse

pytestmark = pytest.mark.anyio
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def anyio_backend():
    """Run on asyncio and real sockets: the transport is aiohttp's."""
    return "asyncio"


@asynccontextmanager
async def answering(answer):
    """Listen, read a request, let ``answer(stream)`` do what it will with the connection; yield a wire to it."""

    async def handle(stream):
        async with stream:
            await stream.receive()
            await answer(stream)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    async with anyio.create_task_group() as group, Wire(f"http://127.0.0.1:{port}", fast_transport()) as opened:
        group.start_soon(listener.serve, handle)
        yield opened
        group.cancel_scope.cancel()
    await listener.aclose()


def reset(stream) -> None:
    """Have the connection reset, not closed, when it goes."""
    stream.extra(SocketAttribute.raw_socket).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def hang_up(_):
    """Close without a word, as a server that is killed."""


async def hang_up_hard(stream):
    """Reset without a word."""
    reset(stream)


async def cut_off(stream):
    """Promise more than is sent."""
    await stream.send(JSON + b"Content-Length: 100\r\n\r\n" + b'{"task_id": ')


async def talk_nonsense(stream):
    """Send what is not HTTP."""
    await stream.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n\r\n")


async def cut_in_chunks(stream):
    """Break off inside a chunked body."""
    await stream.send(JSON + b"Transfer-Encoding: chunked\r\n\r\n40\r\n{")


@pytest.mark.parametrize("answer", [hang_up, hang_up_hard, cut_off, talk_nonsense, cut_in_chunks])
async def test_what_breaks_after_the_request_went_out_may_have_arrived(answer):
    """Whatever the transport calls it: taken for never sent, a query would be asked twice."""
    async with answering(answer) as opened:
        with pytest.raises(NoAnswer) as caught:
            await opened.exchange("POST", "/query", body={"prompt": "x"})
    assert caught.value.arrived


async def test_a_refused_connection_never_arrived():
    """No server listens, so the query can be sent again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with Wire(f"http://127.0.0.1:{taken.getsockname()[1]}", fast_transport()) as opened:
            with pytest.raises(NoAnswer) as caught:
                await opened.exchange("POST", "/query", body={})
    assert not caught.value.arrived


async def test_an_answer_that_comes_by_drops_is_given_up(monkeypatch):
    """A byte now and then keeps the read timeout away, and does not keep a slot for ever."""

    async def drip(stream):
        await stream.send(JSON + b"Content-Length: 1000\r\n\r\n")
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            for _ in range(1000):
                await stream.send(b" ")
                await anyio.sleep(0.05)

    monkeypatch.setattr(wire, "WHOLE_ANSWER_S", 0.5)
    async with answering(drip) as opened:
        with pytest.raises(NoAnswer, match=r"no whole answer within 0\.5 s") as caught:
            await opened.exchange("POST", "/query", body={})
        assert caught.value.arrived
        await anyio.sleep(0.2)


@pytest.mark.parametrize("packed", [False, True])
async def test_memory_is_bounded_by_what_is_read(monkeypatch, packed):
    """An answer larger than the limit is dropped while it comes, packed ones by what they unpack to."""
    monkeypatch.setattr(wire, "LARGEST_BODY", 2**20)
    body = gzip.compress(b" " * 2**24) if packed else b" " * 2**24
    encoding = b"Content-Encoding: gzip\r\n" if packed else b""

    async def flood(stream):
        try:
            await stream.send(JSON + encoding + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        except anyio.BrokenResourceError:
            return

    async with answering(flood) as opened:
        with pytest.raises(Refused, match="larger than 1 MB"):
            await opened.exchange("GET", "/task")


async def test_packed_answers_are_asked_for_and_unpacked():
    """gzip, as a proxy may send it; what only says that it is packed is no answer."""
    asked = []

    def answer(request):
        asked.append(request.headers["Accept-Encoding"])
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(gzip.compress(b"[1]")))

    async with Wire("https://uderia.test", httpx.MockTransport(answer)) as opened:
        assert (await opened.exchange("GET", "/task")).json() == [1]
    assert asked == ["gzip"]

    async def pretend(stream):
        await stream.send(JSON + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}")

    async with answering(pretend) as opened:
        with pytest.raises(NoAnswer) as caught:
            await opened.exchange("GET", "/task")
    assert caught.value.arrived


async def test_a_redirect_is_an_answer_and_not_followed():
    """A token must not travel to where a server points."""
    asked = []

    def answer(request):
        asked.append(request.url.path)
        return httpx.Response(302, headers={"Location": "https://elsewhere.test/"})

    async with Wire("https://uderia.test", httpx.MockTransport(answer)) as opened:
        assert (await opened.exchange("GET", "/task", token="secret")).status == 302
    assert asked == ["/task"]


async def test_a_connection_serves_many_requests():
    """Opening one costs more than a request."""
    connections = 0

    async def serve(stream):
        nonlocal connections
        connections += 1
        while True:
            await stream.send(JSON + b"Content-Length: 2\r\n\r\n{}")
            try:
                await stream.receive()
            except anyio.EndOfStream:
                return

    async with answering(serve) as opened:
        for _ in range(5):
            assert (await opened.exchange("GET", "/task")).json() == {}
    assert connections == 1


async def test_what_is_no_address_is_said_before_anything_is_sent():
    """A mistyped server is no answer that may have arrived."""
    async with Wire("https://uderia.test:port", httpx.MockTransport(lambda _: httpx.Response(200))) as opened:
        with pytest.raises(NoAnswer, match="is not a valid address") as caught:
            await opened.exchange("GET", "/task")
    assert not caught.value.arrived


async def test_fifty_megabytes_come_through():
    """A task with large results is read whole."""

    async def long(stream):
        await stream.send(JSON + b"Content-Length: %d\r\n\r\n" % (50 * 2**20 + 2) + b" " * (50 * 2**20) + b"{}")

    async with answering(long) as opened:
        reply = await opened.exchange("GET", "/task")
    assert len(reply.body) == 50 * 2**20 + 2
    assert reply.json() == {}


@pytest.mark.parametrize(
    ("headers", "body", "waits"),
    [
        ({}, b'{"retry_after": 7}', 7.0),
        ({}, b'{"retry_after": 1e300}', 86_400.0),
        ({}, b'{"retry_after": ' + b"9" * 400 + b"}", None),
        ({"Retry-After": "9" * 400}, b"", 86_400.0),
        ({"Retry-After": "9" * 5000}, b"", 86_400.0),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, b"", 86_400.0),
        ({}, b'{"retry_after_seconds": 8}', 8.0),
        ({"Retry-After": "9"}, b"", 9.0),
        ({"Retry-After": "9"}, b'{"retry_after": 7}', 7.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, b"", 0.0),
        ({"Retry-After": "soon"}, b"<html>", None),
        ({"Retry-After": "-1"}, b'{"retry_after": true}', None),
        ({}, b"", None),
    ],
)
async def test_when_to_come_back_is_read_wherever_it_stands(headers, body, waits):
    """From the server's body, else from a proxy's header in either form; nonsense is no answer."""
    transport = httpx.MockTransport(lambda _: httpx.Response(429, headers=headers, content=body))
    async with Wire("https://uderia.test", transport) as opened:
        refused = refuse(await opened.exchange("GET", "/x"), "x")
    assert isinstance(refused, Throttled)
    assert refused.retry_after_s == waits


async def test_what_is_sent_to_one_address_again_has_the_token_and_the_body_of_its_own_time():
    """Addresses and headers are kept for the next request: a renewed token and another body are not to be missed for that."""
    seen = []

    def answer(request):
        seen.append(request)
        return httpx.Response(200, json={})

    async with Wire("http://uderia.test", httpx.MockTransport(answer)) as opened:
        for method, token, body in [
            ("GET", "old", None),
            ("GET", "old", None),
            ("GET", "new", None),
            ("POST", "new", {"prompt": "1"}),
            ("POST", "new", {"prompt": "2"}),
        ]:
            await opened.exchange(method, "/api/v1/tasks/t", token=token, body=body)
    assert [request.headers["Authorization"] for request in seen] == ["Bearer old"] * 2 + ["Bearer new"] * 3
    assert [request.content for request in seen] == [b"", b"", b"", b'{"prompt":"1"}', b'{"prompt":"2"}']
    assert [request.headers.get("Content-Type") for request in seen] == [None] * 3 + ["application/json"] * 2
    assert {str(request.url) for request in seen} == {"http://uderia.test/api/v1/tasks/t"}


@pytest.mark.parametrize("host", ["a..b", "a" * 70])
async def test_a_request_to_an_impossible_host_never_arrived(host):
    """It has no address to be asked at, and nothing was sent."""
    async with Wire(f"https://{host}", fast_transport()) as opened:
        with pytest.raises(NoAnswer, match=host) as unanswered:
            await opened.exchange("GET", "/api/v1/auth/me")
    assert not unanswered.value.arrived

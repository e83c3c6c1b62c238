"""A packed answer is unpacked up to the limit and no further, in every encoding and however it arrives."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib

import httpx
import pytest
import zstandard
from bounded import bounded

from uderia_bench.errors import NoAnswer, Refused
from uderia_bench.gateway import unpacking, wire
from uderia_bench.gateway.unpacking import Body, TooLarge, too_many_values, unpacked_by
from uderia_bench.gateway.wire import Wire

MB = 2**20


class Once(httpx.AsyncByteStream):
    """A stream of one part. Not a generator, which trio would have to close."""

    def __init__(self, part: bytes) -> None:
        self._parts = [part]

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self._parts:
            raise StopAsyncIteration
        return self._parts.pop()


def raw_deflate(data: bytes) -> bytes:
    """Pack without zlib's header, as some servers do for deflate."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


def gzipped(data):
    """Pack without the time, which would give the tests another name in each worker."""
    return gzip.compress(data, mtime=0)


PACKERS = {
    "": lambda data: data,
    "identity": lambda data: data,
    "gzip": gzipped,
    "x-gzip": gzipped,
    "GZIP": gzipped,
    "deflate": zlib.compress,
    "deflate ": raw_deflate,
    "zstd": zstandard.compress,
    "gzip, gzip": lambda data: gzipped(gzipped(data)),
    "zstd, gzip": lambda data: gzipped(zstandard.compress(data)),
    "deflate, identity, zstd": lambda data: zstandard.compress(zlib.compress(data)),
}


def unpacked(encoding: str, packed: bytes, *, limit: int = 8 * MB, step: int = 1000) -> bytes:
    """Unpack what arrives in parts."""
    body = Body(limit)
    into = unpacked_by(encoding, body)
    for start in range(0, len(packed), step):
        into.write(packed[start : start + step])
    return body.whole()


@pytest.mark.parametrize("step", [1, 7, 1000, 10**9])
@pytest.mark.parametrize("encoding", PACKERS)
def test_what_was_packed_comes_out_again(encoding, step):
    """All at once, or a byte at a time."""
    data = b"".join(b'{"row": %d}' % number for number in range(400 if step < 1000 else 40_000))
    assert unpacked(encoding, PACKERS[encoding](data), step=step) == data


@pytest.mark.parametrize("encoding", [name for name in PACKERS if name not in ("", "identity")])
def test_a_bomb_stops_at_the_limit(encoding):
    """64 MB of blanks stop at 1 MB, and no more than a few MB are ever in memory."""
    packed = PACKERS[encoding](b" " * (64 * MB))
    tracemalloc.start()
    with pytest.raises(TooLarge):
        unpacked(encoding, packed, limit=MB, step=10**9)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * MB


def test_parts_of_gzip_in_a_row_are_one_body():
    """RFC 1952 allows it; zeros after the end are padding."""
    packed = gzipped(b"one ") + gzipped(b"two") + b"\0" * 20
    assert unpacked("gzip", packed, step=3) == b"one two"


@pytest.mark.parametrize("encoding", ["br", "compress", "gzip, gzip, gzip", "gzip, br"])
def test_what_cannot_be_unpacked_is_refused_by_name(encoding):
    """Encodings that were not asked for, and more layers than proxies add."""
    with pytest.raises(ValueError, match=r"packed (as '(br|compress)'|3 times)"):
        unpacked_by(encoding, Body(MB))


@pytest.mark.parametrize(
    ("body", "many"),
    [
        (b"[" + b"1," * 3_999_000 + b"1]", False),
        (b"[" + b"1," * 4_000_001 + b"1]", True),
        (b"[" + b'{"a":1},' * 2_100_000 + b"1]", True),
        (b"[" + b"[]," * 2_100_000 + b"1]", True),
        (b'{"text": "' + b"1,[{" * 2_000_000 + b'"}', False),  # inside a text they are not values
        (b'{"text": "' + b'\\",' * 4_100_000 + b'"}', False),
        (b" " * 10_000_000, False),
    ],
)
def test_values_are_counted_before_they_are_decoded(body, many):
    """A body whose values would fill memory is recognised by its commas and brackets outside of texts."""
    assert too_many_values(body) is many


def test_a_text_without_an_end_is_skipped_at_once():
    """Each of its escaped quotes could begin a text that reaches to the end of the body: minutes, in the event loop."""
    begin = time.process_time()
    assert too_many_values(b"[" + b"1," * 4_000_001 + b'"' + b'\\"' * 60_000)
    assert time.process_time() - begin < 5


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("encoding", "body", "said"),
    [
        ("zstd", zstandard.compress(b" " * (4 * MB)), "larger than 1 MB"),
        ("gzip, gzip", gzipped(gzipped(b" " * (4 * MB))), "larger than 1 MB"),
        ("gzip", gzipped(b"") * 2000, "of empty parts is not read"),
        ("zstd", b"\x50\x2a\x4d\x18\0\0\0\0" * 5000, "of empty parts is not read"),
        ("br", b"\0" * 100, "packed as 'br', which was not asked for"),
        ("", b"[" + b"[]," * 1000 + b"1]", "more than 1,000 JSON values"),
    ],
)
async def test_an_answer_beyond_a_limit_is_refused(monkeypatch, encoding, body, said):
    """The error names the address and the limit."""
    monkeypatch.setattr(wire, "LARGEST_BODY", MB)
    monkeypatch.setattr(unpacking, "MOST_VALUES", 1000)
    monkeypatch.setattr(unpacking, "MOST_EMPTY", 2**15)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers={"Content-Encoding": encoding}, stream=Once(body)))
    async with Wire("https://uderia.test", transport) as opened:
        with pytest.raises(Refused, match=f"https://uderia.test/task: an answer .*{said}"):
            await opened.exchange("GET", "/task")


@pytest.mark.anyio
async def test_a_kept_error_holds_no_memory_of_the_unpacking(monkeypatch):
    """An error may live until the next garbage collection, and each window of zstd takes 8 MB."""
    monkeypatch.setattr(wire, "LARGEST_BODY", 16 * MB)
    packer = zstandard.ZstdCompressor(level=19).compressobj()
    body = b"".join(packer.compress(b" " * MB) for _ in range(24)) + packer.flush()
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers={"Content-Encoding": "zstd"}, stream=Once(body)))
    kept = []
    async with Wire("https://uderia.test", transport) as opened:
        with bounded():
            for _ in range(16):
                with pytest.raises(Refused) as error:
                    await opened.exchange("GET", "/task")
                kept.append(error.value)
    assert len(kept) == 16


@pytest.mark.anyio
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
async def test_a_damaged_body_is_no_answer(encoding):
    """It may have been changed on its way, so a poll is repeated."""
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, headers={"Content-Encoding": encoding}, stream=Once(b"\x78{} no such thing"))
    )
    async with Wire("https://uderia.test", transport) as opened:
        with pytest.raises(NoAnswer, match="cannot be unpacked"):
            await opened.exchange("GET", "/task")

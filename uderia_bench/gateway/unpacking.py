"""Unpack the body of an answer part by part, within a limit on its unpacked size and on its number of JSON values.

Why the size is checked while unpacking: 131 KB of zstd can contain 8.8 GB. Why the number of values is limited too:
100 MB of small JSON objects take 4 GB once decoded.
"""

from __future__ import annotations

import re
import zlib
from typing import IO, Protocol, cast

import zstandard

PART = 2**16  # bytes unpacked at once
LARGEST_WINDOW = 2**23  # bytes: what RFC 8878 asks a zstd decoder to support
MOST_EMPTY = 2**20  # bytes by which an answer may be longer than its unpacked body: gzip and zstd allow empty parts
MOST_LAYERS = 2  # of packing: a proxy may pack what a server has packed
# JSON values in one body, counted by their commas and brackets. 50 MB of table rows have about 3 million. In the worst
# case (objects of one key) this many take 0.5 GB decoded.
MOST_VALUES = 4_000_000
_TEXTS = re.compile(rb'"(?:[^"\\]|\\.?)*+"?', re.DOTALL)  # one without an end reaches to the end of the body


class TooLarge(Exception):
    """The body is larger than the limit."""


class _Writer(Protocol):
    def write(self, data: bytes, /) -> int: ...


class Body:
    """The unpacked bytes, up to ``limit``."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._packed = 0
        self._parts: list[bytes] = []

    def count(self, packed: bytes) -> None:
        """Count bytes as they arrived; raises ``ValueError`` where they unpack to less."""
        self._packed += len(packed)
        if self._packed > self._size + MOST_EMPTY:
            self._parts.clear()
            raise ValueError("of empty parts is not read")

    def write(self, data: bytes) -> int:
        """Keep bytes; raises ``TooLarge``."""
        self._size += len(data)
        if self._size > self._limit:
            self._parts.clear()  # the error's traceback may be kept, and with it this object
            raise TooLarge
        self._parts.append(data)
        return len(data)

    def whole(self) -> bytes:
        """Return all bytes."""
        return b"".join(self._parts)


class _Zlib:
    """Unpacks gzip (also several in a row) or deflate (with or without the header of zlib)."""

    def __init__(self, out: _Writer, *, gzip: bool) -> None:
        self._out = out
        self._gzip = gzip
        self._stream: zlib._Decompress | None = None

    def write(self, data: bytes) -> int:
        size = len(data)
        while data:
            if self._stream is None:
                if self._gzip:
                    window = 16 + zlib.MAX_WBITS
                else:
                    window = zlib.MAX_WBITS if data[0] & 0xF == zlib.DEFLATED else -zlib.MAX_WBITS
                self._stream = zlib.decompressobj(window)
            elif self._stream.eof:
                if not (self._gzip and data.startswith(b"\x1f")):
                    break  # padding after the end
                self._stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
            self._out.write(self._stream.decompress(data, PART))
            while not self._stream.eof and (part := self._stream.decompress(self._stream.unconsumed_tail, PART)):
                self._out.write(part)
            data = self._stream.unused_data
        return size


def unpacked_by(encoding: str, body: Body) -> _Writer:
    """Return what takes the bytes of an answer with this ``Content-Encoding`` and writes them unpacked into ``body``.

    Writing raises ``TooLarge``, or ``zlib.error`` or ``zstandard.ZstdError`` for damaged bytes. Raises
    ``ValueError`` for an encoding that cannot be read.
    """
    names = [name for each in encoding.split(",") if (name := each.strip().lower()) not in ("", "identity")]
    if len(names) > MOST_LAYERS:
        raise ValueError(f"packed {len(names)} times")
    out: _Writer = body
    for name in names:  # the first was applied first, so it is undone last
        if name in ("gzip", "x-gzip", "deflate"):
            out = _Zlib(out, gzip=name != "deflate")
        elif name == "zstd":
            unpack = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW)
            out = unpack.stream_writer(cast("IO[bytes]", out), write_size=PART, closefd=False)  # it only calls write
        else:
            raise ValueError(f"packed as {name!r}, which was not asked for")
    return out


def too_many_values(body: bytes) -> bool:
    """Whether a body has more than ``MOST_VALUES`` JSON values. Commas and brackets inside texts do not count."""
    return len(body) > MOST_VALUES and _marks(body) > MOST_VALUES and _marks(_TEXTS.sub(b"", body)) > MOST_VALUES


def _marks(body: bytes) -> int:
    return body.count(b",") + body.count(b"[") + body.count(b"{")

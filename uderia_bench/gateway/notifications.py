"""The server's notification stream, read for one thing: which task it says has ended. A hint to look, never an authority.

Every event of every task of the user comes by (docs/reference/protocol.md, "Push channels"), and
none is decoded: bytes are searched for the mark of a completion, and only its line for the task's
id. Why a nap between reads: each event is written on its own, and each would wake this process;
napped over, and the transport paused meanwhile, they come together.

What comes may be anything. An id of no task of ours is ignored by who is told, and a line is kept no longer than
``LONGEST_LINE``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import anyio

from uderia_bench.gateway.wire import Wire

PATH = "/api/notifications/subscribe?user_uuid="
NAP_S = 0.02  # how late a hint may come for it
FULL = 2**14  # bytes: a part as large as the transport gives them says that more is waiting, and no nap is due
LONGEST_LINE = 2**20  # bytes; an answer comes whole in its completion
_MARK = b'"rest_task_complete"'
_TASK_ID = re.compile(rb'(?<!\\)"task_id"\s*:\s*"([A-Za-z0-9_-]{1,128})"')


class Scanner:
    """Finds completions in a stream that is cut anywhere."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, part: bytes) -> tuple[str, ...]:
        """Take the next part; return the ids in the completions that it ends."""
        text = self._rest + part
        end = text.rfind(b"\n") + 1
        lines, rest = text[:end], text[end:]
        self._rest = rest if len(rest) <= LONGEST_LINE else b""
        if _MARK not in lines:
            return ()
        said = (line for line in lines.split(b"\n") if line.startswith(b"data:") and _MARK in line)
        return tuple(found.decode() for line in said for found in _TASK_ID.findall(line))


async def listen(wire: Wire, user_uuid: str, opened: Callable[[], None], told: Callable[[str], None]) -> None:
    """Say when the stream is open, then every task that is said to have ended; return when it ends. Raises ``CallFailed``."""
    scanner = Scanner()
    async with wire.listen(PATH + user_uuid) as parts:
        opened()
        async for part in parts:
            for task_id in scanner.feed(part):
                told(task_id)
            if len(part) < FULL:
                await anyio.sleep(NAP_S)

"""The server's notification stream, searched for tasks that have ended.

A notification is a hint to poll: the poll decides whether a task has ended. The stream has every event of every task
of the user (docs/reference/protocol.md, "Push channels"). They are not decoded: the bytes are searched for the mark of
a completion, and only its line for the task's id.

Why a pause between reads: the server writes each event separately, and each would wake this process. With a pause, and
the transport stopped meanwhile, they arrive together.

The content is not trusted. Callers ignore the ids of unknown tasks, and a line is kept only up to ``LONGEST_LINE``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import anyio

from uderia_bench.gateway.wire import Wire

PATH = "/api/notifications/subscribe?user_uuid="
NAP_S = 0.02  # the pause delays a hint by up to this
FULL = 2**14  # bytes: a full part means that more is waiting, so the next read follows without a pause
LONGEST_LINE = 2**20  # bytes; a completion contains the whole answer
_MARK = b'"rest_task_complete"'
_TASK_ID = re.compile(rb'(?<!\\)"task_id"\s*:\s*"([A-Za-z0-9_-]{1,128})"')


class Scanner:
    """Finds completions in a stream that arrives in arbitrary parts."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, part: bytes) -> tuple[str, ...]:
        """Take the next part and return the ids of the completions that end in it."""
        text = self._rest + part
        end = text.rfind(b"\n") + 1
        lines, rest = text[:end], text[end:]
        self._rest = rest if len(rest) <= LONGEST_LINE else b""
        if _MARK not in lines:
            return ()
        said = (line for line in lines.split(b"\n") if line.startswith(b"data:") and _MARK in line)
        return tuple(found.decode() for line in said for found in _TASK_ID.findall(line))


async def listen(wire: Wire, user_uuid: str, opened: Callable[[], None], told: Callable[[str], None]) -> None:
    """Call ``opened`` when the stream is open and ``told`` for every ended task, until it ends; raises ``CallFailed``."""
    scanner = Scanner()
    async with wire.listen(PATH + user_uuid) as parts:
        opened()
        async for part in parts:
            for task_id in scanner.feed(part):
                told(task_id)
            if len(part) < FULL:
                await anyio.sleep(NAP_S)

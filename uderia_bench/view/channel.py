"""The newest state of one address, and its changes since a page last heard of it.

A channel keeps the newest value of every field and part with the number of its last change. A page that asks
for all since a number gets the newest of what changed since, in one message. So a slow page skips what lies
between, a page that comes back catches up, and no queue can grow.

Why numbers begin at the time in milliseconds: after a restart of the view they are higher than all before it, so
an older number is recognised, and the page gets everything.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import orjson


@dataclass(slots=True)
class Channel:
    """The state of one address, from the event loop only."""

    first: int = field(default_factory=lambda: int(time.time() * 1000))
    seq: int = 0
    error: str | None = None
    listeners: int = 0
    pinned: bool = False
    left_s: float = field(default_factory=time.monotonic)
    state: Any = None
    _fields: dict[str, tuple[int, Any]] = field(default_factory=dict)
    _parts: dict[str, tuple[int, str]] = field(default_factory=dict)
    _changed: anyio.Event = field(default_factory=anyio.Event)
    _made: tuple[int, int, str] = (-1, -1, "")

    @property
    def ready(self) -> bool:
        """Whether there is a state or an error to show."""
        return self.seq > 0 or self.error is not None

    @property
    def parts(self) -> dict[str, str]:
        """The parts of the page as they are."""
        return {name: part for name, (_, part) in self._parts.items()}

    def publish(self, state: Any, fields: Mapping[str, Any], parts: Mapping[str, str]) -> None:
        """Take changed fields and parts, and wake the pages."""
        self.state, self.error = state, None
        self.seq = max(self.first, self.seq + 1)
        self._fields |= {name: (self.seq, value) for name, value in fields.items()}
        self._parts |= {name: (self.seq, part) for name, part in parts.items()}
        self.wake()

    def fail(self, error: str) -> None:
        """Take the reason why there is nothing to show."""
        self.error = error
        self.wake()

    async def change(self) -> None:
        """Wait for the next change."""
        await self._changed.wait()

    def since(self, seq: int | None) -> str:
        """Return the message with all that changed after ``seq``; a snapshot for None and for a number of another start."""
        whole = seq is None or not self.first <= seq <= self.seq
        after = 0 if whole or seq is None else seq
        if self._made[:2] == (self.seq, after):  # several pages that keep up get the same message
            return self._made[2]
        message = {
            "seq": self.seq,
            "kind": "snapshot" if whole else "delta",
            "since": None if whole else seq,
            "state": {name: value for name, (changed, value) in self._fields.items() if changed > after},
            "parts": {name: part for name, (changed, part) in self._parts.items() if changed > after},
        }
        self._made = (self.seq, after, orjson.dumps(message).decode())
        return self._made[2]

    def wake(self) -> None:
        """Have every page look for what it has not heard of."""
        self._changed.set()
        self._changed = anyio.Event()

"""A task as the server keeps it: events that only grow, a status, a result. Serialised once: every poll asks for all of it."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from uderia_bench.sim.truth import Ledger

SORTED = orjson.OPT_SORT_KEYS  # the server sorts the keys of everything it sends


class Task:
    """One asynchronous job."""

    def __init__(
        self, *, task_id: str, user_uuid: str, session_id: str, profile_id_override: Any, ledger: Ledger, now: str
    ) -> None:
        self.id = task_id
        self.user_uuid = user_uuid
        self.session_id = session_id
        self.ledger = ledger
        self.status = "processing"
        self.reads = 0
        self.abandoned = False  # the server restarted under it: nothing of it is kept
        self.job: asyncio.Task[None] | None = None  # keeps the running coroutine alive, and cancellable
        self._override = profile_id_override
        self._events: list[bytes] = []
        self._result: orjson.Fragment | None = None
        self._last_updated = now
        self._body: bytes | None = None

    def append(self, event: bytes, now: str) -> None:
        """Add one serialised event."""
        self._events.append(event)
        self._last_updated = now
        self._body = None

    def set_status(self, status: str, now: str, result: orjson.Fragment | dict[str, Any] | None = None) -> None:
        """Change the status, and the result with it where one is given; serialised here, so that no read can fail on it."""
        if result is not None:
            self._result = orjson.Fragment(orjson.dumps(result, option=SORTED))
        self.status = status
        self._last_updated = now
        self._body = None

    def body(self) -> bytes:
        """Return the task as GET /tasks/{id} sends it."""
        if self._body is None:
            head, tail = orjson.dumps(
                {
                    "events": [orjson.Fragment(b"%EVENTS%")],
                    "intermediate_data": [],
                    "last_updated": self._last_updated,
                    "profile_id_override": self._override,
                    "result": self._result,
                    "session_id": self.session_id,
                    "status": self.status,
                    "task_id": self.id,
                    "user_uuid": self.user_uuid,
                },
                option=SORTED,
            ).split(b"%EVENTS%", 1)
            self._body = b"".join((head, b",".join(self._events), tail))
            if self.status in ("complete", "error", "cancelled"):
                self._events = []  # nothing is added any more: the body is the only copy
        return self._body

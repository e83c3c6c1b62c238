"""Tasks: events, status and result. Each event is serialised once, because every poll reads all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson

from uderia_bench.sim.agent.profiles import Profile
from uderia_bench.sim.truth import Ledger

SORTED = orjson.OPT_SORT_KEYS  # the server sorts the keys of all JSON
_RUNNING = ("pending", "processing", "cancelling")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The form of a task: the key of an event's data, names of the final statuses, further keys."""

    data_key: str
    statuses: dict[str, str] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)


QUERY = Form(data_key="event_data")
# Tasks of the genie-query endpoint (docs/reference/protocol.md, "Submitting a query").
COORDINATION = Form(data_key="payload", statuses={"complete": "completed", "error": "failed"}, own={"query_type": "genie"})


class Task:
    """One asynchronous task of the server."""

    def __init__(
        self,
        *,
        task_id: str,
        user_uuid: str,
        session_id: str,
        profile: Profile,
        profile_id_override: Any,
        ledger: Ledger,
        now: str,
        form: Form = QUERY,
    ) -> None:
        self.id = task_id
        self.user_uuid = user_uuid
        self.session_id = session_id
        self.profile = profile
        self.ledger = ledger
        self.form = form
        self.status = "processing"
        self.reads = 0
        self.answer: str | None = None  # text of the answer, for a coordinator
        self.abandoned = False  # the server restarted while it ran
        self.job: asyncio.Task[None] | None = None  # reference to the running coroutine
        self._override = profile_id_override
        self._events: list[bytes] = []
        self._intermediate: list[dict[str, Any]] = []
        self._result: orjson.Fragment | None = None
        self._last_updated = now
        self._body: bytes | None = None

    @property
    def running(self) -> bool:
        """Whether the task has not ended."""
        return self.status in _RUNNING

    def cancel(self, now: str) -> None:
        """Ask a task that works to stop; it ends as cancelled by the user a moment later."""
        if self.status == "processing" and self.job is not None:
            self.set_status("cancelling", now)
            self.job.cancel()

    def abandon(self) -> None:
        """Stop without saving a turn, as when the server process ends."""
        self.abandoned = True
        if self.job is not None:
            self.job.cancel()

    def append(self, event_type: str | None, data: Any, now: str) -> None:
        """Add an event. A named tool result is stored as intermediate data too.

        Source: docs/reference/protocol.md, "Intermediate data".
        """
        event = {self.form.data_key: data, "event_type": event_type, "timestamp": now}
        self._events.append(orjson.dumps(event, option=SORTED))
        if event_type == "tool_result" and data["details"].get("status") == "success":
            self._intermediate.append({"data": data["details"]["results"], "tool_name": data["tool_name"]})
        self._last_updated = now
        self._body = None

    def set_status(self, status: str, now: str, result: orjson.Fragment | dict[str, Any] | None = None) -> None:
        """Set the status, and the result if given. Raises TypeError if it is not JSON."""
        if result is not None:
            self._result = orjson.Fragment(orjson.dumps(result, option=SORTED))
        self.status = self.form.statuses.get(status, status)
        self._last_updated = now
        self._body = None

    def body(self) -> bytes:
        """Return the task as GET /tasks/{id} sends it."""
        if self._body is None:
            own = self.form.own and {**self.form.own, "profile_id": self._override}
            head, tail = orjson.dumps(
                {
                    "events": [orjson.Fragment(b"%EVENTS%")],
                    "intermediate_data": self._intermediate,
                    "last_updated": self._last_updated,
                    "profile_id_override": self._override,
                    "result": self._result,
                    "session_id": self.session_id,
                    "status": self.status,
                    "task_id": self.id,
                    "user_uuid": self.user_uuid,
                    **own,
                },
                option=SORTED,
            ).split(b"%EVENTS%", 1)
            self._body = b"".join((head, b",".join(self._events), tail))
            if not self.running:
                self._events = []  # the body is the only copy from now on
        return self._body

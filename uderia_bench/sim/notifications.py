"""The push channel: who listens, and what the server tells them while tasks run (docs/reference/protocol.md, "Push channels").

A listener that reads slowly loses nothing but memory: the real server has no limit either. Nothing is kept for those who come
later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson

from uderia_bench.sim.clock import Clock

HEARTBEAT_S = 20.0
LONGEST_S = 1800.0  # the server closes every stream then
_PING = b": ping\n\n"
# Events the server passes on as notifications of their own, without saying of which task.
_OF_NO_TASK = ("status_indicator_update", "session_name_update")


class Notifications:
    """The listeners, by the uuid of the user they say they are."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._listeners: dict[str, set[asyncio.Queue[bytes]]] = {}

    async def listen(self, user_uuid: str) -> AsyncIterator[bytes]:
        """Yield what is published for the user from now on, with a comment where nothing is; it ends after half an hour."""
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        listeners = self._listeners.setdefault(user_uuid, set())
        listeners.add(queue)
        ends = self._clock.seconds + LONGEST_S
        try:
            while (left := ends - self._clock.seconds) > 0:
                try:
                    yield await asyncio.wait_for(queue.get(), min(HEARTBEAT_S, left))
                except TimeoutError:
                    yield _PING
        finally:
            listeners.discard(queue)

    def heard_by(self, user_uuid: str) -> bool:
        """Return whether anybody listens for the user."""
        return bool(self._listeners.get(user_uuid))

    def publish(self, user_uuid: str, kind: str, payload: dict[str, Any]) -> None:
        """Tell every listener of the user; the data line comes before the event line, as the server has it."""
        listeners = self._listeners.get(user_uuid)
        if listeners:
            message = b"data: " + orjson.dumps({"type": kind, "payload": payload}) + b"\nevent: notification\n\n"
            for queue in listeners:
                queue.put_nowait(message)

    def task_event(self, user_uuid: str, ids: dict[str, str], event_type: str | None, data: Any) -> None:
        """Pass on one event of a task; ``ids`` are its task_id and session_id."""
        if not self.heard_by(user_uuid):
            return
        if event_type in _OF_NO_TASK:
            self.publish(user_uuid, event_type, {**data, "type": event_type})
            return
        known = data if isinstance(data, dict) else orjson.loads(orjson.dumps(data))
        if event_type == "final_answer":  # shown in the captured stream alone: the captured task bodies leave it out
            spoken = {"direct_answer": known["final_answer_text"].replace("_", ""), "key_observations": "", "synthesis": ""}
            known = {**known, "tts_payload": spoken}
        self.publish(user_uuid, "rest_task_update", {**ids, "event": {"type": event_type or "notification", **known}})

"""Push channel: the listeners of a user, and the notifications that they get while tasks run.

The queue of a slow listener has no limit, as on the real server. A listener gets the notifications
that are published after it subscribed.

Source: docs/reference/protocol.md, "Push channels".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson

from uderia_bench.sim.clock import Clock

HEARTBEAT_S = 20.0
LONGEST_S = 1800.0  # the server closes every stream after this time
_PING = b": ping\n\n"
# Events that the server sends as separate notifications without a task id.
_OF_NO_TASK = ("status_indicator_update", "session_name_update")


class Notifications:
    """The listeners by the user uuid that they named."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._listeners: dict[str, set[asyncio.Queue[bytes]]] = {}

    async def listen(self, user_uuid: str) -> AsyncIterator[bytes]:
        """Yield the user's notifications and heartbeats, for half an hour."""
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
        """Return whether the user has a listener."""
        return bool(self._listeners.get(user_uuid))

    def publish(self, user_uuid: str, kind: str, payload: dict[str, Any]) -> None:
        """Send a message to every listener of the user. The data line comes first."""
        listeners = self._listeners.get(user_uuid)
        if listeners:
            message = b"data: " + orjson.dumps({"type": kind, "payload": payload}) + b"\nevent: notification\n\n"
            for queue in listeners:
                queue.put_nowait(message)

    def task_event(self, user_uuid: str, ids: dict[str, str], event_type: str | None, data: Any) -> None:
        """Send an event of a task. ``ids`` are its task_id and session_id."""
        if not self.heard_by(user_uuid):
            return
        if event_type in _OF_NO_TASK:
            self.publish(user_uuid, event_type, {**data, "type": event_type})
            return
        known = data if isinstance(data, dict) else orjson.loads(orjson.dumps(data))
        if event_type == "final_answer":  # recorded streams have it, recorded tasks do not
            spoken = {"direct_answer": known["final_answer_text"].replace("_", ""), "key_observations": "", "synthesis": ""}
            known = {**known, "tts_payload": spoken}
        self.publish(user_uuid, "rest_task_update", {**ids, "event": {"type": event_type or "notification", **known}})

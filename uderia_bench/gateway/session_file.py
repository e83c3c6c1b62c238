"""Turns and prompts in the file of a session: the parts that the client needs during a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFile:
    """The file of a session as bytes and decoded: decoding 7 to 22 KB takes 30 to 100 µs, so it is done once."""

    body: bytes
    data: dict[str, Any]

    def turn_of(self, task_id: str | None, number: int) -> dict[str, Any] | None:
        """Return the turn of a task by its id, or by ``number`` (from 1) if it or the task has no id.

        None if the file has no such turn. The server writes it when the task ends
        (docs/reference/protocol.md, "When a turn is saved").
        """
        turns = self._turns()
        named = [turn for turn in turns if isinstance(turn.get("task_id"), str)]
        for turn in named:
            if turn["task_id"] == task_id:
                return turn
        if task_id is not None and len(named) == len(turns):
            return None
        return turns[number - 1] if len(turns) >= number else None

    def prompts(self) -> int:
        """Return the number of prompts in the session. A prompt is there as soon as its task runs."""
        history = self.data.get("session_history")
        said = history if isinstance(history, list) else []
        return sum(1 for message in said if isinstance(message, dict) and message.get("role") == "user")

    def _turns(self) -> list[dict[str, Any]]:
        last = self.data.get("last_turn_data")
        history = last.get("workflow_history") if isinstance(last, dict) else None
        return [turn for turn in history if isinstance(turn, dict)] if isinstance(history, list) else []

"""What the client itself must know of a session's file: its turns and prompts. Everything else in it is the readers'. Pure."""

from __future__ import annotations

from typing import Any

import orjson


def turn_of(body: bytes, task_id: str | None, number: int) -> dict[str, Any] | None:
    """Return a task's turn, by its id; where the id or the turn's is not known, the turn of that ``number`` (from 1).

    None where the file has no such turn: it is written when the task ends (protocol.md 5.4).
    """
    turns = _turns(body)
    named = [turn for turn in turns if isinstance(turn.get("task_id"), str)]
    for turn in named:
        if turn["task_id"] == task_id:
            return turn
    if task_id is not None and len(named) == len(turns):
        return None
    return turns[number - 1] if len(turns) >= number else None


def prompts(body: bytes) -> int:
    """Return how many prompts the session has heard; a prompt stands there as soon as its task runs."""
    history = _object(body).get("session_history")
    said = history if isinstance(history, list) else []
    return sum(1 for message in said if isinstance(message, dict) and message.get("role") == "user")


def _turns(body: bytes) -> list[dict[str, Any]]:
    last = _object(body).get("last_turn_data")
    history = last.get("workflow_history") if isinstance(last, dict) else None
    return [turn for turn in history if isinstance(turn, dict)] if isinstance(history, list) else []


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return data if isinstance(data, dict) else {}

"""Sessions as the server stores them: conversation, tokens, cost, models and turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from uderia_bench.sim.agent.llms import Llm
from uderia_bench.sim.agent.profiles import Profile
from uderia_bench.sim.tasks import SORTED

UNNAMED = "New Chat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """Origin of a child session: the coordinator's session, and the child's number from 1."""

    session_id: str
    profile_id: str
    number: int


class Session:
    """A conversation of one user."""

    def __init__(self, *, session_id: str, user_uuid: str, profile: Profile, now: str, parent: Parent | None = None) -> None:
        self.id = session_id
        self.user_uuid = user_uuid
        self.name = UNNAMED
        self.parent = parent
        self.created_at = now
        self.last_updated = now
        self.provider, self.model = profile.llm.provider, profile.llm.model
        self.profile_id = profile.id
        self.profile_tag: str | None = profile.tag
        self.input_tokens = 0
        self.output_tokens = 0
        self.cost_usd = 0.0
        self.models_used: list[str] = []
        self.profile_tags_used: list[str] = []
        self.used_collections: set[int] = set()  # collections that a turn retrieved from
        self.turn_statuses: list[str] = []
        self.archived: dict[str, Any] | None = None  # the keys that archiving adds, None if not archived
        self.dual_model_usage: dict[str, list[str]] | None = None
        self._last_executed_profile_id: str | None = None
        self._asked = False
        self.is_coordinator = profile.profile_type == "genie"
        self.is_dual = False  # the last query had a dual-model profile
        self._history: list[dict[str, Any]] = []
        self._chat: list[dict[str, Any]] = []
        self._turns: list[orjson.Fragment] = []

    @property
    def unnamed(self) -> bool:
        """Whether the session still has the default name."""
        return self.name in ("", UNNAMED)

    @property
    def next_turn(self) -> int:
        """The number of a turn that starts now. Overlapping turns share it."""
        return len(self._turns) + 1

    def ask(self, prompt: Any, turn: int, profile: Profile | None, now: str) -> None:
        """Record the user's message. ``profile`` is None for a query with an unknown profile id."""
        said = {"content": prompt, "isValid": True, "role": "user", "source": "rest", "turn_number": turn}
        if profile is not None:
            said["profile_tag"] = profile.tag
            self._last_executed_profile_id = profile.id
        self._history.append(said)
        self._chat.append({"content": prompt, "isValid": True, "role": "user", "turn_number": turn})
        self._asked = True
        self.last_updated = now

    def reply(self, html: str, text: str, turn: int, tool_context: str | None = None, *, tagged: bool = True) -> None:
        """Record the agent's message as HTML and as the text of later prompts.

        ``tagged`` adds the present profile tag to the message.
        """
        shown: dict[str, Any] = {"content": html, "isValid": True, "role": "assistant", "turn_number": turn}
        if tagged and self.profile_tag is not None:  # the session's present tag, which a report sets to null
            shown["profile_tag"] = self.profile_tag
        self._history.append(shown)
        said: dict[str, Any] = {"content": text, "isValid": True, "role": "assistant", "turn_number": turn}
        if tool_context is not None:
            said["tool_context"] = tool_context
        self._chat.append(said)

    def served_by(self, profile: Profile) -> None:
        """Record that the profile and its LLM took part."""
        self._note_model(profile.llm)
        if profile.tag not in self.profile_tags_used:
            self.profile_tags_used.append(profile.tag)
        self.profile_tag = profile.tag

    def called(self, llm: Llm, role: str | None, tag: str | None) -> None:
        """Record an LLM call of the planner: as conversation, and by its role if it has one."""
        self._note_model(llm)
        self.profile_tag = tag
        if self.dual_model_usage is None:
            self.dual_model_usage = {"conversation": [], "strategic": [], "tactical": [], "tactical_fastpath": []}
        for kind in ("conversation", role):
            if kind is not None and llm.label not in self.dual_model_usage[kind]:
                self.dual_model_usage[kind].append(llm.label)

    def _note_model(self, llm: Llm) -> None:
        self.provider, self.model = llm.provider, llm.model
        if llm.label not in self.models_used:
            self.models_used.append(llm.label)

    def spend(self, input_tokens: int, output_tokens: int) -> None:
        """Add the tokens of one call to the session's totals."""
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens

    def save_turn(self, turn: dict[str, Any], now: str) -> int:
        """Store a finished turn in its serialised form and return its position."""
        self.turn_statuses.append(turn["status"])
        self._turns.append(orjson.Fragment(orjson.dumps(turn, option=SORTED)))
        self.last_updated = now
        return len(self._turns) - 1

    def update_turn(self, position: int, **changes: Any) -> None:
        """Change fields of a stored turn."""
        turn = orjson.loads(orjson.dumps(self._turns[position])) | changes
        self._turns[position] = orjson.Fragment(orjson.dumps(turn, option=SORTED))

    def turns(self) -> list[dict[str, Any]]:
        """Return the stored turns."""
        return [orjson.loads(orjson.dumps(turn)) for turn in self._turns]

    def toggle_turn(self, number: int) -> bool:
        """Take a turn out of later prompts, or put it back; return False for an unknown turn."""
        messages = [message for message in (*self._history, *self._chat) if message["turn_number"] == number]
        for message in messages:
            message["isValid"] = not message["isValid"]
        for position, turn in enumerate(self.turns()):
            if turn["turn"] == number:
                self.update_turn(position, isValid=not turn["isValid"])
        return bool(messages)

    def purge(self) -> None:
        """Clear the conversation that later prompts see."""
        self._chat.clear()

    def turn(self, number: int) -> dict[str, Any] | None:
        """Return a turn by its position from 1, with the session's present totals."""
        if not 1 <= number <= len(self._turns):
            return None
        turn: dict[str, Any] = orjson.loads(orjson.dumps(self._turns[number - 1]))
        spent = {"session_input_tokens": self.input_tokens, "session_output_tokens": self.output_tokens}
        return {"session_cost_usd": self.cost_usd, "turn_cost": None, **turn, **spent}

    def archive(self, reason: str | None, now: str) -> None:
        """Mark the session archived."""
        self.archived = {"archived": True, "archived_at": now, "archived_reason": reason, "is_archived": True}

    def details(self, rag_cases: list[dict[str, Any]]) -> bytes:
        """Return the session as GET /sessions/{id}/details sends it."""
        document: dict[str, Any] = {
            "charting_intensity": "medium",
            "chat_object": self._chat,
            "created_at": self.created_at,
            "full_context_sent": False,
            "genie_metadata": self._genie_metadata(),
            "id": self.id,
            "input_tokens": self.input_tokens,
            "is_temporary": False,
            "last_turn_data": {"workflow_history": self._turns},
            "last_updated": self.last_updated,
            "model": self.model,
            "models_used": self.models_used,
            "name": self.name,
            "output_tokens": self.output_tokens,
            "profile_id": self.profile_id,
            "profile_tag": self.profile_tag,
            "profile_tags_used": self.profile_tags_used,
            "provider": self.provider,
            "rag_cases": rag_cases,
            "session_history": self._history,
            "system_prompt_template": None,
            "temporary_purpose": None,
            "user_uuid": self.user_uuid,
        }
        if self._asked and not self.is_coordinator:
            document["is_dual_model_active"] = self.is_dual
        if self._last_executed_profile_id is not None:
            document["last_executed_profile_id"] = self._last_executed_profile_id
        if self.dual_model_usage is not None:
            document["dual_model_usage"] = self.dual_model_usage
        return orjson.dumps(document | (self.archived or {}), option=SORTED)

    def listing(self) -> dict[str, Any]:
        """Return the session as GET /sessions lists it, from the server's index."""
        last = self.turn_statuses[-1] if self.turn_statuses else None
        known = {None: "empty", "error": "failed", "cancelled": "partial"}
        return {
            "archived": self.archived is not None,
            "archived_at": None if self.archived is None else self.archived["archived_at"],
            "created_at": self.created_at,
            "genie_metadata": self._genie_metadata(),
            "has_errors": False,
            "has_rag": False,
            "id": self.id,
            "is_temporary": False,
            "last_turn_data": {"workflow_history": []},
            "last_updated": self.last_updated,
            "model": self.model,
            "models_used": self.models_used,
            "name": self.name,
            "profile_id": self.profile_id,
            "profile_tag": self.profile_tag,
            "profile_tags_used": self.profile_tags_used,
            "profile_type": None,
            "provider": self.provider,
            "status": known.get(last, "success"),
            "temporary_purpose": None,
            "total_tokens": self.input_tokens + self.output_tokens,
            "turn_count": len(self._turns),
            "user_uuid": self.user_uuid,
        }

    def models(self) -> dict[str, Any]:
        """Return the payload of a ``session_model_update`` notification."""
        return {
            "last_updated": self.last_updated,
            "model": self.model,
            "models_used": self.models_used,
            "name": self.name,
            "profile_tags_used": self.profile_tags_used,
            "provider": self.provider,
            "session_id": self.id,
        }

    def announcement(self, profile_type: str) -> dict[str, Any]:
        """Return the payload of a ``new_session_created`` notification."""
        return {
            "genie_metadata": self._genie_metadata(),
            "id": self.id,
            "is_temporary": False,
            "last_updated": self.last_updated,
            "models_used": self.models_used,
            "name": self.name,
            "profile_id": self.profile_id,
            "profile_tag": self.profile_tag,
            "profile_tags_used": self.profile_tags_used,
            "profile_type": profile_type,
            "temporary_purpose": None,
        }

    def _genie_metadata(self) -> dict[str, Any]:
        parent = self.parent
        return {
            "is_genie_slave": parent is not None,
            "parent_session_id": parent and parent.session_id,
            "slave_profile_id": parent and parent.profile_id,
            "slave_sequence_number": parent.number if parent else 0,
        }

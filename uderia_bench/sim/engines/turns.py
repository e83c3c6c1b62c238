"""Building and saving a turn: the fields that all engines share, and its consumption row."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from uderia_bench.sim.engines.run import Run
from uderia_bench.sim.state import new_id


def build(run: Run, own: dict[str, Any]) -> dict[str, Any]:
    """Return the turn with the engine's ``own`` fields, and add its cost to the session."""
    session, cost = run.session, run.cost()
    session.cost_usd += cost
    return {
        "isValid": True,
        "is_session_primer": False,
        "model": run.llm.model,
        "profile_tag": run.profile.tag,
        "provider": run.llm.provider,
        "session_cost_usd": session.cost_usd,
        "session_id": session.id,
        "session_input_tokens": session.input_tokens,
        "session_output_tokens": session.output_tokens,
        "skills_applied": run.skills_applied,
        "timestamp": run.clock.stamp(),
        "turn": run.turn,
        "turn_cost": cost,
        "turn_input_tokens": run.input_tokens,
        "turn_output_tokens": run.output_tokens,
        "user_query": run.prompt,
        **own,
    }


def save(run: Run, turn: dict[str, Any], *, without: Collection[str] = ()) -> int:
    """Save a turn and its consumption row; return its position. ``without`` names fields to leave out."""
    kept = {name: value for name, value in turn.items() if name not in without}
    run.state.turns.append(_consumption(run, turn))
    return run.session.save_turn(kept, run.clock.local_stamp())


def _consumption(run: Run, turn: dict[str, Any]) -> dict[str, Any]:
    return {
        "cost_usd": turn["turn_cost"],
        "created_at": turn["timestamp"],
        "id": new_id(),
        "input_tokens": turn["turn_input_tokens"],
        "model": turn["model"],
        "output_tokens": turn["turn_output_tokens"],
        "provider": turn["provider"],
        "rag_tokens_saved": 0,
        "rag_used": turn.get("rag_source_collection_id") is not None,
        "session_id": turn["session_id"],
        "session_name": run.session.name,
        "status": turn["status"],
        "total_tokens": turn["turn_input_tokens"] + turn["turn_output_tokens"],
        "turn_number": turn["turn"],
        "user_id": run.session.user_uuid,
        "user_query": turn["user_query"],
    }

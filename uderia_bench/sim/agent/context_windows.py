"""Context-window types: how much of the context window each part of a prompt may fill."""

from __future__ import annotations

from typing import Any

DEFAULT = "cwt-default-balanced"
_PRIORITIES = {
    "component_instructions": 55,
    "conversation_history": 80,
    "document_context": 60,
    "knowledge_context": 70,
    "plan_hydration": 65,
    "rag_context": 75,
    "system_prompt": 95,
    "tool_definitions": 85,
    "workflow_history": 50,
}
_OFF = (0, 0, 0)
_FIRST_TURN = {"action": {"force_full": "tool_definitions"}, "condition": "first_turn"}
_NO_DOCUMENTS = {"action": {"to": "conversation_history", "transfer": "document_context"}, "condition": "no_documents_attached"}
_SURE = {"action": {"by_pct": 50, "reduce": "tool_definitions"}, "condition": "high_confidence_rag"}


def _long(turns: int) -> dict[str, Any]:
    action = {"condense": "conversation_history", "strategy": "sliding_window"}
    return {"action": action, "condition": "long_conversation", "threshold": turns}


def _type(
    window_id: str,
    name: str,
    description: str,
    percentages: tuple[tuple[int, int, int], ...],
    *adjustments: dict[str, Any],
    reserve: int = 12,
    distillation: tuple[int, int] = (500, 10_000),
) -> dict[str, Any]:
    """Return a type. ``percentages`` are (target, least, most) in the order of ``_PRIORITIES``."""
    modules = {
        module: {"active": most > 0, "max_pct": most, "min_pct": least, "priority": priority, "target_pct": target}
        for (module, priority), (target, least, most) in zip(_PRIORITIES.items(), percentages, strict=True)
    }
    rows, characters = distillation
    return {
        "condensation_order": [
            module for module in sorted(_PRIORITIES, key=_PRIORITIES.__getitem__) if modules[module]["active"]
        ],
        "description": description,
        "distillation": {"max_chars": characters, "max_rows": rows},
        "dynamic_adjustments": list(adjustments),
        "id": window_id,
        "is_default": window_id == DEFAULT,
        "modules": modules,
        "name": name,
        "output_reserve_pct": reserve,
    }


def shipped() -> dict[str, dict[str, Any]]:
    """Return the types of a new server by id."""
    types = (
        _type(
            DEFAULT,
            "Balanced",
            "All nine modules are active with even shares",
            ((4, 0, 10), (22, 10, 60), (5, 0, 15), (10, 0, 25), (8, 0, 15), (15, 0, 30), (10, 5, 15), (22, 0, 40), (4, 0, 10)),
            *(_FIRST_TURN, _NO_DOCUMENTS, _long(10), _SURE),
        ),
        _type(
            "cwt-knowledge-heavy",
            "Knowledge Heavy",
            "Most of the budget is for retrieved knowledge",
            ((3, 0, 8), (15, 10, 30), (10, 0, 20), (40, 10, 60), _OFF, (20, 5, 40), (8, 5, 12), _OFF, _OFF),
        ),
        _type(
            "cwt-conversation-first",
            "Conversation First",
            "Most of the budget is for the conversation",
            ((5, 0, 10), (50, 20, 70), (15, 0, 25), (15, 0, 25), _OFF, _OFF, (8, 5, 12), _OFF, _OFF),
            _long(15),
        ),
        _type(
            "cwt-token-efficient",
            "Token Efficient",
            "Small budgets, most modules are off",
            (_OFF, (40, 15, 55), _OFF, _OFF, (8, 0, 12), (15, 0, 25), (12, 8, 18), (20, 0, 30), (5, 0, 8)),
            *(_FIRST_TURN, _long(5)),
            reserve=15,
            distillation=(300, 8000),
        ),
    )
    return {one["id"]: one for one in types}

"""Context-window snapshots. The token counts follow the prompt; everything else is fixed."""

from __future__ import annotations

from typing import Any

from uderia_bench.sim.agent.profiles import Profile
from uderia_bench.sim.memory.knowledge import Found

_MODEL_LIMIT, _OUTPUT_RESERVE, _AVAILABLE = 128_000, 15_360, 112_640
_SYSTEM_TOKENS, _COMPONENT_TOKENS, _TOOL_TOKENS = 714, 2308, 794
_CHARACTERS_PER_TOKEN = 4
_TOOL_NAME_TOKENS, _WORKFLOW_TOKENS = 98, 131
_NO_MATCH_TOKENS = 139  # of the text that says that nothing matches


def _percent(used: int, of: int) -> float:
    return round(100 * used / of, 1) if of else 0


def _module(module_id: str, label: str, category: str, allocated: int, used: int, metadata: dict[str, Any]) -> dict[str, Any]:
    return {
        "active": True,
        "allocated": allocated,
        "category": category,
        "condensed": False,
        "label": label,
        "metadata": metadata,
        "module_id": module_id,
        "used": used,
        "utilization_pct": _percent(used, allocated) if allocated else 0,
    }


def _snapshot(
    window_type: dict[str, str], used: int, modules: list[dict[str, Any]], resolution: dict[str, Any], **own: Any
) -> dict[str, Any]:
    return {
        "budget": {
            "available": _AVAILABLE,
            "context_limit_override": None,
            "model_limit": _MODEL_LIMIT,
            "output_reserve": _OUTPUT_RESERVE,
            "session_context_limit_override": None,
            "used": used,
            "utilization_pct": _percent(used, _AVAILABLE),
        },
        "condensations": [],
        "context_window_type": window_type,
        "contributions": modules,
        "distillation_events": [],
        "dynamic_adjustments": [],
        "reallocation_events": [],
        "resolution": resolution,
        "type": "context_window_snapshot",
        **own,
    }


def window(
    *, profile: Profile, window: dict[str, Any], prompt: str, session_id: str, turn: int, found: Found | None
) -> dict[str, Any]:
    """Return the snapshot at the start of a turn.

    ``window`` is the context-window type, ``found`` the retrieved knowledge.
    """
    planning = profile.profile_type == "tool_enabled"
    said = len(prompt) // _CHARACTERS_PER_TOKEN + 2
    system = {"char_count": 2858, "has_override": False, "profile_id": profile.id, "provider": profile.llm.provider}
    history = {"invalid_filtered": 0, "mode": "full", "total_messages_available": 2 * turn - 1, "turn_count": turn}
    modules = [
        _module("system_prompt", "System Prompt", "system", 11264 if planning else 16896, _SYSTEM_TOKENS, system),
        _module("conversation_history", "Conversation History", "history", 30412 if planning else 59632, said, history),
        _module(
            "knowledge_context",
            "Knowledge Documents",
            "knowledge",
            11264 if planning else 22086,
            0 if found is None else found.tokens or _NO_MATCH_TOKENS,
            _knowledge(found, focused=profile.profile_type == "rag_focused"),
        ),
        _module("document_context", "Uploaded Documents", "documents", 0, 0, {"doc_count": 0, "reason": "no_attachments"}),
        _module(
            "component_instructions",
            "Component Instructions",
            "system",
            4505 if planning else 8834,
            _COMPONENT_TOKENS,
            {"char_count": 9235, "component_count": 2},
        ),
    ]
    skipped = ["tool_definitions", "rag_context", "plan_hydration", "workflow_history"]
    if planning:
        skipped = []
        no_cases = {"cases_retrieved": 0, "reason": "no_collections"}
        modules.insert(1, _tool_definitions(first=turn == 1, categories={"category_count": 3}))
        modules.insert(3, _module("rag_context", "RAG Cases", "knowledge", 16896, 0, no_cases))
        hydration = {"hydrated": False, "reason": "first_turn" if turn == 1 else "no_results"}
        modules.insert(5, _module("plan_hydration", "Plan Hydration", "optimization", 9011, 0, hydration))
        modules.append(_workflow_history(turn - 1))
    if profile.profile_type == "genie":
        skipped = ["rag_context", "knowledge_context", "plan_hydration", "document_context", "workflow_history"]
        modules = [module for module in modules if module["module_id"] not in skipped]
        modules.insert(1, _tool_definitions(first=turn == 1, categories={}))
    snapshot = _snapshot(
        {"id": window["id"], "name": window["name"]},
        sum(module["used"] for module in modules),
        modules,
        {"active_modules": len(modules), "profile_type": profile.profile_type, "skipped_modules": skipped},
        session_id=session_id,
        turn_number=turn,
    )
    snapshot["dynamic_adjustments"] = ["first_turn", "no_documents_attached"] if turn == 1 else ["no_documents_attached"]
    return snapshot


def _tool_definitions(*, first: bool, categories: dict[str, int]) -> dict[str, Any]:
    """Return the tools of the prompt: in full in the first turn, later only their names."""
    metadata = {**categories, "mode": "full" if first else "names_only", "tool_count": 16}
    allocated, used = (45056, _TOOL_TOKENS) if first else (24780, _TOOL_NAME_TOKENS)
    return _module("tool_definitions", "Tool Definitions", "tools", allocated, used, metadata)


def _workflow_history(earlier: int) -> dict[str, Any]:
    metadata: dict[str, Any] = {"turn_count": earlier, "reason": "first_turn"}
    if earlier:
        metadata = {"invalid_filtered": 0, "total_turns_available": earlier, "turn_count": earlier}
    used = _WORKFLOW_TOKENS * earlier
    return _module("workflow_history", "Workflow History", "history", 4505, used, metadata)


def _knowledge(found: Found | None, *, focused: bool) -> dict[str, Any]:
    if found is None:
        return {"docs_retrieved": 0, "reason": "knowledge_disabled"}
    if not found.chunks and focused:
        return {"docs_retrieved": 0, "reason": "no_matches_rag_focused"}
    top = found.chunks[0].score if found.chunks else 0.0
    return {"collections_searched": len(found.searched), "docs_retrieved": len(found.chunks), "top_score": top}


def summary(snapshot: dict[str, Any]) -> str:
    """Return the server's one-line summary of a snapshot."""
    used = {module["module_id"]: module["used"] / 1000 for module in snapshot["contributions"]}
    tools = f" Tool:{used['tool_definitions']:.1f}K" if "tool_definitions" in used else ""
    know = f" Know:{used['knowledge_context']:.1f}K" if used.get("knowledge_context") else ""
    total, percent = snapshot["budget"]["used"] / 1000, snapshot["budget"]["utilization_pct"]
    return (
        f"Context: {total:.1f}K/113K ({percent}%) | Syst:{used['system_prompt']:.1f}K{tools}"
        f" Conv:{used['conversation_history']:.1f}K{know} Comp:{used['component_instructions']:.1f}K"
    )


def planning(
    stage: str,
    window: dict[str, Any],
    *,
    tools: int,
    hydration: int | None,
    history: int,
    session_id: str,
    turn: int,
    knowledge: int | None = None,
) -> dict[str, Any]:
    """Return the snapshot of a strategic or tactical prompt. Sizes are tokens.

    ``window`` is the context-window type of the profile.
    """
    parts = [("tool_definitions", "Tool Definitions", tools), ("workflow_history", "Workflow History", history)]
    if hydration is not None:
        parts.insert(1, ("plan_hydration", "Plan Hydration", hydration))
    if knowledge is not None:
        parts.append(("knowledge_context", "Knowledge Context", knowledge))
    modules = [_module(module_id, label, "content", used, used, {}) for module_id, label, used in parts]
    resolution = {"active_modules": len(modules), "profile_type": "tool_enabled", "skipped_modules": []}
    used = sum(module["used"] for module in modules)
    window_type = {"id": window["id"], "name": f"{window['name']} ({stage})"}
    return _snapshot(window_type, used, modules, resolution, session_id=session_id, turn_number=turn)

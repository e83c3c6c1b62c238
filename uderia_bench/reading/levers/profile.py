"""Levers that change fields of a profile. All of them work on a stock server from the next query on.

Source: docs/reference/learning.md, "Changing a profile or a prompt".
"""

from __future__ import annotations

from typing import Any

from uderia_bench.reading.levers.lever import Candidate, Lever, Setting

PLANNER = "tool_enabled"
_LARGE_PROMPTS = ("excessive_planning", "high_tokens_per_call")
_WEAK_PLANS = ("over_engineered_plan", "missing_temporal_context", "report_before_data", "redundant_tool_calls")


def _with(name: str, **fields: Any) -> Candidate:
    return Candidate(name=name, changes={"fields": fields})


def _fewer_tools(setting: Setting) -> tuple[Candidate, ...]:
    tools = setting.profile.get("tools")
    known = [name for name in tools if isinstance(name, str)] if isinstance(tools, list) else []
    kept = sorted(set(setting.called) if "*" in known else set(setting.called) & set(known))
    if not kept or not ("*" in known or len(kept) < len(known)):
        return ()
    return (_with("fewer-tools", tools=kept),)


def _context_windows(setting: Setting) -> tuple[Candidate, ...]:
    now = setting.profile.get("contextWindowTypeId")
    others = (str(one["id"]) for one in setting.context_windows if one.get("id") not in (None, now))
    return tuple(_with(f"context-{other.removeprefix('cwt-')}", contextWindowTypeId=other) for other in others)


def _other_models(setting: Setting) -> list[tuple[str, str]]:
    """Return the ids and names of the LLM configurations that the profile does not use."""
    now = setting.profile.get("llmConfigurationId")
    listed = (one for one in setting.llm_configurations if one.get("id") not in (None, now))
    return [(str(one["id"]), str(one.get("model") or one.get("name") or one["id"])) for one in listed]


def _llm(setting: Setting) -> tuple[Candidate, ...]:
    return tuple(_with(f"llm-{name}", llmConfigurationId=other) for other, name in _other_models(setting))


def _dual_models(setting: Setting) -> tuple[Candidate, ...]:
    now = setting.profile.get("llmConfigurationId")
    if setting.profile_type != PLANNER or now is None:
        return ()
    return tuple(
        _with(f"{role}-{name}", dualModelConfig={"strategicModelId": strategic, "tacticalModelId": tactical})
        for other, name in _other_models(setting)
        for role, strategic, tactical in (("plan-with", other, now), ("act-with", now, other))
        if setting.profile.get("dualModelConfig") != {"strategicModelId": strategic, "tacticalModelId": tactical}
    )


def _collections(setting: Setting) -> tuple[Candidate, ...]:
    read = setting.profile.get("ragCollections")
    if setting.profile_type != PLANNER or not isinstance(read, list) or not read or "*" in read:
        return ()
    server = setting.profile.get("mcpServerId")
    planners = (one for one in setting.collections if one.get("repository_type") == "planner" and one.get("enabled"))
    others = [one for one in planners if one.get("mcp_server_id") == server and one.get("id") not in read]
    return (_with("all-collections", ragCollections=["*"]),) if others else ()


LEVERS: tuple[Lever, ...] = (
    Lever(
        name="fewer-tools",
        doc="Offer only the tools that were called.",
        answers=_LARGE_PROMPTS,
        propose=_fewer_tools,
    ),
    Lever(
        name="context-window",
        doc="Use another context-window type of the server.",
        answers=_LARGE_PROMPTS,
        propose=_context_windows,
    ),
    Lever(
        name="dual-models",
        doc="Plan, or act, with another LLM configuration of the server.",
        answers=("excessive_planning", "missed_fast_path", "self_correction_overhead", *_WEAK_PLANS),
        propose=_dual_models,
    ),
    Lever(
        name="llm",
        doc="Use another LLM configuration of the server.",
        answers=("recursion", "no_tool_called", "inappropriate_format", "self_correction_overhead", *_WEAK_PLANS),
        propose=_llm,
    ),
    Lever(
        name="collections",
        doc="Let the planner read every collection of cases, so that it finds examples of plans.",
        answers=("missed_fast_path", "over_engineered_plan"),
        propose=_collections,
    ),
)

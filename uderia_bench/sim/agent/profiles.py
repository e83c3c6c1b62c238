"""Profiles of the server, as its REST interface lists them, with their LLMs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from uderia_bench.sim.agent import tools
from uderia_bench.sim.agent.llms import FRIENDLI, GOOGLE, Llm

MCP_SERVER_ID = "1763483266562-a6kulj4xc"
CASES_COLLECTION = 1  # stores successful plans; every planner profile reads it
KNOWLEDGE_COLLECTION = 13
# Components that are on by default (docs/reference/protocol.md, "Profiles").
ACTION_COMPONENTS = ("chart", "canvas", "knowledge_graph", "scheduler")
_COMPONENTS_OFF = {name: {"enabled": False, "intensity": "none"} for name in ACTION_COMPONENTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile: its identity, its LLM and its JSON document."""

    id: str
    tag: str
    name: str
    profile_type: str
    llm: Llm
    document: dict[str, Any]

    @property
    def has_agent(self) -> bool:
        """Whether the agent runs an llm_only or rag_focused profile.

        It does if the profile has MCP tools or an action component.
        """
        components = self.document["componentConfig"]
        active = any(components.get(name, {}).get("enabled", True) for name in ACTION_COMPONENTS)
        return bool(self.document["useMcpTools"]) or active


def _skills() -> dict[str, Any]:
    names = ("teradata-sql-expert", "table-format", "concise", "detailed", "step-by-step")
    return {"skills": [{"active": False, "enabled": True, "id": name, "param": None} for name in names]}


def _document(llm: Llm, **own: Any) -> dict[str, Any]:
    """Return the keys of every profile and the ``own`` keys of its type."""
    component = {"enabled": True, "intensity": "medium"}
    return {
        "agent_packs": [],
        "autocompleteCollections": [CASES_COLLECTION],
        "classification_mode": "light",
        "componentConfig": {"canvas": dict(component), "chart": dict(component)},
        "contextWindowTypeId": "cwt-default-balanced",
        "genieConfig": None,
        "isDefault": False,
        "knowledgeConfig": {"collections": [], "enabled": False},
        "llmConfigurationId": llm.configuration_id,
        "mcpServerId": MCP_SERVER_ID,
        "prompts": ["*"],
        "providerName": llm.provider,
        "ragCollections": [CASES_COLLECTION],
        "skillsConfig": _skills(),
        "tools": ["*"],
        "useKnowledgeCollections": False,
        "useMcpTools": False,
        **own,
    }


def _profile(profile_id: str, tag: str, name: str, profile_type: str, llm: Llm, **own: Any) -> Profile:
    identity = {"id": profile_id, "tag": tag, "name": name, "profile_type": profile_type}
    return Profile(
        id=profile_id,
        tag=tag,
        name=name,
        profile_type=profile_type,
        llm=llm,
        document=_document(llm, **identity, **own),
    )


def _ideat(profile_id: str, tag: str, llm: Llm) -> Profile:
    return _profile(
        profile_id,
        tag,
        "Ideate and Explore (with Fitness_DB Database Access)",
        "llm_only",
        llm,
        color="#4ade80",
        colorSecondary="#86efac",
        description="Has general knowledge about the Fitness World and beyond",
        dualModelConfig=None,
        needs_reclassification=False,
        tools=list(tools.DATA_TOOLS),
        useMcpTools=True,
    )


def _optim(profile_id: str, tag: str, llm: Llm) -> Profile:
    return _profile(
        profile_id,
        tag,
        "Optimize for Operationalization",
        "tool_enabled",
        llm,
        classification_mode="full",
        color="#9333ea",
        colorSecondary="#a855f7",
        description="Has optimized Access to operational fitness data (fitness_db database)",
        inherit_classification=False,
        needs_reclassification=True,
        prompts=[],
        tools=list(tools.DATA_TOOLS),
    )


_KNOWLEDGE = {
    "collections": [{"id": KNOWLEDGE_COLLECTION, "reranking": False}],
    "enabled": True,
    "maxDocs": 10,
    "maxTokens": 2000,
    "minRelevanceScore": 0.4,
}
IDEAT = _ideat("profile-default-chat", "IDEAT", GOOGLE)
OPTIM = _optim("profile-1764006444002-z0hdduce9", "OPTIM", FRIENDLI)
FOCUS = _profile(
    "profile-default-rag",
    "FOCUS",
    "Focus on Fitness Grounded Documentation",
    "rag_focused",
    GOOGLE,
    color="#3b82f6",
    colorSecondary="#93c5fd",
    description="Is an expert in fitness specific topics",
    dualModelConfig=None,
    knowledgeConfig=_KNOWLEDGE,
    ragCollections=[CASES_COLLECTION, KNOWLEDGE_COLLECTION],
    typeName="Knowledge Focused (RAG)",
)
COORD = _profile(
    "profile-default-genie",
    "COORD",
    "Multi-Expert Coordinator",
    "genie",
    FRIENDLI,
    autocompleteCollections=[],
    color="#F15F22",
    colorSecondary="#f97316",
    description="Coordinates multiple profiles to answer complex questions",
    dualModelConfig=None,
    genieConfig={"maxConcurrentSlaves": 3, "slaveProfiles": [OPTIM.id, FOCUS.id], "temperature": 0.7},
    mcpServerId=None,
    typeName="Genie (Multi-Profile)",
)
# The same profile types on the other provider.
IDEAT2 = _ideat("profile-default-chat-friendli", "IDEAT2", FRIENDLI)
OPTIM2 = _optim("profile-1764006444002-google", "OPTIM2", GOOGLE)

# Two profiles without action components: one LLM call instead of the agent.
PLAIN = _profile(
    "profile-default-plain",
    "PLAIN",
    "Plain Conversation",
    "llm_only",
    GOOGLE,
    color="#94a3b8",
    colorSecondary="#cbd5e1",
    componentConfig=_COMPONENTS_OFF,
    description="Answers from general knowledge, without tools",
    dualModelConfig=None,
    mcpServerId=None,
    tools=[],
)
DIGEST = _profile(
    "profile-default-digest",
    "DIGEST",
    "Digest of Fitness Documentation",
    "rag_focused",
    GOOGLE,
    color="#0ea5e9",
    colorSecondary="#7dd3fc",
    componentConfig=_COMPONENTS_OFF,
    description="Sums up what the documentation says",
    dualModelConfig=None,
    knowledgeConfig=_KNOWLEDGE,
    ragCollections=[CASES_COLLECTION, KNOWLEDGE_COLLECTION],
    typeName="Knowledge Focused (RAG)",
)

PROFILES = (IDEAT, OPTIM, FOCUS, COORD, IDEAT2, OPTIM2, PLAIN, DIGEST)
BY_ID = {profile.id: profile for profile in PROFILES}
BY_TAG = {profile.tag: profile for profile in PROFILES}

SESSION_PRIMER = {
    "enabled": False,
    "mode": "combined",
    "statements": [
        "Educate yourself on the table ddls in fitness_db database",
        "If you would like to create sql please use TOP instead of LIMIT and always CAST when mixing data types.",
    ],
}

"""Profiles of the server, as its REST interface lists them, with their LLMs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from uderia_bench.sim.agent import tools
from uderia_bench.sim.agent.llms import BY_CONFIGURATION, FRIENDLI, GOOGLE, Llm

MCP_SERVER_ID = "1763483266562-a6kulj4xc"
CASES_COLLECTION = 1  # stores successful plans; every planner profile reads it
KNOWLEDGE_COLLECTION = 13
# Components that are on by default (docs/reference/protocol.md, "Profiles").
ACTION_COMPONENTS = ("chart", "canvas", "knowledge_graph", "scheduler")
_COMPONENTS_OFF = {name: {"enabled": False, "intensity": "none"} for name in ACTION_COMPONENTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile: its identity, its LLMs and its JSON document.

    ``llm_found`` is False if the document names an unknown LLM configuration; ``llm`` is then not
    used. ``strategic`` and ``tactical`` are the LLMs of a dual-model profile.
    """

    id: str
    tag: str
    name: str
    profile_type: str
    llm: Llm
    document: dict[str, Any]
    llm_found: bool = True
    strategic: Llm | None = None
    tactical: Llm | None = None

    @property
    def has_agent(self) -> bool:
        """Whether the agent runs an llm_only or rag_focused profile.

        It does if the profile has MCP tools or an action component.
        """
        components = self.section("componentConfig")
        switches = [components.get(name) for name in ACTION_COMPONENTS]
        active = any(switch.get("enabled", True) if isinstance(switch, dict) else True for switch in switches)
        return bool(self.document.get("useMcpTools")) or active

    def section(self, name: str) -> dict[str, Any]:
        """Return an object of the document, an empty one if it is missing or of another type."""
        value = self.document.get(name)
        return value if isinstance(value, dict) else {}

    def allows(self, tool: str) -> bool:
        """Return whether the profile may call a data tool."""
        allowed = self.document.get("tools")
        return not isinstance(allowed, list) or "*" in allowed or tool in allowed

    @property
    def tool_count(self) -> int:
        """The number of data tools in the prompts of the profile."""
        return sum(self.allows(tool) for tool in tools.DATA_TOOLS)

    @property
    def case_collections(self) -> list[int] | None:
        """The collections that retrieval may read, None for no limit."""
        named = self.document.get("ragCollections")
        if not isinstance(named, list) or not named or "*" in named:
            return None
        return [one for one in named if isinstance(one, int)]

    @property
    def active_skills(self) -> list[str]:
        """The ids of the skills that are active in every query."""
        skills = self.section("skillsConfig").get("skills")
        listed = [skill for skill in skills if isinstance(skill, dict)] if isinstance(skills, list) else []
        return [str(skill.get("id")) for skill in listed if skill.get("enabled") and skill.get("active")]


SHIPPED_SKILLS = ("teradata-sql-expert", "table-format", "concise", "detailed", "step-by-step")


def _skills() -> dict[str, Any]:
    return {"skills": [{"active": False, "enabled": True, "id": name, "param": None} for name in SHIPPED_SKILLS]}


def from_document(document: dict[str, Any]) -> Profile:
    """Return the profile of a JSON document."""
    llm = BY_CONFIGURATION.get(str(document.get("llmConfigurationId")))
    dual = document.get("dualModelConfig")
    named = dual if isinstance(dual, dict) else {}
    return Profile(
        id=str(document["id"]),
        tag=str(document.get("tag", "")),
        name=str(document.get("name", "")),
        profile_type=str(document.get("profile_type", "tool_enabled")),
        llm=llm or GOOGLE,
        document=document,
        llm_found=llm is not None,
        strategic=BY_CONFIGURATION.get(str(named.get("strategicModelId"))),
        tactical=BY_CONFIGURATION.get(str(named.get("tacticalModelId"))),
    )


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
BY_TAG = {profile.tag: profile for profile in PROFILES}

SESSION_PRIMER = {
    "enabled": False,
    "mode": "combined",
    "statements": [
        "Educate yourself on the table ddls in fitness_db database",
        "If you would like to create sql please use TOP instead of LIMIT and always CAST when mixing data types.",
    ],
}

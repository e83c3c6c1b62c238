"""System prompts of the server and their mapping to profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NEEDED_TIER = "System Prompt Editor requires 'Prompt Engineer' or 'Enterprise' license tier. Current tier: Standard"
_PROVIDERS = ("Amazon", "Anthropic", "Azure", "Friendli", "Google", "Ollama", "OpenAI", "OpenRouter")
_MASTER, _WORKFLOW, _RECOVERY, _DATA = (
    "Master System Prompts",
    "Workflow & Classification",
    "Error Recovery",
    "Data Operations",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A shipped system prompt."""

    number: int
    name: str
    category: str
    role: str
    provider: str | None = None

    @property
    def display_name(self) -> str:
        """The name for people."""
        return self.name.replace("_", " ").title()

    def listing(self) -> dict[str, Any]:
        """Return the prompt as the list shows it."""
        return {
            "category": self.category,
            "category_id": list(_CATEGORIES).index(self.category) + 1,
            "description": self.display_name,
            "display_name": self.display_name,
            "id": self.number,
            "is_active": 1,
            "name": self.name,
            "provider": self.provider,
            "role": self.role,
        }

    def metadata(self) -> dict[str, Any]:
        """Return the metadata of the prompt."""
        listed = {name: value for name, value in self.listing().items() if name != "category_id"}
        return {**listed, "created_by": None, "version": 1}

    @property
    def content(self) -> str:
        """The text; the embedded server has no prompt texts."""
        return f"({self.display_name})"


_CATEGORIES = (_MASTER, _WORKFLOW, _RECOVERY, _DATA)
PROMPTS = tuple(
    Prompt(number=number, name=name, category=category, role=role, provider=provider)
    for number, (name, category, role, provider) in enumerate(
        (
            ("MASTER_SYSTEM_PROMPT", _MASTER, "system", None),
            ("GOOGLE_MASTER_SYSTEM_PROMPT", _MASTER, "system", "Google"),
            ("OLLAMA_MASTER_SYSTEM_PROMPT", _MASTER, "system", "Ollama"),
            ("TASK_CLASSIFICATION_PROMPT", _WORKFLOW, "workflow", None),
            ("WORKFLOW_META_PLANNING_PROMPT", _WORKFLOW, "workflow", None),
            ("WORKFLOW_TACTICAL_PROMPT", _WORKFLOW, "workflow", None),
            ("CONVERSATION_EXECUTION", _WORKFLOW, "system", None),
            ("CONVERSATION_WITH_TOOLS_EXECUTION", _WORKFLOW, "system", None),
            ("GENIE_COORDINATOR_PROMPT", _WORKFLOW, "system", None),
            ("RAG_FOCUSED_EXECUTION", _WORKFLOW, "system", None),
            ("ERROR_RECOVERY_PROMPT", _RECOVERY, "recovery", None),
            ("TACTICAL_SELF_CORRECTION_PROMPT", _RECOVERY, "recovery", None),
            ("TACTICAL_SELF_CORRECTION_PROMPT_COLUMN_ERROR", _RECOVERY, "recovery", None),
            ("TACTICAL_SELF_CORRECTION_PROMPT_TABLE_ERROR", _RECOVERY, "recovery", None),
            ("SQL_CONSOLIDATION_PROMPT", _DATA, "data", None),
        ),
        start=1,
    )
)
BY_NAME = {prompt.name: prompt for prompt in PROMPTS}
_ERRORS = ("column_error", "table_error")
_OWN_MASTER = {"Google": "GOOGLE_MASTER_SYSTEM_PROMPT", "Ollama": "OLLAMA_MASTER_SYSTEM_PROMPT"}
DEFAULTS: dict[str, dict[str, str]] = {
    "conversation_execution": {
        "conversation": "CONVERSATION_EXECUTION",
        "conversation_with_tools": "CONVERSATION_WITH_TOOLS_EXECUTION",
    },
    "data_operations": {"sql_consolidation": "SQL_CONSOLIDATION_PROMPT"},
    "error_recovery": {
        "error_recovery": "ERROR_RECOVERY_PROMPT",
        "tactical_self_correction": "TACTICAL_SELF_CORRECTION_PROMPT",
        **{f"self_correction_{error}": f"TACTICAL_SELF_CORRECTION_PROMPT_{error.upper()}" for error in _ERRORS},
    },
    "genie_coordination": {"coordinator_prompt": "GENIE_COORDINATOR_PROMPT"},
    "master_system_prompts": {name: _OWN_MASTER.get(name, "MASTER_SYSTEM_PROMPT") for name in _PROVIDERS},
    "rag_focused_execution": {"rag_focused_execution": "RAG_FOCUSED_EXECUTION"},
    "visualization": {},
    "workflow_classification": {
        "task_classification": "TASK_CLASSIFICATION_PROMPT",
        "workflow_meta_planning": "WORKFLOW_META_PLANNING_PROMPT",
        "workflow_tactical": "WORKFLOW_TACTICAL_PROMPT",
    },
}


def available() -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return the prompts that each category and subcategory can be mapped to, the default first."""
    return {
        category: {
            name: [_choice(default, is_default=True)]
            + [_choice(prompt.name, is_default=False) for prompt in PROMPTS if _fits(prompt, default)]
            for name, default in names.items()
        }
        for category, names in DEFAULTS.items()
        if names
    }


def _fits(prompt: Prompt, default: str) -> bool:
    return prompt.name != default and prompt.role == BY_NAME[default].role


def _choice(name: str, *, is_default: bool) -> dict[str, Any]:
    return {"display_name": BY_NAME[name].display_name, "is_default": is_default, "name": name, "version": 1}


def mapped(profile_id: str, mappings: Mapping[tuple[str, str, str], str]) -> dict[str, dict[str, str]]:
    """Return the prompt of every category and subcategory for a profile."""
    result = {category: dict(names) for category, names in DEFAULTS.items()}
    for (owner, category, name), prompt in mappings.items():
        if owner == profile_id:
            result.setdefault(category, {})[name] = prompt
    return result

"""Process-wide settings that an administrator can change, and what users change of prompts and skills."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_GLOBAL_KNOWLEDGE: dict[str, Any] = {
    "freshnessDecayRate": 0.005,
    "freshnessWeight": 0.0,
    "maxChunksPerDocument": 0,
    "maxDocs": 3,
    "maxTokens": 2000,
    "minRelevanceScore": 0.3,
    "rerankingEnabled": False,
    "synthesisPromptOverride": "",
}


@dataclass(slots=True)
class Switches:
    """The settings. A restart sets ``rag_enabled`` and ``rag_config`` back."""

    rag_enabled: bool = True
    rag_config: dict[str, Any] = field(default_factory=dict)
    mappings: dict[tuple[str, str, str], str] = field(default_factory=dict)  # profile, category, subcategory -> prompt
    skills: dict[str, dict[str, Any]] = field(default_factory=dict)  # skills that users wrote, by id

    @property
    def examples(self) -> int:
        """The largest number of cases in a planning prompt."""
        number = self.rag_config.get("num_examples", 3)
        return number if isinstance(number, int) and number > 0 else 0

    def app_config(self) -> dict[str, Any]:
        """Return the configuration as the administrator sees it."""
        return {
            "charting_enabled": True,
            "rag_config": {
                "autocomplete_min_relevance": 0.4,
                "embedding_model": "all-MiniLM-L6-v2",
                "num_examples": 3,
                "refresh_on_startup": True,
                **self.rag_config,
            },
            "rag_enabled": self.rag_enabled,
            "tts_mode": "disabled",
            "voice_conversation_enabled": False,
        }

    @staticmethod
    def knowledge() -> dict[str, Any]:
        """Return the global knowledge settings."""
        return {name: {"is_locked": False, "value": value} for name, value in _GLOBAL_KNOWLEDGE.items()}

    def change(self, body: dict[str, Any]) -> None:
        """Change the settings that a request names."""
        if isinstance(body.get("rag_enabled"), bool):
            self.rag_enabled = body["rag_enabled"]
        if isinstance(body.get("rag_config"), dict):
            self.rag_config |= body["rag_config"]

    def restart(self) -> None:
        """Forget the settings that are not stored."""
        self.rag_enabled, self.rag_config = True, {}

"""Names that would tell a judge, or a human rater, which arm gave an answer, and their removal.

Arms, profile tags, models and their makers are replaced by ``[name]`` in both answers. A word of the
question stays, because an answer may have to contain it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

INSTEAD = "[name]"
_SHORTEST = 3  # shorter names, such as an arm called A, are also ordinary words

FAMILIES: dict[str, tuple[str, ...]] = {
    "OpenAI": ("openai", "chatgpt", "gpt", "o1", "o3", "o4", "codex"),
    "Anthropic": ("anthropic", "claude"),
    "Google": ("google", "gemini", "gemma", "palm"),
    "Meta": ("llama",),
    "Mistral": ("mistral", "mixtral", "magistral", "codestral", "ministral"),
    "Alibaba": ("alibaba", "qwen", "qwq"),
    "DeepSeek": ("deepseek",),
    "xAI": ("grok",),
    "Cohere": ("cohere", "command-r", "command-a"),
    "Amazon": ("nova", "titan"),
    "Microsoft": ("phi",),
}
"""Makers of models, by words in the names of their models. A name counts only from the start of a word."""


def family(model: str) -> str | None:
    """Return the maker of a model by its name, such as ``Anthropic/claude-x``; None for an unknown one."""
    words = model.lower()
    for maker, marks in FAMILIES.items():
        if any(re.search(rf"(?<![a-z0-9]){re.escape(mark)}(?![a-z])", words) for mark in marks):
            return maker
    return None


@dataclass(frozen=True, slots=True)
class Blind:
    """Removes a run's names from texts. ``names`` are those of arms and tags, ``models`` are ``Provider/model``."""

    names: tuple[str, ...]
    models: tuple[str, ...] = ()

    def hide(self, text: str, question: str) -> str:
        """Return the text with ``INSTEAD`` for every name that is not in the question."""
        asked = question.casefold()
        hidden = [name for name in self._words() if name.casefold() not in asked]
        if not hidden:
            return text
        listed = "|".join(map(re.escape, sorted(hidden, key=len, reverse=True)))
        return re.sub(rf"(?<![\w@])@?(?:{listed})(?:-\d[\w.]*)?(?!\w)", INSTEAD, text, flags=re.IGNORECASE)

    def _words(self) -> Iterable[str]:
        parts = [part for model in self.models for part in (model, *model.split("/"))]
        makers = {maker for model in self.models if (maker := family(model))}
        brands = [word for maker in sorted(makers) for word in (maker, *FAMILIES[maker])]
        found = dict.fromkeys(name.removeprefix("@").strip() for name in (*self.names, *parts, *brands))
        return (name for name in found if len(name) >= _SHORTEST and not name.isdigit())

"""Changes of an arm's profile, which a run makes in a copy of the profile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from uderia_bench.documents.memory import AS_IS
from uderia_bench.documents.yaml.checking import Complaint, Written, entries, wrong
from uderia_bench.documents.yaml.texts import Label, Text

IDENTITY = ("id", "tag", "name", "isDefault", "providerName", "agent_packs")
"""Fields of a profile that a copy has its own values of, or none."""


def _not_the_identity(fields: dict[str, Any]) -> dict[str, Any]:
    if own := [name for name in fields if name in IDENTITY]:
        raise wrong(*(((name,), "belongs to the copy itself and cannot be changed") for name in own))
    return fields


def _names_a_place(prompts: dict[str, str]) -> dict[str, str]:
    if odd := [place for place in prompts if place.count("/") != 1]:
        raise wrong(*(((place,), "should be category/subcategory, such as master_system_prompts/Google") for place in odd))
    return prompts


class Changes(Written):
    """What is different in a copy of a profile. The run makes the copy and deletes it at the end."""

    fields: Annotated[dict[Text, Any], AfterValidator(_not_the_identity)] = Field(default_factory=dict)
    """Fields of the profile with their new values, such as ``contextWindowTypeId`` or ``tools``."""
    skills: dict[Label, Text] = Field(default_factory=dict)
    """Texts to add to the system prompt, by name. Each is a skill file on the server while the run lasts."""
    prompts: Annotated[dict[Text, Text], AfterValidator(_names_a_place)] = Field(default_factory=dict)
    """Shipped prompts to use, by category and subcategory: ``master_system_prompts/Google: MASTER_SYSTEM_PROMPT``."""

    def __bool__(self) -> bool:
        return bool(self.fields or self.skills or self.prompts)

    def said(self, profile: str) -> str:
        """Return what is changed in a copy of a profile, in words."""
        parts = (("field", self.fields), ("text", self.skills), ("prompt", self.prompts))
        return f"a copy of {profile} that changes {', '.join(f'{kind} {name}' for kind, names in parts for name in names)}"


def need_permission(data: Any) -> Iterator[Complaint]:
    """Find arms with changes in an experiment that may not change its servers, or that also manages memory."""
    if not isinstance(data, dict):
        return
    memory = any(arm.get("memory", AS_IS) != AS_IS for _, arm in entries(data, "arms"))
    for index, arm in entries(data, "arms"):
        changes = arm.get("changes")
        if not isinstance(changes, dict) or not any(changes.values()):
            continue
        if data.get("manage_server") is not True:
            yield ("arms", index, "changes"), "needs a copy of the profile on the server: allow it with manage_server: true"
        if memory:
            yield ("arms", index, "changes"), "cannot be combined with memory: use two experiments"

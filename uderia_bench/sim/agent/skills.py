"""Skills: texts that a profile adds to the system prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uderia_bench.sim.agent.profiles import SHIPPED_SKILLS, Profile

_CHARACTERS_PER_TOKEN = 4
_LENGTHS = dict(zip(SHIPPED_SKILLS, (1480, 420, 180, 240, 310), strict=True))


def known(written: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the shipped skills and those that users wrote, as ``skills_applied`` shows them."""
    lengths = {**_LENGTHS, **{name: len(str(skill.get("content", ""))) for name, skill in written.items()}}
    return {
        name: {
            "content_length": length,
            "estimated_tokens": length // _CHARACTERS_PER_TOKEN,
            "injection_target": "system_prompt",
            "name": name,
            "param": None,
        }
        for name, length in lengths.items()
    }


def enabled(profile: Profile, written: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the known skills that the profile enables."""
    skills = profile.section("skillsConfig").get("skills")
    listed = [skill for skill in skills if isinstance(skill, dict)] if isinstance(skills, list) else []
    names = {str(skill.get("id")) for skill in listed if skill.get("enabled")}
    return {name: skill for name, skill in known(written).items() if name in names}

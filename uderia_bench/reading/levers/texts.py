"""Levers that change what the model reads: a skill of the server, a text of the user's, another shipped prompt.

The licence of a stock server allows no other change of a prompt.

Source: docs/reference/learning.md, "Changing a profile or a prompt".
"""

from __future__ import annotations

from uderia_bench.reading.levers.lever import Candidate, Lever, Setting

_MASTER = "MASTER_SYSTEM_PROMPT"
_WEAK_WORK = (
    "over_engineered_plan", "missing_temporal_context", "report_before_data", "no_tool_called", "recursion",
    "redundant_tool_calls", "inappropriate_format",
)  # fmt: skip


def _skills(setting: Setting) -> tuple[Candidate, ...]:
    config = setting.profile.get("skillsConfig")
    listed = config.get("skills") if isinstance(config, dict) else None
    if not isinstance(config, dict) or not isinstance(listed, list):
        return ()
    skills = [one for one in listed if isinstance(one, dict)]
    found = []
    for name in [str(one.get("id")) for one in skills if one.get("enabled") and not one.get("active")]:
        changed = [{**one, "active": True} if str(one.get("id")) == name else one for one in skills]
        found.append(Candidate(name=f"skill-{name}", changes={"fields": {"skillsConfig": {**config, "skills": changed}}}))
    return tuple(found)


def _texts(setting: Setting) -> tuple[Candidate, ...]:
    return tuple(Candidate(name=f"text-{name}", changes={"skills": {name: text}}) for name, text in setting.texts.items())


def _prompts(setting: Setting) -> tuple[Candidate, ...]:
    now = setting.profile.get("llmConfigurationId")
    provider = next((one.get("provider") for one in setting.llm_configurations if one.get("id") == now), None)
    place = f"master_system_prompts/{provider}"
    default, *others = setting.prompts.get(place, ("",))
    return tuple(
        Candidate(
            name=f"prompt-{name.removesuffix(_MASTER).strip('_').lower() or 'default'}", changes={"prompts": {place: name}}
        )
        for name in others
        if name.endswith(_MASTER) and name != default
    )


LEVERS: tuple[Lever, ...] = (
    Lever(
        name="skill",
        doc="Switch on a skill that the profile has and does not use.",
        answers=("high_tokens_per_call", "over_engineered_plan", "inappropriate_format"),
        propose=_skills,
    ),
    Lever(
        name="text",
        doc="Add a text of the user's (--texts) to the system prompt, as a skill.",
        answers=(),
        propose=_texts,
    ),
    Lever(
        name="prompt",
        doc="Use another system prompt that the server ships for the model's provider.",
        answers=_WEAK_WORK,
        propose=_prompts,
    ),
)

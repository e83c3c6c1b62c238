"""Levers: which changes each proposes for a profile, and which issues they answer."""

from dataclasses import replace
from pathlib import Path

import pytest

from uderia_bench.errors import UsageError
from uderia_bench.reading import detectors, levers
from uderia_bench.reading.levers import Setting

PROFILE = {
    "profile_type": "tool_enabled",
    "llmConfigurationId": "one",
    "contextWindowTypeId": "cwt-default-balanced",
    "tools": ["a", "b", "c"],
    "ragCollections": [1],
    "mcpServerId": "m",
    "skillsConfig": {"skills": [{"id": "concise", "enabled": True, "active": False}, {"id": "off", "enabled": False}]},
}
SETTING = Setting(
    profile=PROFILE,
    llm_configurations=({"id": "one", "provider": "Google", "model": "slow"}, {"id": "two", "provider": "X", "model": "fast"}),
    context_windows=({"id": "cwt-default-balanced"}, {"id": "cwt-token-efficient"}),
    collections=({"id": 2, "repository_type": "planner", "mcp_server_id": "m", "enabled": 1},),
    prompts={"master_system_prompts/Google": ("GOOGLE_MASTER_SYSTEM_PROMPT", "MASTER_SYSTEM_PROMPT", "OTHER")},
    called=("b", "z"),
    texts={"brief": "Plan in two phases."},
)
PROPOSED = {
    "fewer-tools": {"fewer-tools": {"fields": {"tools": ["b"]}}},
    "context-window": {"context-token-efficient": {"fields": {"contextWindowTypeId": "cwt-token-efficient"}}},
    "dual-models": {
        "plan-with-fast": {"fields": {"dualModelConfig": {"strategicModelId": "two", "tacticalModelId": "one"}}},
        "act-with-fast": {"fields": {"dualModelConfig": {"strategicModelId": "one", "tacticalModelId": "two"}}},
    },
    "llm": {"llm-fast": {"fields": {"llmConfigurationId": "two"}}},
    "collections": {"all-collections": {"fields": {"ragCollections": ["*"]}}},
    "skill": {
        "skill-concise": {
            "fields": {
                "skillsConfig": {
                    "skills": [{"id": "concise", "enabled": True, "active": True}, {"id": "off", "enabled": False}]
                }
            }
        }
    },
    "text": {"text-brief": {"skills": {"brief": "Plan in two phases."}}},
    "prompt": {"prompt-default": {"prompts": {"master_system_prompts/Google": "MASTER_SYSTEM_PROMPT"}}},
}
NOT_ANSWERED = {"tool_failed_in_answer", "unattributed_tokens", "warm_repeat"}  # faults of a tool or of the measurement


@pytest.mark.parametrize("lever", levers.BUILT_IN, ids=lambda lever: lever.name)
def test_each_lever_proposes_changes_of_this_profile(lever):
    """The names are unique, and the changes are what an arm takes."""
    assert {each.name: each.changes for each in lever.propose(SETTING)} == PROPOSED[lever.name]


@pytest.mark.parametrize("lever", levers.BUILT_IN, ids=lambda lever: lever.name)
@pytest.mark.parametrize("profile", [{}, {"tools": 7, "skillsConfig": "x", "ragCollections": "x"}, {"tools": ["*"]}])
def test_a_lever_never_raises_and_proposes_nothing_where_it_does_not_apply(lever, profile):
    """The server accepts any document as a profile."""
    assert lever.propose(Setting(profile=profile)) == ()


def test_the_lever_of_the_guide_proposes_its_change():
    """The code of CONTRIBUTING.md runs as written."""
    section = Path(__file__).resolve().parents[3].joinpath("CONTRIBUTING.md").read_text().split("## Add a lever")[1]
    names: dict[str, object] = {}
    exec(section.split("```python\n")[1].split("```")[0], names)
    proposed = levers.propose(SETTING, (names["SHORT_CONTEXT"],), named=("short-context",))
    assert [each.changes for each in proposed] == [{"fields": {"contextLimitOverride": 16_384}}]


def test_every_detector_has_a_lever_or_a_reason():
    """And every lever answers known detectors."""
    answered = {issue for lever in levers.BUILT_IN for issue in lever.answers}
    assert answered | NOT_ANSWERED == {detector.name for detector in detectors.BUILT_IN}
    assert not answered & NOT_ANSWERED


def test_levers_are_chosen_by_the_issues_found_or_by_name():
    """The one that answers most issues comes first. Texts of the user are always tried."""
    found = replace(SETTING, issues=frozenset({"missed_fast_path", "over_engineered_plan"}))
    names = [each.name for each in levers.propose(found)]
    assert names == ["plan-with-fast", "act-with-fast", "all-collections", "llm-fast", "skill-concise", "prompt-default",
                     "text-brief"]  # fmt: skip
    assert [each.name for each in levers.propose(found, named=("llm",))] == ["llm-fast"]
    assert [each.name for each in levers.propose(SETTING)] == ["text-brief"]
    with pytest.raises(UsageError, match="no lever is named 'lmm': the levers are fewer-tools"):
        levers.propose(SETTING, named=("lmm",))

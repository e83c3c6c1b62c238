"""Planted effects: known differences between profiles or providers, for a comparison to find.

An effect multiplies one quantity in every trial that it applies to, between two times after the
server's start. All other draws stay the same. ``slow`` and ``fast`` name the two providers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from uderia_bench.sim.agent.llms import LLMS
from uderia_bench.sim.agent.profiles import BY_TAG, Profile

LLM_SECONDS, TOOL_SECONDS = "llm_s", "tool_s"
INPUT_TOKENS, OUTPUT_TOKENS = "input_tokens", "output_tokens"
PLAN_TOKENS = "plan_tokens_with_case"  # of planning calls that show a stored plan
TARGETS = (LLM_SECONDS, TOOL_SECONDS, INPUT_TOKENS, OUTPUT_TOKENS, PLAN_TOKENS)
_BY_SPEED = sorted(LLMS, key=lambda llm: llm.token_s)
NICKNAMES = {"fast": _BY_SPEED[0].provider, "slow": _BY_SPEED[-1].provider}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A planted difference. Times are real seconds since the server's start.

    ``when`` limits it to profiles whose document has these values.
    """

    factor: float
    on: str = LLM_SECONDS
    profile: str | None = None
    provider: str | None = None
    from_s: float = 0.0
    until_s: float = float("inf")
    when: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.on not in TARGETS:
            raise ValueError(f"unknown target {self.on!r} of 'on'; choose one of {', '.join(TARGETS)}")
        if self.profile is not None and self.profile not in BY_TAG:
            raise ValueError(f"unknown profile tag {self.profile!r}; choose one of {', '.join(BY_TAG)}")
        known = {*NICKNAMES, *(llm.provider for llm in LLMS)}
        if self.provider is not None and self.provider not in known:
            raise ValueError(f"unknown provider {self.provider!r}; choose one of {', '.join(sorted(known))}")
        if self.factor <= 0:
            raise ValueError(f"factor must be above 0, not {self.factor}")

    def concerns(self, profile: Profile, seconds: float) -> bool:
        """Return whether the effect applies to this profile at this time."""
        provider = NICKNAMES.get(self.provider or "", self.provider)
        mine = self.profile in (None, profile.tag) and provider in (None, profile.llm.provider)
        mine = mine and all(profile.document.get(name) == value for name, value in self.when.items())
        return mine and self.from_s <= seconds < self.until_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """Factors on the draws of a trial."""

    llm_s: float = 1.0
    tool_s: float = 1.0
    input_tokens: float = 1.0
    output_tokens: float = 1.0
    plan_tokens_with_case: float = 1.0


def factors(effects: Iterable[Effect], profile: Profile, seconds: float) -> Factors:
    """Return the product of the effects on a trial that starts now."""
    products = dict.fromkeys(TARGETS, 1.0)
    for effect in effects:
        if effect.concerns(profile, seconds):
            products[effect.on] *= effect.factor
    return Factors(**products)

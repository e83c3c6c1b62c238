"""Tables of tokens and chances of the agent, and the random draw of one trial.

A trial is drawn from (seed, profile id, prompt, number of earlier trials of this profile and
prompt), independently of the order of trials and of the load. Differences between queries are drawn
from (seed, prompt), those of a profile on a query from (seed, profile, prompt). All noise is
log-normal.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from random import Random
from typing import Any

from uderia_bench.sim.agent.llms import Llm
from uderia_bench.sim.trouble.effects import Factors


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Standard deviations of a logarithm, by source of variation."""

    query: float
    profile: float
    trial: float
    call: float


# The plans add further differences between queries: a prompt with more phases takes longer.
PACE = Spread(query=0.35, profile=0.12, trial=0.20, call=0.08)
LENGTH = Spread(query=0.25, profile=0.08, trial=0.12, call=0.05)
SIZE = Spread(query=0.02, profile=0.01, trial=0.004, call=0.002)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A kind of LLM call: median input and output tokens at verbosity 1."""

    input: int
    output: int


CALLS = {
    "agent_step": Call(input=7750, output=50),  # llm_only step that chooses a tool
    "agent_answer": Call(input=7750, output=270),  # llm_only step that answers
    "plan": Call(input=7450, output=330),
    "plan_retry": Call(input=7600, output=330),
    "plan_refusal": Call(input=7450, output=40),  # prose instead of a plan
    "tactical": Call(input=1850, output=70),
    "refine": Call(input=560, output=40),
    "llm_task": Call(input=1000, output=180),
    "correct": Call(input=1800, output=80),
    "report": Call(input=2600, output=620),
    "direct": Call(input=900, output=320),  # llm_only without an agent
    "synthesis": Call(input=1500, output=340),  # rag_focused; the retrieved text comes on top
    "route": Call(input=900, output=60),  # coordinator chooses its experts
    "coordinate": Call(input=1100, output=380),  # coordinator joins their answers
    "classify_columns": Call(input=420, output=30),
    "recover": Call(input=2200, output=160),
    "naming": Call(input=262, output=6),
}
TOKENS_PER_TOOL = 60  # of a data tool in a prompt that lists the tools
OUTPUT_PER_PHASE = 45  # for each phase of a plan after the second
INPUT_PER_TURN = 450  # for each earlier turn of the session, in every prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """Probabilities of random difficulties. A change of one leaves the other draws as they are."""

    plan_fails: float = 0.0
    plan_parses_late: float = 0.0
    phase_tactical: float = 0.0
    needs_dispatched: float = 0.0
    tool_fails_once: float = 0.0
    agent_fails: float = 0.0
    no_tool: float = 0.0
    answer_wrong: float = 0.0


CHANCES = {
    "llm_only": Chances(agent_fails=0.01, no_tool=0.03, tool_fails_once=0.03, answer_wrong=0.05),
    "tool_enabled": Chances(
        plan_fails=0.015,
        plan_parses_late=0.02,
        phase_tactical=0.15,
        needs_dispatched=0.30,
        tool_fails_once=0.04,
        answer_wrong=0.02,
    ),
    "rag_focused": Chances(agent_fails=0.01, answer_wrong=0.03),
    "genie": Chances(agent_fails=0.01),
}


def stream(*parts: object) -> Random:
    """Return a random stream that depends only on these parts."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return Random(int.from_bytes(digest, "big"))


class Draw:
    """The random numbers of one trial, drawn in the order of its calls."""

    def __init__(
        self,
        *,
        seed: int,
        profile_id: str,
        profile_type: str,
        prompt: str,
        asked_before: object,
        planted: dict[str, Any] | None = None,
        factors: Factors | None = None,
        chance: bool = True,
    ) -> None:
        self.factors = factors or Factors()
        self.planted = planted or {}  # difficulties from planted faults
        self.chances = CHANCES.get(profile_type, Chances()) if chance else Chances()
        query, profile = stream(seed, "query", prompt), stream(seed, "profile", profile_id, prompt)
        self._trial = stream(seed, "trial", profile_id, prompt, asked_before)
        self._pace, self._length, self._size = (
            math.exp(query.gauss(0, s.query) + profile.gauss(0, s.profile) + self._trial.gauss(0, s.trial))
            for s in (PACE, LENGTH, SIZE)
        )

    def happens(self, chance: float) -> bool:
        """Return True with the given probability; always draws one number."""
        return self._trial.random() < chance

    def tokens(self, kind: str, llm: Llm, *, more_input: int = 0, more_output: int = 0) -> tuple[int, int]:
        """Return the input and output tokens of a call to ``llm``."""
        call = CALLS[kind]
        into = (call.input * self._size * math.exp(self._trial.gauss(0, SIZE.call)) + more_input) * llm.input_factor
        out = (call.output + more_output) * self._length * math.exp(self._trial.gauss(0, LENGTH.call)) * llm.verbosity
        return round(into * self.factors.input_tokens), max(1, round(out * self.factors.output_tokens))

    def llm_noise(self) -> float:
        """Return the factor on the duration of one LLM call."""
        return self._pace * math.exp(self._trial.gauss(0, PACE.call)) * self.factors.llm_s

    def tool_seconds(self, usual: float) -> float:
        """Return the duration of one tool call in seconds."""
        return usual * self._pace * math.exp(self._trial.gauss(0, PACE.call)) * self.factors.tool_s

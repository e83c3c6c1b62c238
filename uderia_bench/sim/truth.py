"""True times, tokens and calls of each task, counted where the LLM and the tools are called."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, kw_only=True)
class Ledger:
    """The true values of one task. Seconds count from the arrival of the query's request."""

    session_id: str
    task_id: str
    profile_tag: str
    model: str
    prompt: Any
    arrived_at: float  # seconds since 1970
    submit_s: float
    latency_s: float | None = None  # until the answer, without naming; None without an answer
    task_s: float | None = None  # until the terminal status
    llm_calls: int = 0  # without naming, like the tokens below
    input_tokens: int = 0
    output_tokens: int = 0
    naming_tokens: int = 0
    phases: int = 0
    fastpath_phases: int = 0  # phases without a tactical call
    tool_calls: int = 0  # calls of data tools
    corrections: int = 0
    cold: bool = False  # the first query after a start, which takes longer
    cases: int = 0  # stored plans in the planning prompt
    unwritten_cases: int = 0  # plans of earlier turns that were not stored yet when the query arrived
    faults: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return the ledger as ``GET /sim/truth`` lists it."""
        return {name: getattr(self, name) for name in self.__slots__}

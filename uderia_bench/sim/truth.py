"""What really happened in each task, counted where the scripted LLM and the tools are called and never read from events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, kw_only=True)
class Ledger:
    """The truth about one task, while it runs and after. Seconds are from the arrival of the query's request."""

    session_id: str
    task_id: str
    profile_tag: str
    model: str
    prompt: Any
    submit_s: float
    latency_s: float | None = None  # to the answer, naming out; None where there was none
    task_s: float | None = None  # to the terminal status
    llm_calls: int = 0  # naming excluded, as in the tokens below
    input_tokens: int = 0
    output_tokens: int = 0
    naming_tokens: int = 0
    phases: int = 0
    fastpath_phases: int = 0  # phases without a tactical call, announced or not
    tool_calls: int = 0  # calls that reached a data tool
    corrections: int = 0
    faults: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return the ledger as ``GET /sim/truth`` lists it."""
        return {name: getattr(self, name) for name in self.__slots__}

"""``tools_called``: the agent called these tools."""

from __future__ import annotations

from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged, quoted
from uderia_bench.trace import ToolStatus


def called(answer: Answer) -> tuple[str, ...]:
    """Return the tools that were called, whatever came of it, each once."""
    return tuple(dict.fromkeys(call.name for call in answer.trace.tool_calls if call.status is not ToolStatus.SKIPPED))


def _judge(answer: Answer, value: tuple[str, ...]) -> Judged:
    names = called(answer)
    return Judged(passed=set(value) <= set(names), found=quoted(", ".join(names) or "no tool"))


TOOLS_CALLED = ExpectationKind(
    name="tools_called",
    doc="The agent called each of these tools at least once.",
    judge=_judge,
)

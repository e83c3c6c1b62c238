"""``tools_not_called``: the agent left these tools alone."""

from __future__ import annotations

from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged, quoted
from uderia_bench.reading.expectations.tools_called import called


def _judge(answer: Answer, value: tuple[str, ...]) -> Judged:
    names = called(answer)
    return Judged(passed=set(value).isdisjoint(names), found=quoted(", ".join(names) or "no tool"))


TOOLS_NOT_CALLED = ExpectationKind(
    name="tools_not_called",
    doc="The agent called none of these tools.",
    judge=_judge,
)

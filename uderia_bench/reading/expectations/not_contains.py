"""``not_contains``: the answer does not say these words."""

from __future__ import annotations

from uderia_bench.reading.expectations.contains import place
from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged, quoted


def _judge(answer: Answer, value: str) -> Judged:
    found = place(answer.text, value)
    return Judged(passed=found is None, found=quoted(answer.text if found is None else found))


NOT_CONTAINS = ExpectationKind(
    name="not_contains",
    doc="The answer does not have this text in it; read as contains reads.",
    judge=_judge,
)

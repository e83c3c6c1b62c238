"""``not_contains``: the answer does not say these words."""

from __future__ import annotations

from uderia_bench.expectations.contains import place
from uderia_bench.expectations.kind import Evidence, ExpectationKind, Judged, quoted


def _judge(evidence: Evidence, value: str) -> Judged:
    found = place(evidence.text, value)
    return Judged(passed=found is None, found=quoted(evidence.text if found is None else found))


NOT_CONTAINS = ExpectationKind(
    name="not_contains",
    doc="The answer does not have this text in it; read as contains reads.",
    judge=_judge,
)

"""``one_of``: the answer says at least one of these."""

from __future__ import annotations

from uderia_bench.expectations.contains import place
from uderia_bench.expectations.kind import Evidence, ExpectationKind, Judged, quoted


def _judge(evidence: Evidence, value: tuple[str, ...]) -> Judged:
    for words in value:
        if (found := place(evidence.text, words)) is not None:
            return Judged(passed=True, found=quoted(found))
    return Judged(passed=False, found=quoted(evidence.text))


ONE_OF = ExpectationKind(
    name="one_of",
    doc="The answer has at least one of these texts in it; read as contains reads.",
    judge=_judge,
)

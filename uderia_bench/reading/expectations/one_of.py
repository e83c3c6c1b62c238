"""``one_of``: the answer says at least one of these."""

from __future__ import annotations

from uderia_bench.reading.expectations.contains import place
from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged, quoted


def _judge(answer: Answer, value: tuple[str, ...]) -> Judged:
    for words in value:
        if (found := place(answer.text, words)) is not None:
            return Judged(passed=True, found=quoted(found))
    return Judged(passed=False, found=quoted(answer.text))


ONE_OF = ExpectationKind(
    name="one_of",
    doc="The answer has at least one of these texts in it; read as contains reads.",
    judge=_judge,
)

"""``same_as``: the answer states what the answer to another query states; consistency, where nobody knows the truth."""

from __future__ import annotations

from uderia_bench.reading.expectations.facts import facts
from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged, quoted
from uderia_bench.reading.expectations.plain_text import folded


def _judge(answer: Answer, value: str) -> Judged:
    other = answer.others.get(value)
    if other is None:
        return Judged(passed=None, found=f"{value} was not answered on this arm in this repetition")
    own_facts, other_facts = facts(answer.text), facts(other)
    fewer, more = sorted((own_facts, other_facts), key=len)
    if not fewer:
        return Judged(passed=folded(answer.text) == folded(other), found=quoted(f"{answer.text} / {other}"))
    missing = sorted(fewer - more)
    said = "the same" if not missing else f"only one of the two states {', '.join(missing)}"
    return Judged(passed=not missing, found=quoted(said))


SAME_AS = ExpectationKind(
    name="same_as",
    doc="Consistent with the other query's answer on the same arm and repetition: all numbers and names of the one that states "
    "fewer are stated by the other.",
    judge=_judge,
)

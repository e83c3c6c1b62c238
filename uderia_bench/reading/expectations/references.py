"""Expectations that compare an answer with something outside it: another query's answer, or a judge's scores."""

from __future__ import annotations

from uderia_bench.documents.expectation import LlmJudge
from uderia_bench.reading.expectations.facts import facts
from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged, quoted
from uderia_bench.reading.expectations.plain_text import folded


def _same_as(answer: Answer, value: str) -> Judged:
    other = answer.others.get(value)
    if other is None:
        return Judged(passed=None, found=f"{value} was not answered on this arm in this repetition")
    own_facts, other_facts = facts(answer.text), facts(other)
    fewer, more = sorted((own_facts, other_facts), key=len)
    if not fewer:
        return Judged(passed=folded(answer.text) == folded(other), found=quoted(f"{answer.text} / {other}"))
    missing = sorted(fewer - more)
    owner = "this answer" if fewer is own_facts else f"the answer to {value}"
    found = "the same facts" if not missing else f"only {owner} mentions {', '.join(missing)}"
    return Judged(passed=not missing, found=quoted(found))


def _llm_judge(answer: Answer, value: LlmJudge) -> Judged:
    opinion = answer.opinion_of(value.rubric)
    if opinion is None:
        return Judged(passed=None, found="no judge has scored this answer")
    scores = ", ".join(f"{score.value:g}" for score in opinion.scores)
    reason = opinion.scores[0].reason
    return Judged(passed=opinion.value >= value.at_least, found=quoted(f"{opinion.value:.2g} ({scores}): {reason}"))


KINDS: tuple[ExpectationKind, ...] = (
    ExpectationKind(
        name="same_as",
        doc="The answer agrees with the other query's answer on the same arm and repetition: every number and name in the "
        "one that has fewer is also in the other.",
        judge=_same_as,
    ),
    ExpectationKind(
        name="llm_judge",
        doc="The judge's mean score for the rubric is at least at_least. Left out where the judge has not scored the answer.",
        judge=_llm_judge,
    ),
)

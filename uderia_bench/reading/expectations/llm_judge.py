"""``llm_judge``: a language model finds that the answer meets a rubric. The scores were given before; nobody is asked here."""

from __future__ import annotations

from uderia_bench.documents.expectation import LlmJudge
from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged, quoted


def _judge(answer: Answer, value: LlmJudge) -> Judged:
    opinion = answer.opinion_of(value.rubric)
    if opinion is None:
        return Judged(passed=None, found="no judge has scored this answer")
    scores = ", ".join(f"{score.value:g}" for score in opinion.scores)
    reason = opinion.scores[0].reason
    return Judged(passed=opinion.value >= value.at_least, found=quoted(f"{opinion.value:.2g} ({scores}): {reason}"))


LLM_JUDGE = ExpectationKind(
    name="llm_judge",
    doc="The judge's mean score against the rubric is at least at_least; not judged where there is none, or it is down.",
    judge=_judge,
)

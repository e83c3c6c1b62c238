"""``phases_at_most``: the plan was carried out in no more phases than this."""

from __future__ import annotations

from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged


def _judge(answer: Answer, value: int) -> Judged:
    if answer.trace.plan is None:
        return Judged(passed=None, found="this profile type plans no phases")
    count = len(answer.trace.phases)
    return Judged(passed=count <= value, found=f"{count} phases")


PHASES_AT_MOST = ExpectationKind(
    name="phases_at_most",
    doc="No more phases were executed; not judged where the profile type plans none.",
    judge=_judge,
)

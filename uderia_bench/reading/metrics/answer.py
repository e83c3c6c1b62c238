"""Answer metrics: whether the agent answered, whether the answer is right, and its length."""

from __future__ import annotations

from uderia_bench.reading.metrics.metric import Assumption, Direction, Metric
from uderia_bench.trial import Outcome

METRICS: tuple[Metric, ...] = (
    Metric(
        name="answered",
        family="answer",
        doc="The agent answered. Every trial with another outcome counts as not answered.",
        unit="1",
        kind=bool,
        direction=Direction.HIGHER,
        assumption=Assumption.RATE,
        read=lambda trace: trace.outcome is Outcome.ANSWERED,
        needs_answer=False,
    ),
    Metric(
        name="checks_passed_ratio",
        family="answer",
        doc="Weight of the passed checks / weight of all checks; None where the corpus has no expectation for the query.",
        unit="1",
        kind=float,
        direction=Direction.HIGHER,
        assumption=Assumption.RATE,
        read=lambda trace: trace.checks_passed_ratio,
    ),
    Metric(
        name="preference",
        family="answer",
        doc="Share of comparisons that a pairwise judge decides for this answer, a tie counting half; None without such a "
        "judge. The difference of two arms is 0 where neither is preferred, and 10 points where it is 55 to 45.",
        unit="1",
        kind=float,
        direction=Direction.HIGHER,
        assumption=Assumption.RATE,
        read=lambda trace: trace.preference,
    ),
    Metric(
        name="answer_chars",
        family="answer",
        doc="Length of the answer in characters.",
        unit="1",
        kind=int,
        direction=Direction.NEUTRAL,
        assumption=Assumption.AMOUNT,
        read=lambda trace: None if trace.answer is None else len(trace.answer),
    ),
)

"""Answer metrics: whether the agent answered, whether the answer is right, and its length."""

from __future__ import annotations

from functools import partial

from uderia_bench.reading.metrics.metric import Direction, Metric, counted, rated
from uderia_bench.trial import Outcome

_share = partial(rated, family="answer", direction=Direction.HIGHER)

METRICS: tuple[Metric, ...] = (
    _share(
        name="answered",
        doc="The agent answered. Every trial with another outcome counts as not answered.",
        kind=bool,
        read=lambda trace: trace.outcome is Outcome.ANSWERED,
        needs_answer=False,
    ),
    _share(
        name="checks_passed_ratio",
        doc="Weight of the passed checks / weight of all checks; None where the corpus has no expectation for the query.",
        read=lambda trace: trace.checks_passed_ratio,
    ),
    _share(
        name="preference",
        doc="Share of comparisons that a pairwise judge decides for this answer, a tie counting half; None without such a "
        "judge. The difference of two arms is 0 where neither is preferred, and 10 points where it is 55 to 45.",
        read=lambda trace: trace.preference,
    ),
    counted(
        name="answer_chars",
        family="answer",
        doc="Length of the answer in characters.",
        read=lambda trace: None if trace.answer is None else len(trace.answer),
    ),
)

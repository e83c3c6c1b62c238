"""Answer metrics: whether there was one, whether it is right, how long it is."""

from __future__ import annotations

from uderia_bench.reading.metrics.metric import Assumption, Direction, Metric
from uderia_bench.trial import Outcome

METRICS: tuple[Metric, ...] = (
    Metric(
        name="answered",
        family="answer",
        doc="The agent answered; every trial that ended otherwise counts against it.",
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
        doc="Expectations of the corpus that the answer meets / expectations; None where the query expects nothing.",
        unit="1",
        kind=float,
        direction=Direction.HIGHER,
        assumption=Assumption.RATE,
        read=lambda trace: trace.checks_passed_ratio,
    ),
    Metric(
        name="answer_chars",
        family="answer",
        doc="Length of the answer's text in characters.",
        unit="1",
        kind=int,
        direction=Direction.NEUTRAL,
        assumption=Assumption.AMOUNT,
        read=lambda trace: None if trace.answer is None else len(trace.answer),
    ),
)

"""Measurement metrics: how far a trial's own clock can be trusted. They say nothing of an arm and are never compared."""

from __future__ import annotations

from uderia_bench.reading.metrics.latency import latency_s
from uderia_bench.reading.metrics.metric import MEASUREMENT, Assumption, Direction, Metric
from uderia_bench.trace import Trace


def quantisation(trace: Trace) -> float | None:
    """Return the share of ``latency_s`` that polling leaves open: between the last poll before the end and the first after."""
    clock, latency = trace.timing, latency_s(trace)
    if latency is None:
        return None
    if clock.answer_s is not None:
        return 0.0
    assert clock.seen_hi_s is not None, "without stamps the latency is the poll that saw the end"
    if clock.seen_hi_s == 0:
        return 1.0
    since_s = clock.seen_lo_s if clock.seen_lo_s is not None else clock.submit_s or 0.0
    return max(0.0, clock.seen_hi_s - since_s) / clock.seen_hi_s


METRICS: tuple[Metric, ...] = (
    Metric(
        name="quantisation",
        family=MEASUREMENT,
        doc="Share of latency_s that is only known as an interval between two polls; 0 where it rests on the server's stamps.",
        unit="1",
        kind=float,
        direction=Direction.NEUTRAL,
        assumption=Assumption.AMOUNT,
        read=quantisation,
    ),
    Metric(
        name="stall_s",
        family=MEASUREMENT,
        doc="For how long our own event loop stood still inside the query POST's round trip, which latency_s holds.",
        unit="s",
        kind=float,
        direction=Direction.NEUTRAL,
        assumption=Assumption.AMOUNT,
        read=lambda trace: trace.timing.stall_s,
        needs_answer=False,
    ),
)

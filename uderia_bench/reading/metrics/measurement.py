"""Measurement metrics: how accurate a trial's times are. They describe the measurement, so arms are not compared on them."""

from __future__ import annotations

from functools import partial

from uderia_bench.reading.metrics.latency import latency_s
from uderia_bench.reading.metrics.metric import MEASUREMENT, Assumption, Metric, counted, if_planned
from uderia_bench.trace import Trace


def quantisation(trace: Trace) -> float | None:
    """Return the share of ``latency_s`` that is uncertain: the time between the last poll before the end and the next."""
    clock, latency = trace.timing, latency_s(trace)
    if latency is None:
        return None
    if clock.answer_s is not None and clock.step_s is None:
        return 0.0
    if not clock.seen_hi_s:
        return 1.0
    since_s = clock.seen_lo_s if clock.seen_lo_s is not None else clock.submit_s or 0.0
    return max(0.0, clock.seen_hi_s - since_s) / clock.seen_hi_s


_own = partial(counted, family=MEASUREMENT, kind=float, needs_answer=False)
_flag = partial(_own, kind=bool, assumption=Assumption.RATE)

METRICS: tuple[Metric, ...] = (
    _own(
        name="quantisation",
        doc="Share of latency_s that is uncertain because of polling; 0 where server timestamps give the time.",
        read=quantisation,
        needs_answer=True,
    ),
    _own(
        name="stall_s",
        doc="Time the client's own event loop was blocked during the query's POST request, which is part of latency_s.",
        unit="s",
        read=lambda trace: trace.timing.stall_s,
    ),
    _own(
        name="clock_step_s",
        doc="Step of the server's clock during the trial, forward if positive. The client's clock bounds the trial's times.",
        unit="s",
        read=lambda trace: trace.timing.step_s,
    ),
    _flag(
        name="foreign_tools",
        doc="The planning prompt had, or probably had, another profile's tools in it. The trial is left out of comparisons.",
        read=if_planned(lambda trace: trace.foreign_tools),
    ),
    _flag(
        name="lower_bound",
        doc="The work of a consulted profile is not known, so tokens, cost, calls and tools are None. See the trial's notes.",
        read=lambda trace: trace.lower_bound if trace.children else None,
    ),
)

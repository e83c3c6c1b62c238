"""Time metrics: the duration of a trial, from server timestamps where there are any, session naming excluded.

``latency_s`` is the service time: from when the query was sent. ``response_s`` is the response
time: from when the query was due. In an open loop, a stall of the server shows in ``response_s``
only (coordinated omission). In a closed loop a query is due when a slot is free, so the two differ
only by the client's own work: spacing, creating a session, a pause.
"""

from __future__ import annotations

from functools import partial

from uderia_bench.reading.metrics.metric import PHASES, Across, Assumption, Direction, Metric
from uderia_bench.trace import Trace

_seconds = partial(Metric, family="time", unit="s", kind=float, direction=Direction.LOWER, assumption=Assumption.POSITIVE)
_phase = partial(_seconds, across=Across.SHOWN, across_reason=PHASES)


def latency_s(trace: Trace) -> float | None:
    """Return the time to the answer, naming excluded; without timestamps, the first poll that saw the end."""
    clock = trace.timing
    if clock.submit_s is not None and clock.answer_s is not None:
        return max(0.0, clock.submit_s + clock.answer_s - clock.naming_before_answer_s)
    return clock.seen_hi_s if clock.answer_s is None and trace.answer else None


def response_s(trace: Trace) -> float | None:
    """Return the time from when the query was due to the answer, naming excluded as in ``latency_s``."""
    latency, queue = latency_s(trace), trace.timing.queue_s
    return None if latency is None or queue is None else queue + latency


def answer_wall_s(trace: Trace) -> float | None:
    """Return the time to the answer as a user sees it, naming included."""
    clock = trace.timing
    if clock.submit_s is not None and clock.answer_s is not None:
        return clock.submit_s + clock.answer_s
    return clock.seen_hi_s if clock.answer_s is None and trace.answer else None


def task_s(trace: Trace) -> float | None:
    """Return the time to the terminal status."""
    clock = trace.timing
    if clock.submit_s is not None and clock.terminal_s is not None:
        return clock.submit_s + clock.terminal_s
    return clock.seen_hi_s


def _phase_durations(trace: Trace) -> list[float]:
    return [phase.duration_s for phase in trace.phases if phase.duration_s is not None]


def phase_s_mean(trace: Trace) -> float | None:
    """Return the mean duration of a phase. Parallel phases overlap, so their sum may exceed the wall clock."""
    durations = _phase_durations(trace)
    return sum(durations) / len(durations) if durations else None


METRICS: tuple[Metric, ...] = (
    _seconds(
        name="latency_s",
        doc="Service time: from sending the query to the answer, from server timestamps, session naming excluded.",
        read=latency_s,
    ),
    _seconds(
        name="response_s",
        doc="Response time: from when the query was due to the answer. The sum of queue_s and latency_s.",
        read=response_s,
    ),
    _seconds(
        name="answer_wall_s",
        doc="Time from sending the query to the answer as a user sees it: latency_s with session naming included.",
        read=answer_wall_s,
    ),
    _seconds(name="task_s", doc="Time from sending the query to the task's terminal status.", read=task_s),
    _seconds(
        name="submit_s",
        doc="Round trip of the query's POST request. The server switches the profile before it answers.",
        read=lambda trace: trace.timing.submit_s,
    ),
    _seconds(
        name="queue_s",
        doc="Time a due query waited in the client (schedule, spacing, session). Part of response_s, not of latency_s.",
        direction=Direction.NEUTRAL,
        assumption=Assumption.AMOUNT,
        read=lambda trace: trace.timing.queue_s,
        needs_answer=False,
    ),
    _seconds(
        name="naming_s",
        doc="Duration of session naming, before or after the answer; None where the session was not named.",
        direction=Direction.NEUTRAL,
        read=lambda trace: trace.timing.naming_s,
        across=Across.SHOWN,
        across_reason="some profile types name the session before the answer and others after it",
    ),
    _seconds(
        name="agent_s",
        doc="Duration that the server reports for the turn, naming excluded. Not comparable between profile types.",
        read=lambda trace: trace.timing.agent_s,
        across=Across.SHOWN,
        across_reason="the duration that the server reports covers different steps in each profile type",
    ),
    _phase(
        name="phase_s_mean",
        doc="Mean duration of an executed phase; None for profile types without phases.",
        read=phase_s_mean,
    ),
    _phase(
        name="phase_s_max",
        doc="Duration of the slowest phase; None for profile types without phases.",
        read=lambda trace: max(_phase_durations(trace), default=None),
    ),
)

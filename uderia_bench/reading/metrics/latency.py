"""Time metrics: how long a trial took, on the server's stamps where there are any, session naming taken out.

Two names for two questions. ``latency_s`` is the service time: from when the query was really sent, what the agent takes.
``response_s`` is the response time: from when the query was due, what somebody waits who did not know that the queue was long.
An open loop that the server stalls shows the stall in the second alone (coordinated omission); in a closed loop a query is due
when a slot is free, so the two differ by what we need ourselves: spacing, a session, a pause.
"""

from __future__ import annotations

from uderia_bench.reading.metrics.metric import PHASES, Across, Assumption, Direction, Metric
from uderia_bench.trace import Phase, Trace

_FAMILY = "time"


def latency_s(trace: Trace) -> float | None:
    """Return the time to the answer less naming; without stamps the first poll that saw the end, naming included."""
    clock = trace.timing
    if clock.submit_s is not None and clock.answer_s is not None:
        return max(0.0, clock.submit_s + clock.answer_s - clock.naming_before_answer_s)
    return clock.seen_hi_s if clock.answer_s is None and trace.answer else None


def response_s(trace: Trace) -> float | None:
    """Return the time to the answer from when the query was due, naming out as in ``latency_s``."""
    latency, queue = latency_s(trace), trace.timing.queue_s
    return None if latency is None or queue is None else queue + latency


def answer_wall_s(trace: Trace) -> float | None:
    """Return the time to the answer as a user waits for it."""
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
    """Return the mean length of a phase; parallel phases overlap, so the sum may exceed the wall clock."""
    durations = _phase_durations(trace)
    return sum(durations) / len(durations) if durations else None


def slowest_phase(trace: Trace) -> Phase | None:
    """Return the phase that took longest, None where no phase has a length."""
    timed = [phase for phase in trace.phases if phase.duration_s is not None]
    return max(timed, key=lambda phase: phase.duration_s or 0.0) if timed else None


def phase_s_max(trace: Trace) -> float | None:
    """Return the length of the slowest phase."""
    slowest = slowest_phase(trace)
    return slowest.duration_s if slowest else None


METRICS: tuple[Metric, ...] = (
    Metric(
        name="latency_s",
        family=_FAMILY,
        doc="Service time: from handing the query to the transport to the answer, on server stamps, less naming before it.",
        unit="s",
        kind=float,
        direction=Direction.LOWER,
        assumption=Assumption.POSITIVE,
        read=latency_s,
    ),
    Metric(
        name="response_s",
        family=_FAMILY,
        doc="Response time: from when the query was due to the answer, so queue_s and latency_s together.",
        unit="s",
        kind=float,
        direction=Direction.LOWER,
        assumption=Assumption.POSITIVE,
        read=response_s,
    ),
    Metric(
        name="answer_wall_s",
        family=_FAMILY,
        doc="The same with session naming left in: what a user waits for.",
        unit="s",
        kind=float,
        direction=Direction.LOWER,
        assumption=Assumption.POSITIVE,
        read=answer_wall_s,
    ),
    Metric(
        name="task_s",
        family=_FAMILY,
        doc="From handing the query to the transport to the task's terminal status.",
        unit="s",
        kind=float,
        direction=Direction.LOWER,
        assumption=Assumption.POSITIVE,
        read=task_s,
    ),
    Metric(
        name="submit_s",
        family=_FAMILY,
        doc="Round trip of the query POST: the server switches the profile before it accepts.",
        unit="s",
        kind=float,
        direction=Direction.LOWER,
        assumption=Assumption.POSITIVE,
        read=lambda trace: trace.timing.submit_s,
    ),
    Metric(
        name="queue_s",
        family=_FAMILY,
        doc="Wait of ours from when the query was due until it was sent (schedule, spacing, session); in response_s only.",
        unit="s",
        kind=float,
        direction=Direction.NEUTRAL,
        assumption=Assumption.AMOUNT,
        read=lambda trace: trace.timing.queue_s,
        needs_answer=False,
    ),
    Metric(
        name="naming_s",
        family=_FAMILY,
        doc="Session naming from start to end, wherever it came; None where the session was not named.",
        unit="s",
        kind=float,
        direction=Direction.NEUTRAL,
        assumption=Assumption.POSITIVE,
        read=lambda trace: trace.timing.naming_s,
        across=Across.SHOWN,
        across_reason="one type names before the answer and another after it, so it costs them differently",
    ),
    Metric(
        name="agent_s",
        family=_FAMILY,
        doc="What the server itself reports for the turn, naming out; it covers another span in every profile type.",
        unit="s",
        kind=float,
        direction=Direction.LOWER,
        assumption=Assumption.POSITIVE,
        read=lambda trace: trace.timing.agent_s,
        across=Across.SHOWN,
        across_reason="the server's own clock covers different spans per profile type",
    ),
    Metric(
        name="phase_s_mean",
        family=_FAMILY,
        doc="Mean length of an executed phase; None for types without phases.",
        unit="s",
        kind=float,
        direction=Direction.LOWER,
        assumption=Assumption.POSITIVE,
        read=phase_s_mean,
        across=Across.SHOWN,
        across_reason=PHASES,
    ),
    Metric(
        name="phase_s_max",
        family=_FAMILY,
        doc="Length of the slowest phase; None for types without phases.",
        unit="s",
        kind=float,
        direction=Direction.LOWER,
        assumption=Assumption.POSITIVE,
        read=phase_s_max,
        across=Across.SHOWN,
        across_reason=PHASES,
    ),
)

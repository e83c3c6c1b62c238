"""Times of one trial: the client's from its record, and the server's as differences of its timestamps."""

from __future__ import annotations

from uderia_bench.reading.profile_types.accounts import Naming
from uderia_bench.reading.profile_types.exchange import Exchange
from uderia_bench.trace import Timing


def timing(exchange: Exchange, named: Naming, agent_s: float | None) -> Timing:
    """Return a trial's times. ``agent_s`` is the duration the server reports, naming excluded.

    Source: docs/reference/measured.md, "Time".
    """
    record = exchange.record
    answer_s = next((exchange.since_start(event.at) for event in reversed(exchange.all("final_answer"))), None)
    terminal_s = exchange.since_start(exchange.ended)
    if agent_s is not None and exchange.step_s is not None and not 0 <= agent_s <= (terminal_s or 0.0):
        agent_s = None  # the agent subtracts two readings of the clock that stepped
    before = 0.0 if answer_s is None else sum(max(0.0, min(end, answer_s) - start) for start, end in named.intervals)
    return Timing(
        queue_s=_between(record.due_s, record.sent_s),
        submit_s=_between(record.sent_s, record.accepted_s),
        stall_s=record.stall_s,
        seen_lo_s=record.seen_lo_s,
        seen_hi_s=record.seen_hi_s,
        answer_s=answer_s,
        terminal_s=terminal_s,
        naming_s=sum(end - start for start, end in named.intervals) if named.intervals else None,
        naming_before_answer_s=before,
        agent_s=agent_s,
        step_s=exchange.step_s,
    )


def _between(earlier: float | None, later: float | None) -> float | None:
    return None if earlier is None or later is None else max(0.0, later - earlier)

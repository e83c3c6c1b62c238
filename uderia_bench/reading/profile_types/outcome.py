"""Outcome of a trial, with the reason in words, by rules that are the same for every profile type.

Source: docs/reference/protocol.md, "Failures a client must handle".

The first that applies: misrouted, timed out, cancelled, over a limit, failed, answered. The task's
``status: complete`` is not enough: plan failures, swallowed provider errors and apologies of the
agent have it too.
"""

from __future__ import annotations

from uderia_bench.reading.profile_types.exchange import TERMINAL, Event, Exchange
from uderia_bench.reading.profile_types.lenient import mapping, text
from uderia_bench.reading.profile_types.serving import misrouting
from uderia_bench.reading.profile_types.wordings import APOLOGIES, LIMITS
from uderia_bench.trace import Trace
from uderia_bench.trial import Ending, Outcome

LONGEST_DETAIL = 500  # characters: a reason is one line, not a stack trace or a page of HTML

_BEFORE_THE_TASK = {
    Ending.RATE_LIMITED: Outcome.RATE_LIMITED,
    Ending.REFUSED: Outcome.REFUSED,
    Ending.UNREACHABLE: Outcome.UNREACHABLE,
    Ending.LOST: Outcome.LOST,
}


def outcome_of(exchange: Exchange, trace: Trace) -> tuple[Outcome, str | None]:
    """Return the outcome and its reason, which is None for an answered trial."""
    outcome, detail = _found(exchange, trace)
    return outcome, detail if detail is None else " ".join(detail.split())[:LONGEST_DETAIL]


def _found(exchange: Exchange, trace: Trace) -> tuple[Outcome, str | None]:
    record = exchange.record
    if record.ending in _BEFORE_THE_TASK and not (record.ending is Ending.LOST and exchange.turn):
        return _BEFORE_THE_TASK[record.ending], record.detail
    misrouted = misrouting(exchange)
    if misrouted:
        return Outcome.MISROUTED, misrouted
    if record.ending is Ending.TIMED_OUT:
        return Outcome.TIMED_OUT, record.detail or "the deadline passed before the task ended"
    cancelled = _cancelled(exchange)
    if cancelled:
        return Outcome.CANCELLED, cancelled
    reason = failure(exchange, trace)
    if reason is None:
        return Outcome.ANSWERED, None
    return (Outcome.RATE_LIMITED if reason.startswith(LIMITS) else Outcome.FAILED), reason


def failure(exchange: Exchange, trace: Trace) -> str | None:
    """Return why a trial that ended has no answer, or None where it has one.

    Source: docs/reference/protocol.md, "Failures a client must handle".
    """
    return (
        _error(exchange)
        or _not_over(exchange)
        or _agent_failed(exchange, trace)
        or _no_answer(exchange, trace)
        or _apology(trace.answer)
    )


def _cancelled(exchange: Exchange) -> str | None:
    if exchange.record.ending is Ending.CANCELLED:
        return exchange.record.detail or "we cancelled it"
    if exchange.status == "cancelled":
        return text(exchange.result.get("message")) or "the task was cancelled"
    if exchange.turn.get("status") == "cancelled" or "cancelled" in exchange.by_kind:
        return text(exchange.turn.get("error_details")) or "the run was cancelled on the server"
    return None


def _error(exchange: Exchange) -> str | None:
    """Return the root cause that the server gives: an error event of the turn, the result, or the turn's own error."""
    causes = [cause for event in exchange.all("error") if event.named and event.depth == 0 and (cause := _cause(event))]
    if causes:
        return causes[-1]
    for kind in ("execution_error", "genie_coordination_complete"):
        body = exchange.last(kind)
        said = text(body.get("error_message")) or text(body.get("error"))
        if body and (kind == "execution_error" or body.get("success") is False):
            return said or f"{kind} without a reason"
    for said in (
        exchange.result.get("error"),
        *(exchange.turn.get(key) for key in ("error_details", "error_message", "error")),
    ):
        if text(said):
            return text(said)
    return None


def _cause(event: Event) -> str | None:
    """Return the text of an error event. The detail has the root cause; the error itself is often only a headline."""
    details = event.details
    inner = text(details) or text(mapping(details).get("summary"))
    return inner or text(event.body.get("error")) or text(event.body.get("step")) or "an error event without a reason"


def _not_over(exchange: Exchange) -> str | None:
    status = exchange.status
    if status in ("error", "failed"):
        return f"the task ended with status {status}"
    if exchange.turn.get("status") in ("error", "failed"):
        return f"the turn ended with status {exchange.turn['status']}"
    if status is None and not exchange.turn:
        return next(iter(exchange.notes), "no task came back")
    if status is not None and status not in TERMINAL:
        return f"the task never ended (status {status})"
    return None


def _agent_failed(exchange: Exchange, trace: Trace) -> str | None:
    body = exchange.last("conversation_agent_complete")
    if body.get("success") is False:
        return text(body.get("error")) or "the agent failed"
    for event in exchange.all("tool_result"):
        # docs/reference/protocol.md, "Failures a client must handle", number 13
        if event.body.get("step") == "Unrecoverable Error":
            return text(event.details) or "a tool failed and no retry succeeded"
    if exchange.result.get("no_knowledge_found") is True or exchange.turn.get("no_knowledge_found") is True:
        return "no knowledge was found"
    if (trace.tokens.input, trace.tokens.output) == (0, 0):
        return "no token was spent: the provider's error was swallowed"
    return None


def _no_answer(exchange: Exchange, trace: Trace) -> str | None:
    if trace.answer:
        return None
    return "no result" if not exchange.result else "the answer is empty"


def _apology(answer: str | None) -> str | None:
    for opening, meaning in APOLOGIES:
        if answer and answer.startswith(opening):
            return f"{meaning}: {answer}"
    return None

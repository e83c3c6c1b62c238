"""Read genie turns: a coordinator that consults other profiles (its experts).

A genie's own turn covers the coordinator alone. ``experts`` adds what the experts did.

Source: docs/reference/protocol.md, "Retrieval and genie events".
"""

from __future__ import annotations

from dataclasses import replace

from uderia_bench.reading.profile_types import conversation
from uderia_bench.reading.profile_types.assemble import Kind, assemble
from uderia_bench.reading.profile_types.exchange import Event, Exchange
from uderia_bench.reading.profile_types.lenient import seconds, text
from uderia_bench.reading.profile_types.profile_type import ProfileType
from uderia_bench.reading.profile_types.wordings import CHILD_FAILURES
from uderia_bench.trace import Child, ToolStatus, Trace

UNFINISHED = "it never completed"  # the error of a consulted profile without an end


def _recognises(exchange: Exchange) -> bool:
    if any(kind.startswith("genie_") for kind in exchange.by_kind):
        return True
    return "genie" in (exchange.turn.get("profile_type"), exchange.first("execution_start").get("profile_type"))


def _read(exchange: Exchange) -> Trace:
    agent_s = seconds(exchange.last("genie_coordination_complete").get("total_duration_ms"))
    if agent_s is None:
        agent_s = seconds(exchange.last("execution_complete").get("duration_ms"))
    kind = Kind(profile_type="genie", execution_path="coordinator", named_in_turn=False)
    trace = assemble(exchange, kind, conversation.llm_calls(exchange, "genie_llm_step"), agent_s=agent_s)
    return replace(trace, children=_children(exchange))


def _children(exchange: Exchange) -> tuple[Child, ...]:
    """Return the consulted profiles: those that completed, then those that were invoked and have no end."""
    completed = [_child(exchange, event) for event in exchange.all("genie_slave_completed")]
    waiting = [text(event.body.get("profile_tag")) or "?" for event in exchange.all("genie_slave_invoked")]
    for child in completed:
        if child.profile_tag in waiting:
            waiting.remove(child.profile_tag)
    lost = [Child(profile_tag=tag, session_id=None, status=ToolStatus.ERROR, error=UNFINISHED) for tag in waiting]
    return _with_sessions(exchange, [*completed, *lost])


def _with_sessions(exchange: Exchange, children: list[Child]) -> tuple[Child, ...]:
    """Add the sessions that only progress events name.

    An expert that failed without a session never began: the server creates the session first.
    """
    known = {child.session_id for child in children}
    started: dict[str, list[str]] = {}
    for event in exchange.all("genie_slave_progress"):
        tag, session_id = text(event.body.get("profile_tag")) or "?", text(event.body.get("slave_session_id"))
        if session_id is not None and session_id not in (*known, *started.get(tag, ())):
            started.setdefault(tag, []).append(session_id)
    found = []
    for child in children:
        if child.session_id is None and (waiting := started.get(child.profile_tag)):
            found.append(replace(child, session_id=waiting.pop(0), never_started=False))
        else:
            found.append(child)
    return tuple(found)


def _child(exchange: Exchange, event: Event) -> Child:
    body = event.body
    ended, took = exchange.since_start(event.at), seconds(body.get("duration_ms"))
    said = text(body.get("result")) or text(body.get("result_preview")) or ""
    failed = body.get("success") is False or said.startswith(CHILD_FAILURES)
    session_id = text(body.get("slave_session_id"))
    return Child(
        profile_tag=text(body.get("profile_tag")) or "?",
        session_id=session_id,
        status=ToolStatus.ERROR if failed else ToolStatus.SUCCESS,
        never_started=body.get("success") is False and session_id is None,
        start_s=None if ended is None or took is None else ended - took,
        duration_s=took,
        error=(text(body.get("error")) or said or None) if failed else None,
    )


GENIE = ProfileType(
    name="genie",
    doc="A coordinator that sends the question to other profiles and joins their answers, such as COORD.",
    recognises=_recognises,
    read=_read,
)

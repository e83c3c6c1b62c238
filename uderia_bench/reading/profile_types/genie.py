"""Reads genie turns: a coordinator that consults other profiles (docs/reference/protocol.md, "Retrieval and genie events").

A genie's turn accounts for the coordinator alone. What its children spent stands in their own
sessions, which the trial's record does not hold: the trace names the children, and a note says that
their tokens are not in the totals.
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


def _recognises(exchange: Exchange) -> bool:
    if any(kind.startswith("genie_") for kind in exchange.by_kind):
        return True
    return "genie" in (exchange.turn.get("profile_type"), exchange.first("execution_start").get("profile_type"))


def _read(exchange: Exchange) -> Trace:
    children = _children(exchange)
    agent_s = seconds(exchange.last("genie_coordination_complete").get("total_duration_ms"))
    if agent_s is None:
        agent_s = seconds(exchange.last("execution_complete").get("duration_ms"))
    consulted = f"{len(children)} consulted profile{'' if len(children) == 1 else 's'}" if children else "any consulted profile"
    notes = (f"the totals cover the coordinator only: the tokens of {consulted} are in sessions of their own",)
    kind = Kind(profile_type="genie", execution_path="coordinator", named_in_turn=False)
    trace = assemble(exchange, kind, conversation.llm_calls(exchange, "genie_llm_step"), agent_s=agent_s, notes=notes)
    return replace(trace, children=children)


def _children(exchange: Exchange) -> tuple[Child, ...]:
    """Return the consulted profiles: those that completed, then those that were invoked and never did."""
    completed = [_child(exchange, event) for event in exchange.all("genie_slave_completed")]
    waiting = [text(event.body.get("profile_tag")) or "?" for event in exchange.all("genie_slave_invoked")]
    for child in completed:
        if child.profile_tag in waiting:
            waiting.remove(child.profile_tag)
    lost = [Child(profile_tag=tag, session_id=None, status=ToolStatus.ERROR, error="it never completed") for tag in waiting]
    return (*completed, *lost)


def _child(exchange: Exchange, event: Event) -> Child:
    body = event.body
    ended, took = exchange.since_start(event.at), seconds(body.get("duration_ms"))
    said = text(body.get("result")) or text(body.get("result_preview")) or ""
    failed = body.get("success") is False or said.startswith(CHILD_FAILURES)
    return Child(
        profile_tag=text(body.get("profile_tag")) or "?",
        session_id=text(body.get("slave_session_id")),
        status=ToolStatus.ERROR if failed else ToolStatus.SUCCESS,
        start_s=None if ended is None or took is None else ended - took,
        duration_s=took,
        error=(text(body.get("error")) or said or None) if failed else None,
    )


GENIE = ProfileType(
    name="genie",
    doc="A coordinator that routes the question to other profiles and joins their answers (COORD).",
    recognises=_recognises,
    read=_read,
)

"""Read llm_only turns: by the conversation agent (tools or components), or one direct call.

Source: docs/reference/protocol.md, "Profiles" and "Direct LLM events".
"""

from __future__ import annotations

from dataclasses import replace

from uderia_bench.reading.profile_types import conversation
from uderia_bench.reading.profile_types.assemble import Kind, assemble
from uderia_bench.reading.profile_types.exchange import Event, Exchange
from uderia_bench.reading.profile_types.lenient import mapping, seconds, text
from uderia_bench.reading.profile_types.profile_type import ProfileType
from uderia_bench.trace import LlmCall, Trace

_TYPES = ("llm_only", "conversation_with_tools")  # the server's names


def _recognises(exchange: Exchange) -> bool:
    if any(kind.startswith(("conversation_", "llm_execution")) for kind in exchange.by_kind):
        return True
    said = exchange.first("execution_start").get("profile_type")
    return said in _TYPES or exchange.turn.get("profile_type") in _TYPES


def _read(exchange: Exchange) -> Trace:
    if "llm_execution" in exchange.by_kind or exchange.turn.get("profile_type") == "llm_only":
        return _read_direct(exchange)
    calls = conversation.llm_calls(exchange)
    agent_s = seconds(exchange.turn.get("duration_ms"))
    if agent_s is None:
        agent_s = seconds(exchange.last("conversation_agent_complete").get("total_duration_ms"))
    trace = assemble(exchange, Kind(profile_type="llm_only", execution_path="conversation_agent"), calls, agent_s=agent_s)
    return replace(trace, tool_calls=conversation.tool_calls(exchange))


def _read_direct(exchange: Exchange) -> Trace:
    starts = exchange.all("llm_execution")
    calls = tuple(
        _direct_call(exchange, starts[i] if i < len(starts) else None, event)
        for i, event in enumerate(exchange.all("llm_execution_complete"))
    )
    agent_s = sum(call.duration_s for call in calls if call.duration_s is not None) if calls else None
    return assemble(exchange, Kind(profile_type="llm_only", execution_path="direct"), calls, agent_s=agent_s)


def _direct_call(exchange: Exchange, started: Event | None, ended: Event) -> LlmCall:
    details = mapping(ended.details)
    start, end = exchange.since_start(started.at if started else None), exchange.since_start(ended.at)
    provider, model = text(details.get("provider")), text(details.get("model_name")) or text(details.get("model"))
    label = text(started.body.get("step") if started else None) or "Calling LLM for Execution"
    took = None if start is None or end is None else max(0.0, end - start)
    return conversation.llm_call(details, label, (provider, model), (start, took))


LLM_ONLY = ProfileType(
    name="llm_only",
    doc="A conversation with an LLM, which may call tools through the agent, such as IDEAT.",
    recognises=_recognises,
    read=_read,
)

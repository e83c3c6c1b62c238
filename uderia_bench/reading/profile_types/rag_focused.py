"""Read rag_focused turns: retrieval, then one synthesis or the conversation agent.

Source: docs/reference/protocol.md, "Retrieval and genie events".
"""

from __future__ import annotations

from dataclasses import replace

from uderia_bench.reading.profile_types import conversation
from uderia_bench.reading.profile_types.assemble import Kind, assemble
from uderia_bench.reading.profile_types.exchange import Exchange
from uderia_bench.reading.profile_types.lenient import seconds
from uderia_bench.reading.profile_types.profile_type import ProfileType
from uderia_bench.trace import Trace


def _recognises(exchange: Exchange) -> bool:
    if "rag_llm_step" in exchange.by_kind or "knowledge_search_complete" in exchange.by_kind:
        return True
    starts = exchange.first("execution_start"), exchange.first("conversation_agent_start"), exchange.turn
    return any(start.get("profile_type") == "rag_focused" for start in starts)


def _read(exchange: Exchange) -> Trace:
    through_agent = "conversation_llm_step" in exchange.by_kind
    calls = conversation.llm_calls(exchange, "conversation_llm_step" if through_agent else "rag_llm_step")
    agent_s = seconds(exchange.last("execution_complete").get("total_duration_ms"))
    if agent_s is None:
        agent_s = seconds(exchange.last("knowledge_search_complete").get("total_time_ms"))
    path = "retrieval/conversation_agent" if through_agent else "retrieval"
    trace = assemble(exchange, Kind(profile_type="rag_focused", execution_path=path), calls, agent_s=agent_s)
    return replace(trace, tool_calls=conversation.tool_calls(exchange))


RAG_FOCUSED = ProfileType(
    name="rag_focused",
    doc="An answer synthesised from retrieved knowledge, optionally by an agent with component tools (FOCUS).",
    recognises=_recognises,
    read=_read,
)

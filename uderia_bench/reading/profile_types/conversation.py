"""Read the steps of Uderia's conversation agent: each step is an LLM call, each invocation a tool call.

Source: docs/reference/protocol.md, "Agent events".

llm_only uses it, and rag_focused with component tools. The agent repeats its last call in
``conversation_llm_complete`` and its whole turn in one more token update; neither of them is a
step.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Any

from uderia_bench.reading.profile_types.exchange import Event, Exchange
from uderia_bench.reading.profile_types.lenient import amount, cached, canonical, count, seconds, text
from uderia_bench.trace import CallClass, LlmCall, ToolCall, ToolStatus

# Start and possible end of a tool's message as LangChain prints it, with the tool's own JSON inside.
_CONTENT = re.compile(r"content=(?:\[\{'type': 'text', 'text': )?['\"]")
_MESSAGE_STATUS = re.compile(r"tool_call_id='[^']*' status='error'")
_TOKENS = re.compile(r'[{}\[\]:,]|"(?:[^"\\]|\\.?)*+(?P<end>")?', re.DOTALL)
_NEVER_ENDED = "it never completed"


def llm_calls(exchange: Exchange, kind: str = "conversation_llm_step") -> tuple[LlmCall, ...]:
    """Return the LLM calls from events of this kind; rag_focused and genie have kinds of the same shape."""
    return tuple(_llm_call(exchange, event) for event in exchange.all(kind))


def _llm_call(exchange: Exchange, event: Event) -> LlmCall:
    body = event.body
    duration = seconds(body.get("duration_ms"))
    end = exchange.since_start(event.at)
    provider, model = text(body.get("provider")) or text(exchange.turn.get("provider")), text(body.get("model"))
    start = None if end is None else end - (duration or 0.0)
    return llm_call(body, text(body.get("step_name")) or event.kind, (provider, model), (start, duration))


def llm_call(
    spent: dict[str, Any], label: str, named: tuple[str | None, str | None], time: tuple[float | None, float | None]
) -> LlmCall:
    """Return an LLM call. ``named`` is its provider and model, ``time`` its start and duration."""
    provider, model = named
    return LlmCall(
        call_class=CallClass.OTHER,
        label=label,
        input_tokens=count(spent.get("input_tokens")) or 0,
        output_tokens=count(spent.get("output_tokens")) or 0,
        cached_tokens=cached(spent, count(spent.get("input_tokens")) or 0),
        model=f"{provider}/{model}" if provider and model else model,
        cost_usd=amount(spent.get("cost_usd")),
        start_s=time[0],
        duration_s=time[1],
    )


def tool_calls(exchange: Exchange) -> tuple[ToolCall, ...]:
    """Return the tool calls in order of invocation. Completions are matched by name, first in, first out."""
    waiting: dict[str, deque[int]] = {}
    calls: list[ToolCall] = []
    for event in exchange.events:
        if event.kind == "conversation_tool_invoked":
            name = text(event.body.get("tool_name")) or "?"
            waiting.setdefault(name, deque()).append(len(calls))
            calls.append(_call(exchange, name, event, None))
        elif event.kind == "conversation_tool_completed":
            name = text(event.body.get("tool_name")) or "?"
            queue = waiting.get(name)
            if queue:
                place = queue.popleft()
                calls[place] = _call(exchange, name, event, calls[place])
            else:
                calls.append(_call(exchange, name, event, None))
    return tuple(calls)


def _call(exchange: Exchange, name: str, event: Event, invoked: ToolCall | None) -> ToolCall:
    body = event.body
    started = event.kind == "conversation_tool_invoked"
    status, error = (ToolStatus.ERROR, _NEVER_ENDED) if started else _status(body)
    at = exchange.since_start(event.at)
    duration = None if started else seconds(body.get("duration_ms"))
    began = at if at is None else at - (duration or 0.0)
    return ToolCall(
        name=name,
        arguments=invoked.arguments if invoked else canonical(body.get("arguments", {})),
        system=name.startswith("TDA_"),
        status=status,
        llm_chosen=True,
        error=error,
        start_s=invoked.start_s if invoked else began,
        duration_s=duration,
    )


def _status(body: dict[str, object]) -> tuple[ToolStatus, str | None]:
    """Return the result of a tool call. The event says success even for an error, so the tool's own status counts too."""
    preview = text(body.get("result_preview")) or ""
    if body.get("success") is False:
        return ToolStatus.ERROR, text(body.get("error")) or preview[:200] or None
    own = own_value(preview, "status")
    if own == "error" or _MESSAGE_STATUS.search(preview):
        return ToolStatus.ERROR, own_value(preview, "error") or own_value(preview, "error_message")
    return (ToolStatus.SKIPPED if own == "skipped" else ToolStatus.SUCCESS), None


def own_value(preview: str, key: str) -> str | None:
    """Return a string value at the top level of the first JSON object in a preview, which may be cut off."""
    opening = _CONTENT.search(preview)
    if opening:  # printed by Python, so the tool's JSON is escaped once
        preview = preview[opening.end() :].replace("\\\\", "\\").replace("\\'", "'")
    if not preview.lstrip().startswith("{"):
        return None
    before = piece = ""
    for following in _own_tokens(preview):
        if before == f'"{key}"' and piece == ":" and following.startswith('"'):
            return following[1:-1]
        before, piece = piece, following
    return None


def _own_tokens(preview: str) -> Iterator[str]:
    """Yield the tokens at the top level of the first object; a nested value is only its opening bracket."""
    depth = 0
    for match in _TOKENS.finditer(preview):
        piece = match.group()
        if piece.startswith('"') and not match["end"]:  # cut off
            return
        if piece in "}]":
            depth -= 1
            if depth == 0:
                return
        elif depth == 1:
            yield piece
        if piece in "{[":
            depth += 1

"""Add the work of consulted profiles to a coordinator's trace.

The server counts what a consulted profile (an expert) spends in a session of the expert. The
trial's record has the bodies of these sessions. Each of the expert's turns is read by the expert's
own profile type, and its tokens, cost, LLM calls, tool calls and retrieved chunks are added to the
trace. Where a session or a turn is missing, ``lower_bound`` is set: the totals are then too small
by an unknown amount.

Source: docs/reference/protocol.md, "Retrieval and genie events".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from uderia_bench.reading.profile_types.exchange import Exchange, of_turn, turns_of
from uderia_bench.reading.profile_types.lenient import stamp
from uderia_bench.trace import LlmCall, Source, Tokens, ToolCall, Trace

Reader = Callable[[Exchange], Trace]

_DEEPEST = 4  # coordinators inside coordinators; the server allows fewer
_SLACK_S = 1.0  # between a turn's timestamp and the events around it, which are not written at once


@dataclass(frozen=True, slots=True)
class _Turn:
    """One turn of an expert, read."""

    tag: str
    trace: Trace


def with_experts(exchange: Exchange, trace: Trace, read: Reader) -> Trace:
    """Return a coordinator's trace with the work of its experts; any other trace unchanged."""
    return _with_experts(exchange, trace, read, depth=1) if trace.children else trace


def _with_experts(exchange: Exchange, trace: Trace, read: Reader, *, depth: int) -> Trace:
    asked = Counter(child.session_id for child in trace.children if child.session_id is not None)
    tags = {child.session_id: child.profile_tag for child in trace.children}
    turns: list[_Turn] = []
    unknown = [child.profile_tag for child in trace.children if child.session_id is None and not child.never_started]
    for session_id, times in asked.items():
        tag = tags[session_id]
        found = _turns(exchange, session_id, times) if depth < _DEEPEST else []
        read_turns = [_read(exchange, session_id, turn, read, depth) for turn in found]
        if len(read_turns) < times or any(_is_partial(each) for each in read_turns):
            unknown.append(tag)
        turns.extend(_Turn(tag, each) for each in read_turns)
    return _added(trace, turns, sorted(set(unknown)))


def _turns(exchange: Exchange, session_id: str | None, times: int) -> list[dict[str, Any]]:
    """Return the turns that this trial asked for: the last ones that were written while it ran."""
    session = exchange.children.get(session_id or "")
    if session is None:
        return []
    lasted_s = max((at for event in exchange.events if (at := exchange.since_start(event.at)) is not None), default=0.0)
    during = [
        turn
        for turn in turns_of(session)
        if (written_s := exchange.since_start(stamp(turn.get("timestamp")))) is None
        or -_SLACK_S <= written_s <= lasted_s + _SLACK_S
    ]
    return during[-times:]


def _read(exchange: Exchange, session_id: str | None, turn: dict[str, Any], read: Reader, depth: int) -> Trace:
    own = of_turn(exchange, exchange.children[session_id or ""], turn)
    trace = read(own)
    return _with_experts(own, trace, read, depth=depth + 1) if trace.children else trace


def _is_partial(trace: Trace) -> bool:
    return trace.lower_bound or trace.tokens.input is None or trace.tokens.output is None


def _added(trace: Trace, turns: list[_Turn], unknown: list[str]) -> Trace:
    calls = [call for turn in turns for call in _calls(turn.trace)]
    tools = [call for turn in turns for call in _tools(turn.trace)]
    prices = [trace.price_fallback, *(turn.trace.price_fallback for turn in turns)]
    notes = [f"expert {turn.tag}: {note}" for turn in turns for note in turn.trace.notes]
    if unknown:
        named = ", ".join(unknown)
        notes.append(f"lower bound: the session of {named} is missing, so tokens, cost, calls and tools are incomplete")
    return replace(
        trace,
        tokens=_sum([trace.tokens, *(turn.trace.tokens for turn in turns)]),
        llm_calls=(*trace.llm_calls, *calls),
        tool_calls=(*trace.tool_calls, *tools),
        corrections=trace.corrections + sum(turn.trace.corrections for turn in turns),
        format_repairs=trace.format_repairs + sum(turn.trace.format_repairs for turn in turns),
        price_fallback=True if True in prices else trace.price_fallback,
        sources=_sources([trace, *(turn.trace for turn in turns)]),
        lower_bound=bool(unknown),
        notes=(*trace.notes, *notes),
    )


def _calls(trace: Trace) -> Iterable[LlmCall]:
    """Yield an expert's LLM calls. They belong to no phase of the coordinator, and start at a time it does not know."""
    own = f"{trace.provider}/{trace.model}" if trace.provider and trace.model else trace.model
    for call in trace.llm_calls:
        yield replace(call, phase=None, start_s=None, depth=call.depth + 1, model=call.model or own)


def _tools(trace: Trace) -> Iterable[ToolCall]:
    for call in trace.tool_calls:
        yield replace(call, phase=None, start_s=None)


def _sources(traces: list[Trace]) -> tuple[Source, ...] | None:
    """Return the chunks that all searches found, the best of each first; None without a search."""
    searched = [trace.sources for trace in traces if trace.sources is not None]
    return tuple(chunk for of_rank in zip_longest(*searched) for chunk in of_rank if chunk is not None) if searched else None


def _sum(parts: list[Tokens]) -> Tokens:
    """Add tokens and costs. A count that an expert lacks is left out; the cost is unknown if any part of it is."""
    return Tokens(
        input=_total(part.input for part in parts) if parts[0].input is not None else None,
        output=_total(part.output for part in parts) if parts[0].output is not None else None,
        naming_input=_total(part.naming_input for part in parts),
        naming_output=_total(part.naming_output for part in parts),
        cost_usd=_cost(part.cost_usd for part in parts),
        naming_cost_usd=_cost(part.naming_cost_usd for part in parts),
    )


def _total(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _cost(values: Iterable[float | None]) -> float | None:
    found = list(values)
    known = [value for value in found if value is not None]
    return sum(known) if len(known) == len(found) else None

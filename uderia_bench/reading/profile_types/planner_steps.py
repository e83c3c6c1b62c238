"""LLM calls and tool calls of a tool_enabled turn, from its log.

Source: docs/reference/protocol.md, "LLM call ledger" and "Phase and tool ledgers".

An LLM call is a message with tokens, once per call id, or a token update without such a message. A
tool call is an entry that reached a tool. Entries of an orchestrator and the consolidated copy of a
date range are left out; a column iteration is several calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from uderia_bench.reading.profile_types.exchange import Exchange
from uderia_bench.reading.profile_types.lenient import amount, cached, canonical, count, mapping, sequence, text
from uderia_bench.reading.profile_types.planner_log import ORCHESTRATION, Entry, LogEntry, ToolEntry
from uderia_bench.reading.profile_types.planner_phases import OpenPhase, PhaseLedger
from uderia_bench.reading.profile_types.wordings import CONSOLIDATED, EXTENSION_CALL_ID, NAMING_CALL_IDS, Meaning
from uderia_bench.trace import CallClass, LlmCall, ToolCall, ToolStatus

_BY_PLANNING_PHASE = {"strategic": CallClass.STRATEGIC, "tactical": CallClass.TACTICAL}


_FLUSH_S = 0.001  # events of a self-correction or a group arrive at once, and no call is this short


@dataclass(frozen=True, slots=True)
class Span:
    """Start and duration of a call, in seconds from the first event."""

    start: float
    duration: float


def llm_calls(exchange: Exchange, entries: tuple[Entry, ...], ledger: PhaseLedger) -> tuple[LlmCall, ...]:
    """Return the calls in the order of the log. Tokens outside of them are unattributed tokens."""
    updates = {call_id: event.body for event in exchange.all("token_update") if (call_id := text(event.body.get("call_id")))}
    spans = _llm_spans(exchange)
    calls: list[LlmCall] = []
    listed: set[str] = set()
    announced: dict[str, tuple[LogEntry, OpenPhase | None]] = {}
    for entry, phase in zip(entries, ledger.owners, strict=True):
        if not isinstance(entry, LogEntry):
            continue
        details = mapping(entry.details)
        call_id = text(details.get("call_id"))
        if count(details.get("input_tokens")) is None or count(details.get("output_tokens")) is None:
            if call_id and entry.meaning is Meaning.LLM_CALL:
                announced.setdefault(call_id, (entry, phase))
        elif call_id is None or call_id not in listed:
            calls.append(_llm_call(entry, phase, details, updates.get(call_id or "", {}), spans))
            if call_id:
                listed.add(call_id)
    calls.extend(_only_in_updates(updates, listed, announced, spans))
    calls.extend(_without_id(exchange, calls))
    return tuple(calls)


def _llm_call(
    entry: LogEntry | None, phase: OpenPhase | None, tokens: dict[str, Any], update: dict[str, Any], spans: dict[str, Span]
) -> LlmCall:
    call_id = text(tokens.get("call_id")) or text(update.get("call_id"))
    by_phase = text(tokens.get("planning_phase")) or text(update.get("planning_phase")) or ""
    known = entry.wording.call_class if entry is not None and entry.wording is not None else None
    span = spans.get(call_id or "") if phase is None or not phase.parallel else None  # a parallel group has one timestamp
    provider, model = text(update.get("provider")), text(update.get("model"))
    input_tokens = count(tokens.get("input_tokens", tokens.get("statement_input"))) or 0
    return LlmCall(
        call_class=known or _BY_PLANNING_PHASE.get(by_phase, CallClass.OTHER),
        label=entry.message if entry is not None else "token_update",
        input_tokens=input_tokens,
        output_tokens=count(tokens.get("output_tokens", tokens.get("statement_output"))) or 0,
        cached_tokens=max(cached(tokens, input_tokens), cached(update, input_tokens)),
        call_id=call_id,
        phase=phase.number if phase else None,
        model=f"{provider}/{model}" if provider and model else None,
        cost_usd=amount(tokens.get("cost_usd")),
        start_s=span.start if span else None,
        duration_s=span.duration if span else None,
        depth=entry.depth if entry is not None else 0,
    )


def _only_in_updates(
    updates: dict[str, dict[str, Any]],
    listed: set[str],
    announced: dict[str, tuple[LogEntry, OpenPhase | None]],
    spans: dict[str, Span],
) -> Iterator[LlmCall]:
    """Yield the calls whose tokens only a token update has (SQL consolidation; every call without a trace)."""
    for call_id, body in updates.items():
        if call_id in listed or call_id in NAMING_CALL_IDS or call_id == EXTENSION_CALL_ID or not _spent(body):
            continue
        entry, phase = announced.get(call_id, (None, None))
        yield _llm_call(entry, phase, body, body, spans)


def _without_id(exchange: Exchange, calls: list[LlmCall]) -> Iterator[LlmCall]:
    """Yield the calls of token updates without an id, except those that a message without an id already has."""
    told = [(call.input_tokens, call.output_tokens) for call in calls if call.call_id is None]
    for event in exchange.all("token_update"):
        if "call_id" in event.body and text(event.body["call_id"]) is None and _spent(event.body):
            spent = (count(event.body.get("statement_input")) or 0, count(event.body.get("statement_output")) or 0)
            if spent in told:
                told.remove(spent)
            else:
                yield _llm_call(None, None, event.body, event.body, {})


def _spent(body: dict[str, Any]) -> bool:
    return bool(count(body.get("statement_input")) or count(body.get("statement_output")))


def _llm_spans(exchange: Exchange) -> dict[str, Span]:
    """Return the time of each call: the LLM's last busy time before the call's token update.

    Source: docs/reference/protocol.md, "Events of every turn".
    """
    spans: dict[str, Span] = {}
    began: float | None = None
    last: Span | None = None
    for event in exchange.events:
        at = exchange.since_start(event.at)
        if event.kind == "status_indicator_update" and event.body.get("target") == "llm" and at is not None:
            if event.body.get("state") == "busy":
                began, last = at, None
            elif began is not None and at - began > _FLUSH_S:
                last = Span(began, at - began)
        elif event.kind == "token_update" and last is not None:
            call_id = text(event.body.get("call_id"))
            if call_id:
                spans[call_id] = last
            began = last = None
    return spans


def tool_calls(entries: tuple[Entry, ...], ledger: PhaseLedger, exchange: Exchange) -> tuple[ToolCall, ...]:
    """Return the calls that reached a tool in the order of the log, with retries and expansions marked."""
    calls: list[ToolCall] = []
    latest: dict[int, ToolCall] = {}  # by phase
    corrected: set[int] = set()  # phases in which a correction came after the latest call
    durations = _tool_durations(exchange)
    for entry, phase in zip(entries, ledger.owners, strict=True):
        place = id(phase)
        if isinstance(entry, LogEntry):
            if entry.meaning is Meaning.CORRECTION:
                corrected.add(place)
            continue
        if entry.name == ORCHESTRATION or _repeats_a_range(entry, phase):
            continue
        before = latest.get(place)
        retried = before is not None and (place in corrected or (_failed_alike(before, entry) and not (phase and phase.looped)))
        corrected.discard(place)
        call = _tool_call(entry, phase, before.attempt + 1 if retried and before else 1, durations)
        expanded = _columns(call, entry) if phase is not None and entry.name in phase.columns else ()
        calls.extend(expanded or (call,))
        latest[place] = call
    return tuple(calls)


def _repeats_a_range(entry: ToolEntry, phase: OpenPhase | None) -> bool:
    """Return whether an entry only repeats an expanded date range: its consolidated result, or the unexpanded phrase."""
    comment = text(mapping(entry.result.get("metadata")).get("comment"))
    if comment and comment.startswith(CONSOLIDATED):
        return True
    if phase is None or not phase.phrases:
        return False
    return any(f"{entry.name} {name} {value}" in phase.phrases for name, value in mapping(entry.arguments).items())


def _failed_alike(before: ToolCall, entry: ToolEntry) -> bool:
    return before.status is ToolStatus.ERROR and before.name == entry.name


def _tool_call(entry: ToolEntry, phase: OpenPhase | None, attempt: int, durations: dict[str, list[Span]]) -> ToolCall:
    status, error = status_of(entry.result)
    arguments = canonical(mapping(entry.arguments))
    spans = durations.get(f"{entry.name} {arguments}") if phase is None or not phase.parallel else None
    span = spans.pop(0) if spans else None
    iteration = (phase.orchestration or ("loop" if phase.looped else None)) if phase else None
    return ToolCall(
        name=entry.name,
        arguments=arguments,
        system=entry.name.startswith("TDA_"),
        status=status,
        llm_chosen=attempt > 1 or bool(phase and phase.tactical),
        phase=phase.number if phase else None,
        attempt=attempt,
        iteration=iteration,
        error=error,
        start_s=span.start if span else entry.at,
        duration_s=span.duration if span else None,
    )


def status_of(result: dict[str, Any]) -> tuple[ToolStatus, str | None]:
    """Return the status in a tool's own result. A result without a status is a success, as on the server.

    Source: docs/reference/protocol.md, "Trace entries".
    """
    status = result.get("status")
    if status == "error":
        for said in (result.get("error"), result.get("error_message"), result.get("data")):
            found = text(said) or text(mapping(said).get("summary"))
            if found:
                return ToolStatus.ERROR, found
        return ToolStatus.ERROR, None
    return (ToolStatus.SKIPPED if status == "skipped" else ToolStatus.SUCCESS), None


def _columns(call: ToolCall, entry: ToolEntry) -> tuple[ToolCall, ...]:
    """Return the calls of a column iteration, which the log has as one entry; the first describes the columns."""
    results = [result for result in sequence(entry.result.get("results")) if isinstance(result, dict)]
    if not any("metadata" in result for result in results):
        return ()  # rows of data: a single call
    calls = []
    for result in results:
        metadata = mapping(result.get("metadata"))
        status, error = status_of(result)
        name = text(metadata.get("tool_name")) or call.name
        column = metadata.get("column_name")
        arguments = call.arguments if column is None else canonical({**mapping(entry.arguments), "column_name": column})
        calls.append(
            ToolCall(
                name=name,
                arguments=arguments,
                system=name.startswith("TDA_"),
                status=status,
                llm_chosen=call.llm_chosen,
                phase=call.phase,
                iteration="column",
                error=error,
            )
        )
    return tuple(calls)


def _tool_durations(exchange: Exchange) -> dict[str, list[Span]]:
    """Return the time from each intent to its result, by tool and arguments; loops and groups have no times."""
    spans: dict[str, list[Span]] = {}
    key: str | None = None
    began: float | None = None
    for event in exchange.events:
        if event.kind == "tool_intent":
            details = mapping(event.details)
            key, began = f"{text(details.get('tool_name'))} {canonical(mapping(details.get('arguments')))}", event.at
        elif event.kind in ("tool_result", "tool_error") and key is not None:
            start = exchange.since_start(began)
            if start is not None and began is not None and event.at is not None:
                spans.setdefault(key, []).append(Span(start, max(0.0, event.at - began)))
            key = None
    return spans

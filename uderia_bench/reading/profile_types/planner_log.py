"""Log of the planner in one tool_enabled turn: one list of entries, from the server's trace or else from the event stream.

Trace and stream have the same entries, so only one of them is read. Signals that only the stream
has are kept in a second list (docs/reference/protocol.md, "Log messages").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from uderia_bench.printable import count_of
from uderia_bench.reading.profile_types.exchange import Exchange
from uderia_bench.reading.profile_types.lenient import count, mapping, sequence, stamp, text
from uderia_bench.reading.profile_types.wordings import Meaning, Wording, look_up

SYSTEM_LOG = "TDA_SystemLog"
ORCHESTRATION = "TDA_SystemOrchestration"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A message of the planner. ``details`` is the raw value; ``said`` is its summary, or the value if it is a string."""

    message: str
    details: Any
    said: str | None
    wording: Wording | None
    at: float | None
    depth: int

    @property
    def meaning(self) -> Meaning | None:
        """Meaning of the message by the table of wordings."""
        return self.wording.meaning if self.wording else None


@dataclass(frozen=True, slots=True)
class ToolEntry:
    """A tool call with its result, as logged; ``result`` is empty where the log has no object."""

    name: str
    arguments: Any
    result: dict[str, Any]
    phase_number: int | None
    at: float | None
    depth: int


Entry = LogEntry | ToolEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannerLog:
    """The entries in order, the signals that only the stream has, and the number of unknown messages."""

    entries: tuple[Entry, ...]
    signals: tuple[LogEntry, ...]
    unclassified: int
    notes: tuple[str, ...]


def read(exchange: Exchange) -> PlannerLog:
    """Return the log of a turn; times are seconds from the first event."""
    trace = sequence(exchange.turn.get("execution_trace")) or sequence(exchange.result.get("execution_trace"))
    streamed = _from_stream(exchange)
    entries, odd = _from_trace(exchange, trace) if trace else (streamed, 0)
    logged = {(entry.message, entry.said) for entry in entries if isinstance(entry, LogEntry)}
    messages = {message for message, _ in logged}
    more = [entry for entry in streamed if isinstance(entry, LogEntry) and (entry.message, entry.said) not in logged]
    unknown = [entry for entry in entries if isinstance(entry, LogEntry) and entry.wording is None]
    unknown += [entry for entry in more if entry.wording is None and entry.message not in messages]
    return PlannerLog(
        entries=tuple(entries),
        signals=tuple(entry for entry in more if entry.wording is not None and entry.wording.stream_only),
        unclassified=len(unknown),
        notes=(f"{count_of(odd, 'entry')} of the trace could not be read",) if odd else (),
    )


def _log_entry(message: str, details: Any, at: float | None, depth: int) -> LogEntry:
    said = details if isinstance(details, str) else text(mapping(details).get("summary"))
    return LogEntry(message, details, said, look_up(message, said), at, depth)


def _from_trace(exchange: Exchange, trace: list[Any]) -> tuple[list[Entry], int]:
    entries: list[Entry] = []
    odd = 0
    depth = 0
    for item in trace:
        action = mapping(item).get("action")
        # "RECOVERY_REPLAN": the log messages next to it have the rest (docs/reference/protocol.md, "Trace entries")
        if isinstance(action, str):
            continue
        action = mapping(action)
        name = text(action.get("tool_name"))
        if name is None:
            odd += 1
            continue
        metadata, arguments = mapping(action.get("metadata")), action.get("arguments")
        known_depth = count(metadata.get("execution_depth"))
        depth = depth if known_depth is None else known_depth  # a retried call has none: keep the last depth
        at = exchange.since_start(stamp(metadata.get("timestamp")))
        if name == SYSTEM_LOG:
            said = mapping(arguments)
            entries.append(_log_entry(text(said.get("message")) or "", said.get("details"), at, depth))
        else:
            result = mapping(item.get("result"))
            entries.append(ToolEntry(name, arguments, result, count(metadata.get("phase_number")), at, depth))
    return entries, odd


def _from_stream(exchange: Exchange) -> list[Entry]:
    entries: list[Entry] = []
    intent: dict[str, Any] | None = None
    started: float | None = None
    for event in exchange.events:
        details, at = event.details, exchange.since_start(event.at)
        step = text(event.body.get("step"))
        if event.kind == "tool_intent":
            intent, started = mapping(details), at
        elif event.kind in ("tool_result", "tool_error") and intent is not None and step == "Tool Execution Result":
            name = text(intent.get("tool_name"))
            if name:
                entries.append(ToolEntry(name, intent.get("arguments"), mapping(details), None, started, event.depth))
            intent = None
        elif step is not None and not event.kind.startswith("session_name_"):
            entries.append(_log_entry(step, details, at, event.depth))
    return entries

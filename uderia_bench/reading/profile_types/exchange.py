"""Decode the bodies of one trial, once, into its events and its turn.

Planner events and notifications have their kind inside, named events in ``event_type``
(docs/reference/protocol.md, "Event kinds"). Repeated events are dropped and events out of order are
sorted, each with a note. Without a task, the events that the turn keeps are used. Nothing here
raises, whatever the bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, NamedTuple

from uderia_bench.json_text import Parsed, parse_json
from uderia_bench.printable import count_of
from uderia_bench.reading.profile_types.clock_steps import STEP_S, Corrected, correct
from uderia_bench.reading.profile_types.lenient import count, mapping, sequence, stamp, text
from uderia_bench.trial import TrialRecord

_STAMP_DIGITS = 6  # the server's timestamps have microseconds
_CORRECTED = ("ended", "step_s", "offsets")  # of a task whose clock stepped
TERMINAL = frozenset({"complete", "completed", "error", "failed", "cancelled"})  # docs/reference/protocol.md, "Task statuses"
# Naming first: the copies of execution_complete that a turn keeps include it
# (docs/reference/protocol.md, "Timestamps and durations").
_TURN_EVENTS = ("system_events", "conversation_agent_events", "tool_enabled_events", "knowledge_events", "genie_events")


class Event(NamedTuple):
    """One event: its kind, its body (the payload if there is one), and its timestamp in epoch seconds.

    ``named`` separates an event of that name (an ``error`` ends a run) from a planner message of
    that type (an error after which the run continued).
    """

    kind: str
    named: bool
    body: dict[str, Any]
    data: dict[str, Any]
    at: float | None

    @property
    def depth(self) -> int:
        """Nesting depth of the run in which the event happened; 0 for the trial's own run."""
        depth = count(mapping(self.data.get("metadata")).get("execution_depth"))
        if depth is None:
            depth = count(mapping(self.data.get("details")).get("execution_depth"))
        return depth or 0

    @property
    def details(self) -> Any:
        """The ``details`` of a planner event: object, list or string."""
        return self.data.get("details", self.body.get("details"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A trial's decoded bodies. ``turn`` is the trial's own in the session; a part that did not come back is empty.

    ``children`` are the sessions of consulted profiles by their id. ``ended`` is the timestamp of the
    terminal status. ``step_s`` is a step of the server's clock during the trial, None without one: the
    events and ``ended`` are corrected for it, and ``offsets`` correct other timestamps.
    """

    record: TrialRecord
    task: dict[str, Any] = field(default_factory=dict)
    session: dict[str, Any]
    turn: dict[str, Any]
    result: dict[str, Any] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    by_kind: dict[str, tuple[Event, ...]] = field(default_factory=dict)
    start: float | None = None
    notes: tuple[str, ...]
    children: Mapping[str, dict[str, Any]]
    ended: float | None = None
    step_s: float | None = None
    offsets: tuple[float, ...] = ()

    def all(self, kind: str) -> tuple[Event, ...]:
        """Return the events of a kind, in order."""
        return self.by_kind.get(kind, ())

    def first(self, *kinds: str) -> dict[str, Any]:
        """Return the body of the first event of the first kind that occurred, or an empty one."""
        return next((self.by_kind[kind][0].body for kind in kinds if kind in self.by_kind), {})

    def last(self, *kinds: str) -> dict[str, Any]:
        """Return the body of the last event of the first kind that occurred, or an empty one."""
        return next((self.by_kind[kind][-1].body for kind in kinds if kind in self.by_kind), {})

    def since_start(self, at: float | None) -> float | None:
        """Return an epoch timestamp in seconds from the task's first event, without a step of the server's clock."""
        if at is None or self.start is None:
            return None
        if not self.offsets:
            return round(at - self.start, _STAMP_DIGITS)
        readings = [at - offset - self.start for offset in (0.0, *self.offsets)]
        lasted_s = max((event.at - self.start for event in self.events if event.at is not None), default=0.0)
        inside = (reading for reading in readings if -STEP_S <= reading <= lasted_s + STEP_S)
        return round(next(inside, readings[0]), _STAMP_DIGITS)

    @property
    def status(self) -> str | None:
        """The task's status, or None."""
        return text(self.task.get("status"))


def decode(record: TrialRecord) -> Exchange:
    """Return a record's bodies decoded, with a note for everything that is wrong with them."""
    notes = list(record.notes)
    task = _object(record, record.task, "task", notes)
    session = _object(record, record.session, "session", notes)
    events = _events(sequence(task.get("events")), notes)
    ended = stamp(task.get("last_updated")) if text(task.get("status")) in TERMINAL else None
    corrected = _without_steps(events, ended, record, notes)
    events = _in_order(events if corrected is None else corrected[0], notes)
    result = mapping(task.get("result"))
    turn = _turn(record, task, session, events, result)
    children = [_object(record, body, "session of a consulted profile", notes) for body in record.children]
    by_id = {session_id: child for child in children if (session_id := text(child.get("id")))}
    if not events:
        events = _in_order(_events(_kept_by(turn), notes), notes)
    ends = {"ended": ended} if corrected is None else {name: getattr(corrected[1], name) for name in _CORRECTED}
    found = Exchange(record=record, task=task, session=session, turn=turn, notes=tuple(notes), children=by_id, **ends)
    return _indexed(found, events, result)


def of_turn(parent: Exchange, session: dict[str, Any], turn: dict[str, Any]) -> Exchange:
    """Return the exchange of one turn of a consulted profile, from its session alone."""
    record = replace(parent.record, task=None, session=None, children=(), task_id=text(turn.get("task_id")), notes=())
    notes: list[str] = []
    events = _in_order(_events(_kept_by(turn), notes), notes)
    found = Exchange(record=record, session=session, turn=turn, notes=tuple(notes), children=parent.children)
    return _indexed(found, events, {})


def _indexed(found: Exchange, events: list[Event], result: dict[str, Any]) -> Exchange:
    """Add the events, by kind too, and the result, which the last event has where the task has none."""
    by_kind: dict[str, list[Event]] = {}
    for event in events:
        by_kind.setdefault(event.kind, []).append(event)
    index = {kind: tuple(of_kind) for kind, of_kind in by_kind.items()}
    if not result and "final_answer" in index:
        result = index["final_answer"][-1].body
    start = next((event.at for event in events if event.at is not None), None)
    return replace(found, result=result, events=tuple(events), by_kind=index, start=start)


def _object(record: TrialRecord, body: bytes | None, name: str, notes: list[str]) -> dict[str, Any]:
    if body is None:
        return {}
    try:
        known = [value for source, value in record.decoded if source is body]
        found = Parsed(value=known[0]) if known else parse_json(body)
    except ValueError:
        notes.append(f"the {name} is not JSON")
        return {}
    notes.extend(f"the {name} is not strict JSON: {note}" for note in found.notes)
    value = found.value
    if not isinstance(value, dict):
        notes.append(f"the {name} is {type(value).__name__}, not an object")
        return {}
    return value


def _events(raw: Iterable[Any], notes: list[str]) -> list[Event]:
    events: list[Event] = []
    seen: dict[str, list[dict[str, Any]]] = {}
    unreadable = twice = 0
    for item in raw:
        if not isinstance(item, dict):
            unreadable += 1
            continue
        stamped = item.get("timestamp")
        if isinstance(stamped, str):  # without a timestamp, a repetition looks like a second event
            same = seen.setdefault(stamped, [])
            if item in same:
                twice += 1
                continue
            same.append(item)
        event = _event(item, stamp(stamped))
        if event is None:
            unreadable += 1
        else:
            events.append(event)
    if unreadable:
        notes.append(f"{count_of(unreadable, 'event')} could not be read")
    if twice:
        notes.append(f"{count_of(twice, 'event')} came twice")
    return events


def _without_steps(
    events: list[Event], ended: float | None, record: TrialRecord, notes: list[str]
) -> tuple[list[Event], Corrected] | None:
    """Correct the timestamps of a task for steps of the server's clock; None if an event has no timestamp."""
    stamps = [event.at for event in events if event.at is not None]
    if len(stamps) < len(events):
        return None
    corrected = correct(stamps, ended, record)
    if corrected.note is not None:
        notes.append(corrected.note)
    moved = [event._replace(at=at) for event, at in zip(events, corrected.stamps, strict=True)]
    return moved, corrected


def _in_order(events: list[Event], notes: list[str]) -> list[Event]:
    """Sort events by their timestamps, where all have one."""
    stamps = [event.at for event in events if event.at is not None]
    if len(stamps) < len(events) or all(a <= b for a, b in pairwise(stamps)):
        return events
    notes.append("events were out of order")
    return sorted(events, key=lambda event: event.at or 0.0)


def _event(item: dict[str, Any], at: float | None) -> Event | None:
    name = item.get("event_type")
    data = item.get("event_data")
    if data is None and "type" in item:  # the form in sessions: {type, payload, timestamp}
        name, data = item["type"], item
    if not isinstance(data, dict):
        return None
    named = name not in (None, "notification")
    kind = name if named else data.get("type")
    if not isinstance(kind, str):
        return None
    payload = data.get("payload")
    return Event(kind, named, payload if isinstance(payload, dict) else data, data, at)


def _kept_by(turn: dict[str, Any]) -> list[Any]:
    return [event for name in _TURN_EVENTS for event in sequence(turn.get(name))]


def turns_of(session: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the turns of a session, in order."""
    history = sequence(mapping(session.get("last_turn_data")).get("workflow_history"))
    return [turn for turn in history if isinstance(turn, dict)]


def _turn(
    record: TrialRecord, task: dict[str, Any], session: dict[str, Any], events: list[Event], result: dict[str, Any]
) -> dict[str, Any]:
    """Return this trial's turn: by task id, else by turn number, else the last turn that has no other task id."""
    turns = turns_of(session)
    if not turns:
        return {}
    task_id = text(task.get("task_id")) or record.task_id
    ours = [turn for turn in turns if task_id and turn.get("task_id") == task_id]
    if ours:
        return ours[-1]
    others = [turn for turn in turns if not (task_id and text(turn.get("task_id")))]
    number = count(result.get("turn_id"))
    if number is None:
        number = next((found for event in events if (found := count(event.body.get("turn_id"))) is not None), None)
    if number is not None:
        return next((turn for turn in reversed(others) if turn.get("turn") == number), {})
    return others[-1] if others else {}

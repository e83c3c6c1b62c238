"""Comparison of exchanges of the embedded server with recorded exchanges of a real server.

``exchanges`` reads a folder of recordings, ``compare`` yields the differences of one exchange, and
``EXPLAINED`` lists the intended ones with their reasons. The tests fail on a difference without an
entry, and on an entry without a difference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LEFT_OUT = re.compile(r"<\d+ more>")
_LONGEST_LABEL = 30  # shorter than any id
CAPTURES = Path(__file__).resolve().parents[2] / "../shared/uderia/captures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A difference of a kind at a place in the exchange, with both values."""

    folder: str
    name: str
    kind: str
    at: str
    values: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Intended differences: a kind, a pattern of places, and the reason."""

    kind: str
    at: str
    reason: str

    def explains(self, difference: Difference) -> bool:
        """Return whether the entry covers the difference."""
        return difference.kind == self.kind and re.fullmatch(self.at, difference.at) is not None


EXPLAINED = (
    Explained(
        kind="type",
        at=r".*\.case_id",
        reason="the real server writes a new case shortly after the turn, so a recording shows it or not",
    ),
    Explained(
        kind="key",
        at=r"\.profiles\.\[profile-(1764006444002-google|default-(chat-friendli|digest|plain))\]",
        reason="four more profiles: two types on the other provider, and the two plain forms",
    ),
    Explained(
        kind="key",
        at=r"\.configurations\.\[\d+-\w+\]",
        reason="the recorded server lists seven LLM configurations, and no profile uses five of them",
    ),
    Explained(
        kind="key",
        at=r".*\.(model_distribution|models_used|providers_used|cost_by_model|cost_by_provider|provider\.frequency)\..+",
        reason="these keys are names of providers and models, and the recorded server had others",
    ),
    Explained(
        kind="key",
        at=r"\.prompts\.\[(data|recovery|workflow)\]",
        reason="the recorded list of prompts is cut after four of fifteen",
    ),
    Explained(
        kind="type",
        at=r"\.costs\.\[\]\.(input|output)_cost_per_million",
        reason="the recorded list has whole prices, which are integers",
    ),
    Explained(
        kind="key",
        at=r"\.license_info|.*\.provenance_(chain|meta)",
        reason="the recordings leave these fields out or shorten them",
    ),
    Explained(
        kind="key",
        at=r".*\.tts_payload",
        reason="the first recordings of tasks lack the spoken form of the answer; here only notifications carry it",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A recorded request and its response. A header that was not recorded is None."""

    folder: str
    name: str
    method: str
    path: str
    sent: Any
    status: int
    content_type: str | None
    body: Any


def exchanges(folder: str) -> dict[str, Exchange]:
    """Return the recorded exchanges of a folder by file name, sorted."""
    found = {}
    root = CAPTURES.parent if folder.startswith("captures-2/") else CAPTURES
    for file in sorted((root / folder).glob("*.json")):
        raw = _recorded(json.loads(file.read_text()))
        if not isinstance(raw, dict):
            continue  # a list of polls, not an exchange
        request = raw.get("request") or {}
        found[file.stem] = Exchange(
            folder=folder,
            name=file.stem,
            method=request.get("method", "GET"),
            path=request.get("path", ""),
            sent=request.get("body"),
            status=raw["status"],
            content_type=(raw.get("headers") or {}).get("content-type"),
            body=raw["body"],
        )
    return found


def _recorded(value: Any) -> Any:
    """Return a recording without the places that it leaves out: shortened lists, dropped fields."""
    if isinstance(value, dict):
        return {name: _recorded(child) for name, child in value.items() if child != "<dropped>"}
    if isinstance(value, list):
        return [_recorded(item) for item in value if not (isinstance(item, str) and _LEFT_OUT.fullmatch(item))]
    return value


def shape(value: Any, path: str = "") -> dict[str, set[str]]:
    """Return the types at every path. List elements of the same kind share a path."""
    found = {path: {type(value).__name__}}
    children: Any = ()
    if isinstance(value, dict):
        children = (("#" if name.isdigit() else name, child) for name, child in value.items())  # an id as a key
    elif isinstance(value, list):
        children = ((f"[{_label(item)}]", item) for item in value)
    for name, child in children:
        for at, types in shape(child, f"{path}.{name}").items():
            found.setdefault(at, set()).update(types)
    return found


def _label(item: Any) -> str:
    """Return the kind of a list element: event kind, trace message or tool, role, module id."""
    if not isinstance(item, dict):
        return ""
    if "event_type" in item:
        data = item["event_data"]
        return str(data.get("step") or data.get("type")) if item["event_type"] in (None, "notification") else item["event_type"]
    action = item.get("action")
    if isinstance(action, dict) and "arguments" in action:
        return _numberless(action["arguments"].get("message", action["tool_name"]))
    for name in ("role", "module_id", "type", "id", "tag"):
        if isinstance(item.get(name), str) and len(item[name]) < _LONGEST_LABEL:
            return item[name]
    metadata = item.get("metadata")
    return metadata["tool_name"] if isinstance(metadata, dict) and "tool_name" in metadata else ""


def _numberless(message: str) -> str:
    return re.sub(r"\d+", "n", message.split(": ", maxsplit=1)[0])


def event_order(task: dict) -> list[tuple]:
    """Return the name, inner type and step of every event."""
    named = [(event["event_type"], event["event_data"]) for event in task["events"]]
    return [(name, data.get("type"), data.get("step") if name is None else None) for name, data in named]


def trace_order(session: dict) -> list[list[str]]:
    """Return the trace of every turn as tool names and log messages, without ids and numbers."""
    turns = session["last_turn_data"]["workflow_history"]
    return [[_message(entry) for entry in turn.get("execution_trace") or ()] for turn in turns]


def _message(entry: dict) -> str:
    action = entry["action"]
    return f"{action['tool_name']} {action['arguments'].get('message', '').split(': ')[0]}"  # goals are the planner's own words


def compare(exchange: Exchange, status: int, content_type: str | None, body: Any) -> Iterator[Difference]:
    """Yield the differences between a recorded response and ours."""

    def differs(kind: str, at: str, theirs: Any, ours: Any) -> Difference:
        values = f"{theirs} -> {ours}"
        return Difference(folder=exchange.folder, name=exchange.name, kind=kind, at=at, values=values)

    if status != exchange.status:
        yield differs("status", "", exchange.status, status)
    if exchange.content_type is not None and content_type != exchange.content_type:
        yield differs("content_type", "", exchange.content_type, content_type)
    left, right = shape(exchange.body), shape(body)
    missing = ""
    for at in sorted(left.keys() | right.keys()):
        theirs, ours = left.get(at), right.get(at)
        if missing and at.startswith(missing):
            continue  # inside a missing key
        if theirs is None or ours is None:
            missing = f"{at}."
            yield differs("key", at, theirs, ours)
        elif theirs != ours:
            yield differs("type", at, theirs, ours)
    if isinstance(exchange.body, dict) and isinstance(body, dict):
        yield from _ordered(exchange, body, differs)


def _ordered(exchange: Exchange, body: dict, differs: Any) -> Iterator[Difference]:
    if "events" in exchange.body and "events" in body:
        if body.get("status") != exchange.body.get("status"):
            yield differs("task_status", "", exchange.body.get("status"), body.get("status"))
        theirs, ours = event_order(exchange.body), event_order(body)
        if theirs != ours:
            yield differs("event_order", _first_apart(theirs, ours), theirs, ours)
    if "last_turn_data" in exchange.body and "last_turn_data" in body:
        theirs, ours = trace_order(exchange.body), trace_order(body)
        if theirs != ours:
            yield differs("trace_message", "", theirs, ours)


def _first_apart(theirs: list[tuple], ours: list[tuple]) -> str:
    """Return the kind of the first different event."""
    for place in range(max(len(theirs), len(ours))):
        if theirs[place : place + 1] != ours[place : place + 1]:
            name, kind, step = (theirs[place : place + 1] or ours[place : place + 1])[0]
            return str(step or (kind if name in (None, "notification") else name))
    return ""

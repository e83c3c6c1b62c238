"""Phases of a tool_enabled turn: which ran, their log entries, and the path of each to its tool.

Source: docs/reference/protocol.md, "Phase and tool ledgers".

Only phases at depth 0 count; the work of a nested prompt belongs to the phase in which it ran. An
entry belongs to the phase that it names, else to the phase that is open at its place in the log,
else to the phase that was running at its time. After a parallel group, entries without a number are
at the end of the group. A tactical call belongs to the phase whose goal it quotes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from uderia_bench.reading.profile_types.lenient import canonical, count, mapping, sequence, text, texts
from uderia_bench.reading.profile_types.planner_log import ORCHESTRATION, Entry, LogEntry, ToolEntry
from uderia_bench.reading.profile_types.wordings import Meaning
from uderia_bench.trace import CallClass, Phase, PhasePath, PlannedPhase

_QUOTED = re.compile(r"iteration for '([^']+)'")  # docs/reference/protocol.md, "Log messages" PE:633
_TACTICAL_SAYS = "deciding next action for phase goal: '"  # docs/reference/protocol.md, "Log messages" PE:1504


@dataclass(slots=True)
class OpenPhase:
    """A phase while the log is read. ``orchestration`` is ``day``, ``range`` or ``column`` if its call was expanded."""

    number: int
    goal: str
    tools: tuple[str, ...]
    looped: bool = False
    parallel: bool = False
    start: float | None = None
    end: float | None = None
    status: str | None = None
    announced: bool = False
    tactical: bool = False
    dispatched: bool = False
    called: bool = False
    orchestration: str | None = None
    columns: set[str] = field(default_factory=set)  # tools that were called once per column
    phrases: set[str] = field(default_factory=set)  # "tool arguments" of date phrases that were expanded, not called

    def during(self, at: float | None) -> bool:
        """Return whether a timestamp is within this phase."""
        return at is not None and self.start is not None and self.end is not None and self.start <= at <= self.end

    def path(self) -> PhasePath:
        """Return the path of the phase to its tool."""
        if self.status == "skipped":
            return PhasePath.SKIPPED
        if self.tactical:
            return PhasePath.TACTICAL
        if self.orchestration:
            return PhasePath.ORCHESTRATED
        if self.dispatched:
            return PhasePath.DISPATCHED
        return PhasePath.FAST if self.called or self.announced or self.status else PhasePath.UNKNOWN


@dataclass(frozen=True, slots=True)
class PhaseLedger:
    """The phases in order of their start, and the phase of every entry of the log."""

    phases: tuple[OpenPhase, ...]
    owners: tuple[OpenPhase | None, ...]

    def trace(self) -> tuple[Phase, ...]:
        """Return the phases as values."""
        return tuple(
            Phase(
                number=phase.number,
                goal=phase.goal,
                tools=phase.tools,
                path=phase.path(),
                fastpath_logged=phase.announced,
                status=phase.status or "aborted",
                looped=phase.looped,
                parallel=phase.parallel,
                start_s=phase.start,
                duration_s=None if phase.start is None or phase.end is None else max(0.0, phase.end - phase.start),
            )
            for phase in self.phases
        )


def planned(plan: list[object]) -> tuple[PlannedPhase, ...]:
    """Return the phases of a plan, from the server's list."""
    return tuple(
        PlannedPhase(
            number=number if (number := count(phase.get("phase"))) is not None else position,
            goal=text(phase.get("goal")) or "",
            tools=texts(phase.get("relevant_tools")),
            arguments=canonical(mapping(phase.get("arguments"))),
            looped=phase.get("type") == "loop",
        )
        for position, phase in enumerate(plan, start=1)
        if isinstance(phase, dict)
    )


def ledger(entries: tuple[Entry, ...], plan: tuple[PlannedPhase, ...]) -> PhaseLedger:
    """Return the phases and the phase of each entry; ``plan`` is used where the log has no phase marks.

    Source: docs/reference/seed.md, "Old formats".
    """
    phases, positions = _walk(entries)
    if not phases:
        phases = _from_plan(entries, plan)
    owners = tuple(_owner(entry, position, phases) for entry, position in zip(entries, positions, strict=True))
    for entry, owner in zip(entries, owners, strict=True):
        if owner is not None:
            _note(owner, entry)
    return PhaseLedger(tuple(phases), owners)


def _walk(entries: tuple[Entry, ...]) -> tuple[list[OpenPhase], list[OpenPhase | None]]:
    """Return the phases at depth 0, and for each entry the phase that was open."""
    phases: list[OpenPhase] = []
    positions: list[OpenPhase | None] = []
    open_phases: dict[int, OpenPhase] = {}
    parallel: set[int] = set()
    for entry in entries:
        if isinstance(entry, LogEntry) and entry.depth == 0:
            details = mapping(entry.details)
            number = count(details.get("phase_num"))
            if entry.meaning is Meaning.PARALLEL:
                parallel.update(n for item in sequence(details.get("parallel_phases")) if (n := count(item)) is not None)
            elif entry.meaning is Meaning.PHASE_START and number is not None:
                opened = _start(entry, details, number, phases)
                opened.parallel = number in parallel
                open_phases[number] = opened
            elif entry.meaning is Meaning.PHASE_END and number in open_phases:
                ended = open_phases.pop(number)
                ended.end, ended.status = entry.at, text(details.get("status")) or "completed"
                positions.append(ended)
                continue
        positions.append(next(reversed(open_phases.values()), None))
    return phases, positions


def _start(entry: LogEntry, details: dict[str, object], number: int, phases: list[OpenPhase]) -> OpenPhase:
    """Return the phase that starts here. A second start with the same number and goal is the same phase."""
    goal = text(details.get("goal")) or ""
    again = next((phase for phase in phases if phase.number == number and phase.goal == goal), None)
    if again is not None:
        return again
    planned_as = mapping(details.get("phase_details"))
    phase = OpenPhase(
        number, goal, texts(planned_as.get("relevant_tools")), looped=planned_as.get("type") == "loop", start=entry.at
    )
    phases.append(phase)
    return phase


def _from_plan(entries: tuple[Entry, ...], plan: tuple[PlannedPhase, ...]) -> list[OpenPhase]:
    """Return the planned phases whose tool was called or announced, for logs without phase marks."""
    called = {entry.name for entry in entries if isinstance(entry, ToolEntry)}
    announced = [entry.said or "" for entry in entries if isinstance(entry, LogEntry) and entry.meaning is Meaning.FAST_PATH]
    return [
        OpenPhase(phase.number, phase.goal, phase.tools, looped=phase.looped, status="completed")
        for phase in plan
        if any(tool in called or any(f"'{tool}'" in said for said in announced) for tool in phase.tools)
    ]


def _owner(entry: Entry, position: OpenPhase | None, phases: list[OpenPhase]) -> OpenPhase | None:
    if isinstance(entry, ToolEntry):
        named = _numbered(entry.phase_number, phases) if entry.depth == 0 else None
        return named or position or _in_time(entry.at, phases, entry.name) or _marked(entry.name, phases)
    if entry.meaning is Meaning.LLM_CALL and entry.wording is not None and entry.wording.call_class is CallClass.TACTICAL:
        return _by_goal(entry, position, phases) or position or _in_time(entry.at, phases)
    if entry.meaning is Meaning.FAST_PATH:
        named = _numbered(count(mapping(entry.details).get("phase_num")), phases) if entry.depth == 0 else None
        return named or position or _in_time(entry.at, phases) or _quoted(entry.said or "", phases)
    return position or _in_time(entry.at, phases)


def _numbered(number: int | None, phases: list[OpenPhase]) -> OpenPhase | None:
    return next((phase for phase in reversed(phases) if phase.number == number), None) if number is not None else None


def _in_time(at: float | None, phases: list[OpenPhase], tool: str | None = None) -> OpenPhase | None:
    """Return the phase that was running then; in a parallel group, the one that may use the tool, else None."""
    found = [phase for phase in phases if phase.during(at)]
    if len(found) > 1 and tool is not None:
        found = [phase for phase in found if tool in phase.tools]
    return found[0] if len(found) == 1 else None


def _by_goal(entry: LogEntry, position: OpenPhase | None, phases: list[OpenPhase]) -> OpenPhase | None:
    said = entry.said or ""
    if not said.lower().startswith(_TACTICAL_SAYS):
        return None
    goal = said[len(_TACTICAL_SAYS) :].rstrip().removesuffix("'")
    found = [phase for phase in phases if phase.goal == goal]
    return position if position in found else next(iter(found), None)


def _marked(tool: str, phases: list[OpenPhase]) -> OpenPhase | None:
    """Return the phase that plans a tool, for logs without phase marks, numbers and times."""
    return next((phase for phase in phases if phase.start is None and tool in phase.tools), None)


def _quoted(said: str, phases: list[OpenPhase]) -> OpenPhase | None:
    return next((phase for phase in phases if phase.start is None and any(f"'{tool}'" in said for tool in phase.tools)), None)


def _note(phase: OpenPhase, entry: Entry) -> None:
    """Update a phase with what an entry says about it."""
    if isinstance(entry, ToolEntry):
        if entry.name == ORCHESTRATION:
            _orchestrated(phase, mapping(entry.arguments))
        else:
            phase.called = True
    elif entry.meaning is Meaning.FAST_PATH:
        phase.announced = True
    elif entry.meaning is Meaning.DISPATCH:
        phase.dispatched = True
    elif entry.meaning is Meaning.COLUMNS:
        phase.orchestration = "column"
        phase.columns.update(_QUOTED.findall(entry.said or ""))
    elif entry.wording is not None and entry.wording.call_class is CallClass.TACTICAL:
        phase.tactical = True


def _orchestrated(phase: OpenPhase, arguments: dict[str, object]) -> None:
    """Update a phase from an orchestrator's start or end: one call per day, or one call for the range.

    Source: docs/reference/protocol.md, "Orchestrators".
    """
    if arguments.get("orchestration_mode") == "range_resolution":
        phase.orchestration = "range"
    elif phase.orchestration is None:
        phase.orchestration = "day"
    tool, name, phrase = (
        text(arguments.get("target_tool")),
        text(arguments.get("date_param_name")),
        text(arguments.get("date_phrase")),
    )
    if tool and name and phrase:
        phase.phrases.add(f"{tool} {name} {phrase}")

"""A turn's steps on the server's clock, drawn with characters: one line per step, calls below their phase."""

from __future__ import annotations

from dataclasses import dataclass

from uderia_bench.printable import count_of, plain
from uderia_bench.report.formats.layout import cut
from uderia_bench.trace import Trace

LONGEST = 60  # lines, for loops over a thousand items
_LABEL, _FIGURES = 26, 17  # columns beside the bar
_PHASE, _LLM, _TOOL, _MOMENT = "─", "█", "▒", "│"


@dataclass(frozen=True, slots=True)
class _Bar:
    """One line: its start, and its duration where known, in seconds from the first event."""

    label: str
    sign: str
    start: float
    duration: float | None


def draw(trace: Trace, width: int) -> list[str]:
    """Return the lines of the timeline, none wider than ``width``; [] where no step has a time."""
    bars, untimed = _bars(trace)
    if not bars:
        return []
    end = max(bar.start + (bar.duration or 0.0) for bar in bars)
    room = max(width - _LABEL - _FIGURES - 2, 8)
    lines = [f"{_PHASE} phase   {_LLM} LLM call   {_TOOL} tool call   {_MOMENT} point in time"]
    lines += [_line(bar, end, room) for bar in bars[:LONGEST]]
    if len(bars) > LONGEST:
        lines.append(f"… and {count_of(len(bars) - LONGEST, 'more step')}")
    if untimed:
        lines.append(f"Not drawn, because they have no time: {count_of(untimed, 'step')}.")
    return [cut(line, width) for line in lines]


def _bars(trace: Trace) -> tuple[list[_Bar], int]:
    phases = [(f"phase {phase.number}", _PHASE, phase.start_s, phase.duration_s) for phase in trace.phases]
    calls = [
        (f"llm_call {i} {call.call_class}", _LLM, call.start_s, call.duration_s)
        for i, call in enumerate(trace.llm_calls, start=1)
    ]
    tools = [
        (f"tool_call {i} {call.name}", _TOOL, call.start_s, call.duration_s) for i, call in enumerate(trace.tools, start=1)
    ]
    ends = [("answer", _MOMENT, trace.timing.answer_s, None), ("task ended", _MOMENT, trace.timing.terminal_s, None)]
    indent = "  " if phases else ""
    steps = [*phases, *((indent + label, sign, start, took) for label, sign, start, took in (*calls, *tools))]
    bars = [_Bar(label, sign, start, took) for label, sign, start, took in (*steps, *ends) if start is not None]
    bars.sort(key=lambda bar: (bar.start, bar.sign != _PHASE))  # a phase comes before the calls that start with it
    return bars, sum(1 for _, _, start, _ in steps if start is None)


def _line(bar: _Bar, end: float, room: int) -> str:
    scale = (room - 1) / end if end > 0 else 0.0
    at = min(max(round(bar.start * scale), 0), room - 1)
    length = 1 if bar.duration is None else max(round(bar.duration * scale), 1)
    drawn = (" " * at + (_MOMENT if bar.duration is None else bar.sign) * min(length, room - at)).ljust(room)
    took = "" if bar.duration is None else f" +{bar.duration:.3f}"
    return f"{cut(plain(bar.label), _LABEL):<{_LABEL}} {drawn} {f'{bar.start:.3f}{took}':>{_FIGURES - 2}} s"

"""Tool metrics: calls of data tools, their results, and repeated calls."""

from __future__ import annotations

from functools import partial

from uderia_bench.reading.metrics.metric import PHASES, Across, Direction, Metric, counted, if_returned, rated
from uderia_bench.trace import ToolCall, ToolStatus, Trace

_count = partial(counted, family="tools", direction=Direction.LOWER)


def data_calls(trace: Trace) -> list[ToolCall]:
    """Return the calls of data tools, without Uderia's own ``TDA_*`` tools."""
    return [call for call in trace.tool_calls if not call.system]


def tool_success_rate(trace: Trace) -> float | None:
    """Return successful / all data-tool calls (docs/reference/seed.md, "Metrics for optimization"); None without calls."""
    data = data_calls(trace)
    return sum(1 for call in data if call.status is ToolStatus.SUCCESS) / len(data) if data else None


def redundant(trace: Trace) -> dict[int, int]:
    """Return the successful data-tool calls that repeat one of an earlier phase, or of an agent's earlier step.

    Maps the position of each in ``trace.tool_calls`` to that of the first such call. Expanded calls
    (loops, days, columns) are left out.
    """
    places: dict[tuple[str, str], dict[tuple[str, int], int]] = {}
    for position, call in enumerate(trace.tool_calls):
        if not call.system and call.status is ToolStatus.SUCCESS and call.iteration is None:
            place = ("phase", call.phase) if call.phase is not None else ("call", position)
            places.setdefault((call.name, call.arguments), {}).setdefault(place, position)
    again: dict[int, int] = {}
    for found in places.values():
        first, *rest = found.values()
        again |= dict.fromkeys(rest, first)
    return again


def repeated(trace: Trace) -> dict[tuple[int | None, str, str], list[int]]:
    """Return the positions of the data-tool calls by phase, tool and arguments, without expanded calls and retries."""
    asked: dict[tuple[int | None, str, str], list[int]] = {}
    for position, call in enumerate(trace.tool_calls):
        if not call.system and call.iteration is None and call.attempt == 1:
            asked.setdefault((call.phase, call.name, call.arguments), []).append(position)
    return asked


METRICS: tuple[Metric, ...] = (
    _count(
        name="tool_calls",
        doc="Calls that reached a data tool. Placeholders and the consolidated entry of a date range are not counted.",
        direction=Direction.NEUTRAL,
        read=if_returned(lambda trace: len(data_calls(trace))),
    ),
    _count(
        name="system_tool_calls",
        doc="Calls of Uderia's own tools (TDA_*), including the final report.",
        direction=Direction.NEUTRAL,
        read=if_returned(lambda trace: sum(call.system for call in trace.tool_calls)),
        across=Across.SHOWN,
        across_reason=PHASES,
    ),
    _count(
        name="tool_errors",
        doc="Data-tool calls whose own result reports an error. Every attempt counts.",
        read=if_returned(lambda trace: sum(call.status is ToolStatus.ERROR for call in data_calls(trace))),
    ),
    rated(
        name="tool_success_rate",
        family="tools",
        doc="Successful / all data-tool calls; None without calls.",
        direction=Direction.HIGHER,
        read=tool_success_rate,
    ),
    _count(
        name="redundant_tool_calls",
        doc="Successful data-tool calls that repeat a call of an earlier phase or agent step with the same arguments.",
        read=if_returned(lambda trace: len(redundant(trace))),
    ),
    _count(
        name="max_tool_repeats",
        doc="Largest number of equal data-tool calls in one phase. Loops, expansions and retries are not counted.",
        read=if_returned(lambda trace: max(map(len, repeated(trace).values()), default=0)),
    ),
)

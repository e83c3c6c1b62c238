"""Issues of a plan's quality: missing steps, and steps in the wrong order.

Source: docs/reference/seed.md, "Best practices".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from uderia_bench.reading.detectors import wordings
from uderia_bench.reading.detectors.detector import Detector, Finding, Severity
from uderia_bench.reading.detectors.evidence import Evidence, of_turn, quoted
from uderia_bench.reading.detectors.thresholds import Thresholds
from uderia_bench.reading.metrics.tools import data_calls
from uderia_bench.trace import PlannedPhase, Trace
from uderia_bench.trial import Outcome

_PATHS_WITH_TOOLS = ("planner/executor", "conversation_agent")  # retrieval and direct calls have no data tools


def missing_temporal_context(trace: Trace, _: Thresholds) -> tuple[Finding, ...]:
    """Find plans without a date tool or a date argument, where the question is about a time."""
    asked = wordings.TEMPORAL.search(trace.question or "")
    if asked is None or not any(map(_fetches, trace.plan or ())):
        return ()
    written = [*(phase.arguments for phase in trace.plan or ()), *(call.arguments for call in trace.tool_calls)]
    tools = {*(tool for phase in trace.plan or () for tool in phase.tools), *(call.name for call in trace.tool_calls)}
    if tools & wordings.DATE_TOOLS or trace.orchestrations or any(map(_speaks_of_time, written)):
        return ()
    said = of_turn(f"the question says {asked.group()!r}, but no phase looks up a date and no argument is a date")
    return (Finding(evidence=(said, _the_plan(trace))),)


def _speaks_of_time(arguments: str) -> bool:
    return any(
        wordings.DATE_ARGUMENT.search(name) or (isinstance(value, str) and _is_time(value))
        for name, value in _named(json.loads(arguments))
    )


def _is_time(value: str) -> bool:
    return bool(wordings.TEMPORAL.search(value) or wordings.DATE.search(value))


def _named(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the names and values of arguments at every depth, which the reader bounds (``profile_types/lenient``)."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _named(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner, name)
    else:
        yield name, value


def report_before_data(trace: Trace, _: Thresholds) -> tuple[Finding, ...]:
    """Find plans that write a report before the last data is fetched."""
    plan = trace.plan or ()
    reports = [place for place, phase in enumerate(plan) if phase.tools and wordings.REPORT_TOOLS.issuperset(phase.tools)]
    fetches = [place for place, phase in enumerate(plan) if _fetches(phase)]
    if not reports or not fetches or reports[0] > fetches[-1]:
        return ()
    early, late = plan[reports[0]], plan[fetches[-1]]
    said = of_turn(
        f"phase {early.number} reports ({quoted(early.goal)}), phase {late.number} still fetches ({quoted(late.goal)})"
    )
    return (Finding(evidence=(said, _the_plan(trace))),)


def no_tool_called(trace: Trace, _: Thresholds) -> tuple[Finding, ...]:
    """Find answers to a question about data that came without a call of a data tool, planned or not."""
    if trace.outcome is not Outcome.ANSWERED or trace.execution_path not in _PATHS_WITH_TOOLS or data_calls(trace):
        return ()
    if trace.hydrated or any(call.name == wordings.CONTEXT_REPORT for call in trace.tool_calls):
        return ()  # an earlier turn had fetched the data
    planned = [phase for phase in trace.plan or () if _fetches(phase)]
    if planned:
        tools = ", ".join(dict.fromkeys(tool for phase in planned for tool in phase.tools))
        said = of_turn(f"the plan has {tools}, and the agent called none of them")
    elif wordings.DATA_QUESTION.search(trace.question or ""):
        said = of_turn(f"the question asks for data ({quoted(trace.question or '')}), but the agent called no tool")
    else:
        return ()
    return (Finding(evidence=(said, *([_the_plan(trace)] if trace.plan else []))),)


def _fetches(phase: PlannedPhase) -> bool:
    return any(not tool.startswith("TDA_") for tool in phase.tools)


def _the_plan(trace: Trace) -> Evidence:
    return of_turn("plan: " + "; ".join(f"{phase.number} {'+'.join(phase.tools) or 'no tool'}" for phase in trace.plan or ()))


DETECTORS: tuple[Detector, ...] = (
    Detector(
        name="missing_temporal_context",
        doc="The question is about a time, but no phase of the plan has a date tool or a date argument.",
        severity=Severity.WARNING,
        recommendation="Let the plan begin with TDA_CurrentDate, or pass the range as an argument. Check the answer's dates.",
        find=missing_temporal_context,
    ),
    Detector(
        name="report_before_data",
        doc="The plan writes its report before the last data is fetched.",
        severity=Severity.WARNING,
        recommendation="Tell the planner that the report is the last phase. "
        "Data fetched after the report costs tokens and is not used.",
        find=report_before_data,
    ),
    Detector(
        name="no_tool_called",
        doc="The question asks for data, and the answer came without a call of a data tool.",
        severity=Severity.ERROR,
        recommendation="Check the answer, the profile's tools and its prompt. Do not compare it with an answer from data.",
        find=no_tool_called,
    ),
)

"""Issues of planning: too many planning tokens, and tactical calls or phases that the question did not need."""

from __future__ import annotations

import json
from typing import Any

from uderia_bench.printable import count_of
from uderia_bench.reading.detectors import wordings
from uderia_bench.reading.detectors.detector import Detector, Finding, Severity, costing
from uderia_bench.reading.detectors.evidence import numbered_calls, of_context, of_llm_call, of_phase, of_turn
from uderia_bench.reading.detectors.thresholds import Thresholds
from uderia_bench.trace import CallClass, Phase, PhasePath, PlannedPhase, ToolCall, Trace


def excessive(trace: Trace, thresholds: Thresholds) -> tuple[Finding, ...]:
    """Find strategic planning over the threshold; the context-window snapshots show what filled its prompt."""
    calls = [(i, call) for i, call in numbered_calls(trace) if call.call_class is CallClass.STRATEGIC]
    spent = sum(call.tokens for _, call in calls)
    if spent <= thresholds.strategic_tokens:
        return ()
    evidence = (*(of_llm_call(i, call) for i, call in calls), *of_context(trace))
    return (costing(evidence, spent - thresholds.strategic_tokens, "strategic tokens above the threshold"),)


def missed_fast_path(trace: Trace, _: Thresholds) -> tuple[Finding, ...]:
    """Find phases whose tactical call chose exactly the one tool and the concrete arguments of the plan.

    The server's own conditions for a fast path (docs/reference/protocol.md, "Fast paths") need the
    tool's schema, which a trace does not have. A call that equals the planned one shows the same:
    no required argument was missing.
    """
    plan = {phase.number: phase for phase in trace.plan or ()}
    missed = [
        (index, phase)
        for index, phase in enumerate(trace.phases, start=1)
        if phase.path is PhasePath.TACTICAL and not phase.looped and _was_decided(plan.get(phase.number), phase, trace)
    ]
    if not missed:
        return ()
    numbers = {phase.number for _, phase in missed}
    tactical = [
        (i, call) for i, call in numbered_calls(trace) if call.call_class is CallClass.TACTICAL and call.phase in numbers
    ]
    evidence = (*(of_phase(i, phase) for i, phase in missed), *(of_llm_call(i, call) for i, call in tactical))
    lost = sum(call.tokens for _, call in tactical)
    return (Finding(evidence=evidence, tokens_lost=lost, method="the tactical calls of those phases"),)


def _was_decided(planned: PlannedPhase | None, phase: Phase, trace: Trace) -> bool:
    if planned is None or len(planned.tools) != 1:
        return False
    arguments = _object(planned.arguments)
    calls = [call for call in trace.tool_calls if call.phase == phase.number and call.attempt == 1]
    return all(map(_concrete, arguments.values())) and len(calls) == 1 and _as_planned(calls[0], planned.tools[0], arguments)


def _as_planned(call: ToolCall, tool: str, arguments: dict[str, Any]) -> bool:
    return call.name == tool and all(arguments.get(name) == value for name, value in _object(call.arguments).items())


def _concrete(value: Any) -> bool:
    """Return whether a planned argument is a value, and not empty, a placeholder, a list of names or a phrase of time."""
    if isinstance(value, dict):
        return bool(value) and not wordings.PLACEHOLDER_KEYS.issuperset(value)
    if isinstance(value, list):
        return bool(value) and not all(isinstance(item, str) for item in value)
    if isinstance(value, str):
        return bool(value) and not wordings.PLACEHOLDER.search(value) and not wordings.TEMPORAL.search(value)
    return value is not None


def _object(canonical: str) -> dict[str, Any]:
    value = json.loads(canonical)
    return value if isinstance(value, dict) else {}


def over_engineered(trace: Trace, thresholds: Thresholds) -> tuple[Finding, ...]:
    """Find plans of a simple query with more phases than it needs; reports and date look-ups are not counted."""
    if trace.complexity != "simple" or trace.plan is None:
        return ()
    work = [phase for phase in trace.plan if not wordings.NO_WORK.issuperset(phase.tools) or not phase.tools]
    if len(work) <= thresholds.simple_phases:
        return ()
    surplus = {phase.number for phase in work[int(thresholds.simple_phases) :]}
    lost = sum(call.tokens for call in trace.llm_calls if call.phase in surplus)
    planned = ", ".join(f"{phase.number} {'+'.join(phase.tools) or 'no tool'}" for phase in work)
    evidence = (
        of_turn(f"{count_of(len(work), 'phase')} of work planned for a query labelled simple: {planned}"),
        *(of_phase(i, phase) for i, phase in enumerate(trace.phases, start=1) if phase.number in surplus),
    )
    method = f"the LLM calls of the phases of work after number {thresholds.simple_phases:g}"
    return (costing(evidence, lost, method),)


DETECTORS: tuple[Detector, ...] = (
    Detector(
        name="excessive_planning",
        doc="Strategic planning used more tokens than the threshold. The context window shows what filled its prompt.",
        severity=Severity.WARNING,
        recommendation="Shorten the planner's prompt: fewer tools in the profile, condensed tool definitions after the first "
        "turn, context distillation.",
        find=excessive,
    ),
    Detector(
        name="missed_fast_path",
        doc="A tactical LLM call only confirmed the plan: one tool with concrete arguments.",
        severity=Severity.WARNING,
        recommendation="Let such phases take the fast path: check relevant_tools and the tool's required arguments.",
        find=missed_fast_path,
    ),
    Detector(
        name="over_engineered_plan",
        doc="The plan of a simple query has more phases than the threshold; reports and date look-ups are not counted.",
        severity=Severity.WARNING,
        recommendation="Send simple questions to a profile without a planner, or give the planner an example of a short plan.",
        find=over_engineered,
    ),
)

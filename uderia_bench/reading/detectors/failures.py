"""Issues of failure: tools that failed for good inside a turn that calls itself a success."""

from __future__ import annotations

from uderia_bench.reading.detectors.detector import Detector, Finding, Severity
from uderia_bench.reading.detectors.evidence import of_tool_call
from uderia_bench.reading.detectors.thresholds import Thresholds
from uderia_bench.trace import ToolCall, ToolStatus, Trace
from uderia_bench.trial import Outcome


def tool_failed(trace: Trace, _: Thresholds) -> tuple[Finding, ...]:
    """Find tools whose last word was an error in a trial that was answered all the same.

    Source: docs/reference/measured.md, "Surprises", number 8.
    """
    if trace.outcome is not Outcome.ANSWERED:
        return ()
    failed = [
        (place, call)
        for place, call in enumerate(trace.tool_calls)
        if call.status is ToolStatus.ERROR
        and not any(_makes_good(later, call) for later in trace.tool_calls[place + 1 :])
        and not any(_tries_again(later, call) for later in trace.tool_calls[place + 1 :])
    ]
    return (Finding(evidence=tuple(of_tool_call(place + 1, call) for place, call in failed)),) if failed else ()


def _makes_good(later: ToolCall, failed: ToolCall) -> bool:
    """Say whether a later call gave what a failed one did not: the same item again, the same tool, or its correction."""
    if later.status is not ToolStatus.SUCCESS or later.phase != failed.phase:
        return False
    if failed.iteration is not None:
        return (later.name, later.arguments) == (failed.name, failed.arguments)
    return later.name == failed.name or later.attempt > 1


def _tries_again(later: ToolCall, failed: ToolCall) -> bool:
    """Say whether a later call is a further attempt at a failed one: then that one has the last word."""
    return later.phase == failed.phase and later.attempt > failed.attempt


DETECTORS: tuple[Detector, ...] = (
    Detector(
        name="tool_failed_in_answer",
        doc="A tool failed for good, and the agent answered as if it had not; the server calls the turn a success.",
        severity=Severity.ERROR,
        recommendation="Read the answer before trusting it; fix the tool or let the agent say that it failed.",
        find=tool_failed,
    ),
)

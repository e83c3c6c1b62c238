"""Issues of failure: tools that failed and were not retried successfully, in a turn that the server calls a success."""

from __future__ import annotations

from uderia_bench.reading.detectors.detector import Detector, Finding, Severity
from uderia_bench.reading.detectors.evidence import of_tool_call
from uderia_bench.reading.detectors.thresholds import Thresholds
from uderia_bench.trace import ToolCall, ToolStatus, Trace
from uderia_bench.trial import Outcome


def tool_failed(trace: Trace, _: Thresholds) -> tuple[Finding, ...]:
    """Find tools whose last call failed, in a trial that was answered nevertheless.

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
    """Return whether a later call made up for a failed one: the same item again, the same tool, or its correction."""
    if later.status is not ToolStatus.SUCCESS or later.phase != failed.phase:
        return False
    if failed.iteration is not None:
        return (later.name, later.arguments) == (failed.name, failed.arguments)
    return later.name == failed.name or later.attempt > 1


def _tries_again(later: ToolCall, failed: ToolCall) -> bool:
    """Return whether a later call retries a failed one; the last attempt decides."""
    return later.phase == failed.phase and later.attempt > failed.attempt


DETECTORS: tuple[Detector, ...] = (
    Detector(
        name="tool_failed_in_answer",
        doc="A tool failed and no retry succeeded, but the agent still answered and the server calls the turn a success.",
        severity=Severity.ERROR,
        recommendation="Read the answer before you trust it. Fix the tool, or make the agent report the failure.",
        find=tool_failed,
    ),
)

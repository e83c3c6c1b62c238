"""Issues of repetition: a call made again without need. Loops, per-day and per-column calls and useful retries are excluded."""

from __future__ import annotations

from collections.abc import Iterable

from uderia_bench.reading.detectors.detector import Detector, Finding, Severity, costing
from uderia_bench.reading.detectors.evidence import Evidence, of_tool_call, of_turn, quoted
from uderia_bench.reading.detectors.thresholds import Thresholds
from uderia_bench.reading.metrics.tools import redundant, repeated
from uderia_bench.trace import CallClass, SignalKind, ToolCall, ToolStatus, Trace

_CHOOSING = frozenset({CallClass.TACTICAL, CallClass.CORRECTION})
_METHOD = "for each call, the mean tokens of the LLM calls that chose calls in its phase"


def recursion(trace: Trace, thresholds: Thresholds) -> tuple[Finding, ...]:
    """Find many equal calls in one phase, retries with unchanged arguments, and repetitions that the server stopped."""
    findings = []
    for places in repeated(trace).values():
        if len(places) > thresholds.tool_repeats:
            said = f"called {len(places)} times with the same arguments"
            evidence = (_of(trace, places[0], said), *(_of(trace, place) for place in places[1:]))
            findings.append(_finding(trace, evidence, places[1:]))
    unchanged = _unchanged_retries(trace)
    if unchanged:
        evidence = tuple(_of(trace, place, "retried with the same arguments") for place in unchanged)
        findings.append(_finding(trace, evidence, unchanged))
    stops = [signal for signal in trace.signals if signal.kind is SignalKind.RECURSION_GUARD]
    if stops:
        evidence = tuple(of_turn(f"the server stopped it: {quoted(signal.said)}") for signal in stops)
        findings.append(Finding(evidence=evidence))
    return tuple(findings)


def _unchanged_retries(trace: Trace) -> list[int]:
    """Return the positions of retries that failed with the same arguments as an earlier failure in their phase."""
    failed: dict[tuple[int | None, str, str], bool] = {}
    unchanged = []
    for position, call in enumerate(trace.tool_calls):
        if call.status is ToolStatus.ERROR:
            key = (call.phase, call.name, call.arguments)
            if call.attempt > 1 and key in failed:
                unchanged.append(position)
            failed[key] = True
    return unchanged


def redundant_calls(trace: Trace, _: Thresholds) -> tuple[Finding, ...]:
    """Find successful calls whose result an earlier phase, or an earlier step of an agent, already had."""
    found = redundant(trace)
    if not found:
        return ()
    evidence = tuple(_of(trace, place, f"the same as tool_call {first + 1}") for place, first in found.items())
    return (_finding(trace, evidence, found),)


def _of(trace: Trace, position: int, remark: str = "") -> Evidence:
    return of_tool_call(position + 1, trace.tool_calls[position], remark)


def _finding(trace: Trace, evidence: tuple[Evidence, ...], positions: Iterable[int]) -> Finding:
    return costing(evidence, sum(_cost_of_choosing(trace, trace.tool_calls[position]) for position in positions), _METHOD)


def _cost_of_choosing(trace: Trace, call: ToolCall) -> float:
    """Return the mean tokens it took to choose one call: 0 where the plan or the dispatcher chose it."""
    if not call.llm_chosen:
        return 0.0
    chose = [
        llm.tokens for llm in trace.llm_calls if call.phase is None or (llm.phase == call.phase and llm.call_class in _CHOOSING)
    ]
    return sum(chose) / len(chose) if chose else 0.0


DETECTORS: tuple[Detector, ...] = (
    Detector(
        name="recursion",
        doc="Too many equal calls in one phase, a retry with unchanged arguments, or a repetition that the server stopped.",
        severity=Severity.ERROR,
        recommendation="Limit the tool's retries, show the error to the correction, and look for a plan that calls itself.",
        find=recursion,
    ),
    Detector(
        name="redundant_tool_calls",
        doc="A successful call with the same arguments in two phases, or in two steps of an agent.",
        severity=Severity.WARNING,
        recommendation="Pass on the earlier phase's result instead of calling the tool again.",
        find=redundant_calls,
    ),
)

"""Issues of overhead: tokens that did not go into the answer, and trials that are not comparable with others."""

from __future__ import annotations

from uderia_bench.printable import count_of
from uderia_bench.reading.detectors.detector import Detector, Finding, Severity, costing
from uderia_bench.reading.detectors.evidence import numbered_calls, numbered_tools, of_llm_call, of_tool_call, of_turn
from uderia_bench.reading.detectors.thresholds import Thresholds
from uderia_bench.reading.metrics.tokens import class_tokens, total_tokens, unattributed_tokens
from uderia_bench.trace import CallClass, ToolStatus, Trace

_CALLS_SHOWN = 3  # the largest ones


def self_correction(trace: Trace, thresholds: Thresholds) -> tuple[Finding, ...]:
    """Find turns in which the correction of failed calls used more than the threshold's share of the tokens."""
    total, spent = total_tokens(trace), class_tokens(trace, CallClass.CORRECTION)
    if not total or not spent or spent <= thresholds.correction_ratio * total:
        return ()
    calls = [of_llm_call(i, call) for i, call in numbered_calls(trace) if call.call_class is CallClass.CORRECTION]
    failed = [of_tool_call(i, call) for i, call in numbered_tools(trace) if call.status is ToolStatus.ERROR]
    said = of_turn(f"{spent:,} of {total:,} tokens ({spent / total:.0%}) went into correction")
    return (costing((said, *calls, *failed), spent, "the tokens of the correction calls"),)


def large_calls(trace: Trace, thresholds: Thresholds) -> tuple[Finding, ...]:
    """Find turns whose logged LLM calls are larger on average than the threshold (docs/reference/seed.md, "Issue detection").

    The mean is over the calls' own tokens. The turn's total also has the tokens of calls that are
    not logged.
    """
    sizes = {i: call.tokens for i, call in numbered_calls(trace)}
    mean = sum(sizes.values()) / len(sizes) if sizes else 0.0
    if mean <= thresholds.tokens_per_llm_call:
        return ()
    largest = sorted(sizes, key=lambda i: -sizes[i])[:_CALLS_SHOWN]
    said = of_turn(f"{mean:,.0f} tokens an LLM call over {count_of(len(sizes), 'call')}")
    lost = (mean - thresholds.tokens_per_llm_call) * len(sizes)
    evidence = (said, *(of_llm_call(i, trace.llm_calls[i - 1]) for i in largest))
    return (costing(evidence, lost, "tokens above the threshold, over all calls"),)


def unattributed(trace: Trace, thresholds: Thresholds) -> tuple[Finding, ...]:
    """Find turns whose calls do not add up to the turn's total."""
    total, rest = total_tokens(trace), unattributed_tokens(trace)
    if not total or rest is None or abs(rest) <= thresholds.unattributed_ratio * total:
        return ()
    said = f"the turn says {total:,} tokens, its calls {total - rest:,}: {abs(rest):,} {'missing' if rest > 0 else 'too many'}"
    return (costing([of_turn(said)], rest, "the turn's tokens that belong to no logged call"),)


def warm_repeat(trace: Trace, _: Thresholds) -> tuple[Finding, ...]:
    """Find trials that reused the plan of an earlier run: they are not independent repetitions.

    Source: docs/reference/measured.md, "Surprises", number 7.
    """
    return (
        (Finding(evidence=(of_turn("a stored case of an earlier run was retrieved before planning"),)),)
        if trace.rag_used
        else ()
    )


DETECTORS: tuple[Detector, ...] = (
    Detector(
        name="self_correction_overhead",
        doc="The correction of failed tool calls used more than the threshold's share of the turn's tokens.",
        severity=Severity.WARNING,
        recommendation="Find out why tool calls failed. Wrong arguments come from the plan, and errors from the tool.",
        find=self_correction,
    ),
    Detector(
        name="high_tokens_per_call",
        doc="The turn's LLM calls are larger on average than the threshold.",
        severity=Severity.WARNING,
        recommendation="Look at what fills the prompts (tool definitions, results, history) and shorten it.",
        find=large_calls,
    ),
    Detector(
        name="unattributed_tokens",
        doc="The tokens of the logged LLM calls differ from the turn's total by more than the threshold.",
        severity=Severity.WARNING,
        recommendation="Compare arms by the turn's totals, not by classes of calls. The server does not log parse retries, "
        "date phrases and re-ranking.",
        find=unattributed,
    ),
    Detector(
        name="warm_repeat",
        doc="The planner reused a case from an earlier run: the trial is warm.",
        severity=Severity.INFO,
        recommendation="Compare warm trials with warm trials, or stop the profile from learning new cases while you measure.",
        find=warm_repeat,
    ),
)

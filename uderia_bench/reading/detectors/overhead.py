"""Issues of overhead: where a turn's tokens went that did not go into its answer, and what makes trials incomparable."""

from __future__ import annotations

from uderia_bench.reading.detectors.detector import Detector, Finding, Severity
from uderia_bench.reading.detectors.evidence import numbered_calls, numbered_tools, of_llm_call, of_tool_call, of_turn
from uderia_bench.reading.detectors.thresholds import Thresholds
from uderia_bench.reading.metrics.tokens import class_tokens, total_tokens, unattributed_tokens
from uderia_bench.trace import CallClass, ToolStatus, Trace

_CALLS_SHOWN = 3  # the largest: they make the mean


def self_correction(trace: Trace, thresholds: Thresholds) -> tuple[Finding, ...]:
    """Find turns in which correcting failed calls took more than its share of the tokens."""
    total, spent = total_tokens(trace), class_tokens(trace, CallClass.CORRECTION)
    if not total or not spent or spent <= thresholds.correction_ratio * total:
        return ()
    calls = [of_llm_call(i, call) for i, call in numbered_calls(trace) if call.call_class is CallClass.CORRECTION]
    failed = [of_tool_call(i, call) for i, call in numbered_tools(trace) if call.status is ToolStatus.ERROR]
    said = of_turn(f"{spent:,} of {total:,} tokens ({spent / total:.0%}) went into correction")
    return (Finding(evidence=(said, *calls, *failed), tokens_lost=spent, method="the tokens of the correction calls"),)


def large_calls(trace: Trace, thresholds: Thresholds) -> tuple[Finding, ...]:
    """Find turns whose logged LLM calls are larger on average than the threshold (docs/reference/seed.md, "Issue detection").

    The calls' own tokens, not the turn's: those of a call that is logged nowhere would make the others look larger.
    """
    sizes = {i: call.input_tokens + call.output_tokens for i, call in numbered_calls(trace)}
    mean = sum(sizes.values()) / len(sizes) if sizes else 0.0
    if mean <= thresholds.tokens_per_llm_call:
        return ()
    largest = sorted(sizes, key=lambda i: -sizes[i])[:_CALLS_SHOWN]
    said = of_turn(f"{mean:,.0f} tokens an LLM call over {len(sizes)} calls")
    lost = round((mean - thresholds.tokens_per_llm_call) * len(sizes))
    evidence = (said, *(of_llm_call(i, trace.llm_calls[i - 1]) for i in largest))
    return (Finding(evidence=evidence, tokens_lost=lost, method="tokens above the threshold, over all calls"),)


def unattributed(trace: Trace, thresholds: Thresholds) -> tuple[Finding, ...]:
    """Find turns whose calls do not add up to what the turn says it spent."""
    total, rest = total_tokens(trace), unattributed_tokens(trace)
    if not total or rest is None or abs(rest) <= thresholds.unattributed_ratio * total:
        return ()
    said = f"the turn says {total:,} tokens, its calls {total - rest:,}: {abs(rest):,} {'missing' if rest > 0 else 'too many'}"
    return (
        Finding(
            evidence=(of_turn(said),),
            tokens_lost=rest if rest > 0 else None,
            method="the turn's tokens that no logged call accounts for" if rest > 0 else None,
        ),
    )


def warm_repeat(trace: Trace, _: Thresholds) -> tuple[Finding, ...]:
    """Find trials that reused the plan of an earlier run: they are no independent repetitions.

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
        doc="Correcting failed tool calls took more than its share of the turn's tokens.",
        severity=Severity.WARNING,
        recommendation="Look at why the calls failed: wrong arguments come from the plan, errors from the tool.",
        find=self_correction,
    ),
    Detector(
        name="high_tokens_per_call",
        doc="The turn's LLM calls are larger on average than the threshold.",
        severity=Severity.WARNING,
        recommendation="See what fills the prompts (tool definitions, results, history) and distil it.",
        find=large_calls,
    ),
    Detector(
        name="unattributed_tokens",
        doc="The logged LLM calls do not add up to the turn: more than the margin is missing or too many.",
        severity=Severity.WARNING,
        recommendation="Compare arms on the turn's totals, not on classes of calls: parse retries, date phrases and re-ranking "
        "are logged nowhere.",
        find=unattributed,
    ),
    Detector(
        name="warm_repeat",
        doc="The planner reused a case it had learnt from an earlier run: the trial is warm.",
        severity=Severity.INFO,
        recommendation="Compare warm with warm, or keep new cases out of the profile's collections while measuring.",
        find=warm_repeat,
    ),
)

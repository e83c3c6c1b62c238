"""Issues of format: text of an LLM that the server could not parse (docs/reference/seed.md, "Format signals")."""

from __future__ import annotations

from uderia_bench.reading.detectors import wordings
from uderia_bench.reading.detectors.detector import Detector, Finding, Severity, costing
from uderia_bench.reading.detectors.evidence import of_turn, quoted
from uderia_bench.reading.detectors.thresholds import Thresholds
from uderia_bench.reading.metrics.tokens import total_tokens, unattributed_tokens
from uderia_bench.trace import SignalKind, Trace


def inappropriate(trace: Trace, thresholds: Thresholds) -> tuple[Finding, ...]:
    """Find replies of an LLM that the server repaired or rejected.

    The signals are: a JSON repair, a plan that was not JSON, an action without a tool name, an
    error about an invalid plan or action, and tokens outside of any logged call. The last signal
    alone is only a hint: a parse retry is not logged.
    """
    if trace.plan is None:
        return ()
    repairs = [signal for signal in trace.signals if signal.kind is SignalKind.FORMAT_REPAIR]
    refused = trace.outcome_detail if wordings.UNREADABLE.search(trace.outcome_detail or "") else None
    lost, total = unattributed_tokens(trace) or 0, total_tokens(trace) or 0
    silent = lost > thresholds.unattributed_ratio * total
    if not repairs and refused is None and not silent:
        return ()
    evidence = [of_turn(f"the server repaired: {quoted(signal.said)}") for signal in repairs]
    if refused is not None:
        evidence.append(of_turn(f"the planner gave up: {quoted(refused)}"))
    if lost > 0:
        evidence.append(of_turn(f"{lost:,} of {total:,} tokens belong to no logged call, as those of a parse retry do"))
    severity = None if repairs or refused else Severity.INFO
    return (costing(evidence, lost, "the turn's tokens that belong to no logged call", severity=severity),)


DETECTORS: tuple[Detector, ...] = (
    Detector(
        name="inappropriate_format",
        doc="The server could not parse an LLM's plan, action or arguments, and repaired, retried or rejected them.",
        severity=Severity.WARNING,
        recommendation="State the format in the prompt, use the provider's structured output, or another model.",
        find=inappropriate,
    ),
)

"""Issues of format: what an LLM wrote could not be read as it was (docs/reference/seed.md, "Format signals")."""

from __future__ import annotations

from uderia_bench.reading.detectors import wordings
from uderia_bench.reading.detectors.detector import Detector, Finding, Severity
from uderia_bench.reading.detectors.evidence import of_turn, quoted
from uderia_bench.reading.detectors.thresholds import Thresholds
from uderia_bench.reading.metrics.tokens import total_tokens, unattributed_tokens
from uderia_bench.trace import SignalKind, Trace


def inappropriate(trace: Trace, thresholds: Thresholds) -> tuple[Finding, ...]:
    """Find repairs and refusals of what an LLM wrote.

    The signals: a JSON repair, a plan that was no JSON, an action without its tool's name, an error that no valid plan or
    action came, and tokens that no logged call accounts for (a parse retry is logged nowhere). The last alone is a hint.
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
        evidence.append(of_turn(f"{lost:,} of {total:,} tokens are in no logged call, as those of a parse retry"))
    return (
        Finding(
            evidence=tuple(evidence),
            tokens_lost=lost if lost > 0 else None,
            method="the turn's tokens that no logged call accounts for" if lost > 0 else None,
            severity=None if repairs or refused else Severity.INFO,
        ),
    )


DETECTORS: tuple[Detector, ...] = (
    Detector(
        name="inappropriate_format",
        doc="An LLM's plan, action or arguments could not be read as they were: repaired, retried or refused.",
        severity=Severity.WARNING,
        recommendation="State the format in the prompt and use the provider's structured output, or a model that keeps to it.",
        find=inappropriate,
    ),
)

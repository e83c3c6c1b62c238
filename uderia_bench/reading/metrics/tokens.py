"""Token metrics: the turn's totals, session naming excluded, and their parts by class of LLM call.

The classes and the unattributed tokens add up to the total. A call that the server does not log,
such as a parse retry, is unattributed.
"""

from __future__ import annotations

from functools import partial

from uderia_bench.reading.metrics.latency import latency_s
from uderia_bench.reading.metrics.metric import CALL_COUNT, OVERHEAD, PURPOSE, Across, Assumption, Direction, Metric, if_planned
from uderia_bench.trace import CallClass, Trace

_tokens = partial(Metric, family="tokens", unit="tokens", kind=int, direction=Direction.LOWER, assumption=Assumption.POSITIVE)
_part = partial(_tokens, assumption=Assumption.AMOUNT, across=Across.SHOWN, across_reason=OVERHEAD)


def total_tokens(trace: Trace) -> int | None:
    """Return input and output tokens together."""
    spent = trace.tokens
    return None if spent.input is None or spent.output is None else spent.input + spent.output


def naming_tokens(trace: Trace) -> int | None:
    """Return the tokens of session naming, 0 without naming."""
    spent = trace.tokens
    return None if spent.naming_input is None or spent.naming_output is None else spent.naming_input + spent.naming_output


def class_tokens(trace: Trace, call_class: CallClass) -> int | None:
    """Return the tokens of the calls of one class; None where the turn's total is unknown."""
    if total_tokens(trace) is None:
        return None
    return sum(call.tokens for call in trace.llm_calls if call.call_class is call_class)


def unattributed_tokens(trace: Trace) -> int | None:
    """Return the total minus all logged calls; negative where the calls add up to more than the total."""
    total = total_tokens(trace)
    return None if total is None else total - sum(call.tokens for call in trace.llm_calls)


def tokens_per_llm_call(trace: Trace) -> float | None:
    """Return total tokens / LLM calls (docs/reference/seed.md, "Metrics for optimization")."""
    total = total_tokens(trace)
    return total / len(trace.llm_calls) if total is not None and trace.llm_calls else None


def ms_per_token(trace: Trace) -> float | None:
    """Return latency in milliseconds / total tokens (docs/reference/seed.md, "Metrics for optimization")."""
    total, latency = total_tokens(trace), latency_s(trace)
    return 1000 * latency / total if total and latency is not None else None


def token_share(trace: Trace, call_class: CallClass) -> float | None:
    """Return the tokens of one class / total tokens (docs/reference/seed.md, "Metrics for optimization")."""
    total, spent = total_tokens(trace), class_tokens(trace, call_class)
    return spent / total if total and spent is not None else None


def _of_class(call_class: CallClass) -> Metric:
    return _part(
        name=f"{call_class.value}_tokens",
        doc=f"Tokens of {PURPOSE[call_class]}.",
        read=lambda trace: class_tokens(trace, call_class),
    )


METRICS: tuple[Metric, ...] = (
    _tokens(
        name="input_tokens", doc="Input tokens of the turn, session naming excluded.", read=lambda trace: trace.tokens.input
    ),
    _tokens(
        name="output_tokens", doc="Output tokens of the turn, session naming excluded.", read=lambda trace: trace.tokens.output
    ),
    _tokens(name="total_tokens", doc="Input and output tokens of the turn, session naming excluded.", read=total_tokens),
    _tokens(
        name="naming_tokens",
        doc="Tokens of session naming, which the server adds to a first turn. No other token metric includes them.",
        direction=Direction.NEUTRAL,
        assumption=Assumption.AMOUNT,
        read=naming_tokens,
    ),
    *(_of_class(call_class) for call_class in CallClass),
    _part(
        name="unattributed_tokens",
        doc="Total tokens minus those of the logged calls, such as parse retries; negative where the calls add up to more.",
        read=unattributed_tokens,
    ),
    _tokens(
        name="tokens_per_llm_call",
        doc="Total tokens / LLM calls.",
        kind=float,
        read=tokens_per_llm_call,
        across=Across.SHOWN,
        across_reason=CALL_COUNT,
    ),
    _tokens(name="ms_per_token", doc="Latency / total tokens, in milliseconds.", unit="ms", kind=float, read=ms_per_token),
    _part(
        name="overhead_ratio",
        doc="Strategic planning tokens / total tokens; None for profile types without a plan.",
        unit="1",
        kind=float,
        assumption=Assumption.RATE,
        read=if_planned(lambda trace: token_share(trace, CallClass.STRATEGIC)),
    ),
)

"""``max_tokens``: the turn cost no more tokens than this."""

from __future__ import annotations

from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged


def _judge(answer: Answer, value: int) -> Judged:
    tokens = answer.trace.tokens
    if tokens.input is None or tokens.output is None:
        return Judged(passed=None, found="the tokens are not known")
    total = tokens.input + tokens.output
    return Judged(passed=total <= value, found=f"{total:,} tokens")


MAX_TOKENS = ExpectationKind(
    name="max_tokens",
    doc="The turn took at most this many tokens in and out, session naming excluded.",
    judge=_judge,
)

"""Cost of a judge's calls."""

from __future__ import annotations

from uderia_bench.documents.experiment_parts import Judge

_TOKENS_PRICED = 1_000_000  # tokens per price


def dollars(judge: Judge, tokens: tuple[int, int]) -> float:
    """Return the cost in US dollars of tokens in and out; 0 for a judge without a price."""
    if judge.price is None:
        return 0.0
    return (tokens[0] * judge.price.input_cost_per_million + tokens[1] * judge.price.output_cost_per_million) / _TOKENS_PRICED

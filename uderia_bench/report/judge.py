"""What a report says of the judge of a run: how often it was asked, its spread and its cost."""

from __future__ import annotations

import polars as pl

from uderia_bench.documents.experiment_parts import Judge
from uderia_bench.reading import expected as expectations
from uderia_bench.reading.expectations.check import UNANSWERED
from uderia_bench.reading.judge import scores
from uderia_bench.reading.judge.asks import quality

TOKENS_PRICED = 1_000_000  # a price is for this many


def told(judge: Judge | None, kept: scores.Kept, judged: pl.DataFrame | None) -> tuple[str, ...]:
    """Say what the judge did and how far it can be trusted, for a report; ``judged`` is the run's checks."""
    if judge is None:
        return ()
    found = quality(kept.scores.values())
    spent = f"{found.input_tokens:,} tokens in, {found.output_tokens:,} out"
    if judge.price is not None:
        cost = (
            found.input_tokens * judge.price.input_cost_per_million + found.output_tokens * judge.price.output_cost_per_million
        )
        spent += f", ${cost / TOKENS_PRICED:.4f}"
    lines = [f"{judge.model} scored {found.cases} answers in {found.calls} calls: {spent}, in no arm's cost"]
    if found.apart is not None:
        lines.append(f"two of its scores of one answer differ by {found.apart:.2f} of 1 in the mean")
    if found.swap_bias is not None:
        lines.append(f"swap bias: {found.swap_bias:+.2f} where the scale is turned round")
    if judged is not None:
        asked = judged.filter((pl.col("kind") == expectations.JUDGED) & ~pl.col("found").str.starts_with(UNANSWERED))
        if unscored := asked["passed"].null_count():
            why = f" ({kept.trouble})" if kept.trouble else ""
            lines.append(f"not judged: {unscored} of {asked.height} answers{why}; uderia-bench resume asks again")
    return tuple(lines)

"""The judge of answers in a report: number of calls, consistency and cost."""

from __future__ import annotations

import polars as pl

from uderia_bench.documents.experiment_parts import Judge
from uderia_bench.reading import expected as expectations
from uderia_bench.reading.expectations.check import UNANSWERED
from uderia_bench.reading.judge import scores
from uderia_bench.reading.judge.asks import quality

TOKENS_PRICED = 1_000_000  # tokens per price


def told(judge: Judge | None, kept: scores.Kept, judged: pl.DataFrame | None) -> tuple[str, ...]:
    """Return what the judge did and how consistent it was; () for a run without a judge.

    ``judged`` is the table of the run's checks.
    """
    if judge is None:
        return ()
    found = quality(kept.scores.values())
    spent = f"{found.input_tokens:,} tokens in, {found.output_tokens:,} out"
    if judge.price is not None:
        cost = (
            found.input_tokens * judge.price.input_cost_per_million + found.output_tokens * judge.price.output_cost_per_million
        )
        spent += f", ${cost / TOKENS_PRICED:.4f}"
    lines = [f"{judge.model} scored {found.cases} answers in {found.calls} calls: {spent}. This is not part of any arm's cost"]
    if found.apart is not None:
        lines.append(f"Two scores of the same answer differ by {found.apart:.2f} on average, on a scale of 0 to 1")
    if found.swap_bias is not None:
        lines.append(f"Swap bias: scores change by {found.swap_bias:+.2f} when the scale is reversed")
    if judged is not None:
        asked = judged.filter((pl.col("kind") == expectations.JUDGED) & ~pl.col("found").str.starts_with(UNANSWERED))
        if unscored := asked["passed"].null_count():
            why = f" ({kept.trouble})" if kept.trouble else ""
            lines.append(f"Not judged: {unscored} of {asked.height} answers{why}. 'uderia-bench resume' asks the judge again")
    return tuple(lines)

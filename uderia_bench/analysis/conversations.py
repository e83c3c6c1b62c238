"""Growth of the input from the first turn of a conversation to the later turns."""

from __future__ import annotations

import polars as pl

from uderia_bench.trial import Outcome, Stage

_NEEDED = {"query_id", "arm", "repeat", "turn", "stage", "outcome", "input_tokens"}


def carry_over(trials: pl.DataFrame) -> tuple[str, ...]:
    """Return a line for each arm: how many more input tokens each later turn takes than the first one.

    Each turn is compared within its conversation, so that short and long ones do not mix. The number includes what the
    turn itself asks for. ``trials`` is a run's table. Empty without conversations.
    """
    if not set(trials.columns) >= _NEEDED:
        return ()
    answered = trials.filter(
        (pl.col("stage") == Stage.MEASURED.value)
        & (pl.col("outcome") == Outcome.ANSWERED.value)
        & pl.col("input_tokens").is_not_null()
    )
    key = ["query_id", "arm", "repeat"]
    first = answered.filter(pl.col("turn") == 1).select(*key, first="input_tokens")
    later = answered.filter(pl.col("turn") > 1).join(first, on=key)
    grown = (
        later.group_by("arm", "turn")
        .agg((pl.col("input_tokens") - pl.col("first")).mean().alias("more"), pl.len().alias("of"))
        .sort("arm", "turn")
    )
    return tuple(
        f"{arm}: input tokens over the first turn: "
        + ", ".join(
            f"{more:+,.0f} in turn {turn} (mean of {of})" for turn, more, of in rows.select("turn", "more", "of").rows()
        )
        for (arm,), rows in grown.group_by("arm", maintain_order=True)
    )

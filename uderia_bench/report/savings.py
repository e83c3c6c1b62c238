"""Issues that cost tokens on an arm, ranked by the tokens they could save, with trials to look at.

The tokens are the detectors' estimates. Two kinds may count the same tokens, because a retry is
also a correction. So the savings have an order but cannot be added.
"""

from __future__ import annotations

import polars as pl

from uderia_bench.report.content import Saving
from uderia_bench.trial import Stage

_EXAMPLES = 3  # costliest trials named
_QUERIES = 3


def savings(issues: pl.DataFrame, trials: pl.DataFrame) -> tuple[Saving, ...]:
    """Return the savings by arm and kind of issue, the largest share of an arm's tokens first."""
    measured = trials.filter(pl.col("stage") == Stage.MEASURED)
    spent = dict(measured.group_by("arm").agg(pl.col("total_tokens").sum()).iter_rows())
    costly = issues.filter((pl.col("stage") == Stage.MEASURED) & (pl.col("tokens_lost") > 0))
    found = [
        _saving(str(arm), str(kind), rows.sort("tokens_lost", "trial_id", descending=[True, False]), int(spent.get(arm) or 0))
        for (arm, kind), rows in costly.group_by("arm", "kind")
    ]
    return tuple(sorted(found, key=lambda saving: (-(saving.share or 0.0), -saving.tokens, saving.arm, saving.kind)))


def _saving(arm: str, kind: str, rows: pl.DataFrame, spent: int) -> Saving:
    tokens = int(rows["tokens_lost"].sum())
    of_query = (
        rows.group_by("query_id").agg(pl.col("tokens_lost").sum()).sort("tokens_lost", "query_id", descending=[True, False])
    )
    return Saving(
        arm=arm,
        kind=kind,
        tokens=tokens,
        share=tokens / spent if spent else None,
        count=rows["trial_id"].n_unique(),
        queries=tuple(of_query["query_id"].head(_QUERIES)),
        examples=tuple(rows["trial_id"].unique(maintain_order=True).head(_EXAMPLES)),
        recommendation=str(rows["recommendation"][0]),
        method=rows["method"][0],
    )

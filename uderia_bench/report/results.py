"""Results of each query on each arm: answers, checks and time."""

from __future__ import annotations

from typing import Any

import polars as pl

from uderia_bench.printable import count_of
from uderia_bench.report.content import QueryResult
from uderia_bench.trial import Outcome, Stage

_KEY = ("query_id", "turn", "arm")
_LATENCY = "latency_s"


def results(trials: pl.DataFrame, checks: pl.DataFrame | None) -> tuple[QueryResult, ...]:
    """Return one result per query, turn and arm of the measured trials, in the order of the plan.

    ``checks`` is the run's table, None where it has none. A failed check is counted once for all
    repeats, the most frequent first.
    """
    measured = trials.filter(pl.col("stage") == Stage.MEASURED.value)
    for name, kind in (("turn", pl.Int64), ("seq", pl.Int64), (_LATENCY, pl.Float64), ("complexity", pl.String)):
        if name not in measured.columns:
            measured = measured.with_columns(pl.lit(1 if name == "turn" else None, kind).alias(name))
    answered = pl.col("outcome") == Outcome.ANSWERED.value
    found = (
        measured.sort("seq", maintain_order=True)
        .group_by(*_KEY, maintain_order=True)
        .agg(
            pl.col("complexity").first(),
            pl.len().alias("trials"),
            answered.sum().alias("answered"),
            pl.col(_LATENCY).filter(answered).mean().alias("seconds"),
            pl.col("outcome").filter(~answered).mode().sort().first().alias("otherwise"),
        )
    )
    passed, failed = _checks(checks)
    results = []
    for row in found.rename({"query_id": "query"}).iter_rows(named=True):
        key = row["query"], row["turn"], row["arm"]
        count, of = passed.get(key, (0, 0))
        results.append(QueryResult(**row, checks=of, passed=count, failed=failed.get(key, ())))
    return tuple(results)


_Key = tuple[Any, ...]


def _checks(checks: pl.DataFrame | None) -> tuple[dict[_Key, tuple[int, int]], dict[_Key, tuple[str, ...]]]:
    """Return how many checks passed out of all, and what failed, by query, turn and arm."""
    if checks is None:
        return {}, {}
    known = checks.filter((pl.col("stage") == Stage.MEASURED.value) & pl.col("passed").is_not_null())
    counts = known.group_by(*_KEY).agg(pl.col("passed").sum(), pl.len().alias("of"))
    passed = {(query, turn, arm): (count, of) for query, turn, arm, count, of in counts.iter_rows()}
    per_check = known.group_by(*_KEY, "place", "kind", "expected").agg(
        (~pl.col("passed")).sum().alias("failed"), pl.len().alias("of"), pl.col("found").filter(~pl.col("passed")).first()
    )
    failed: dict[_Key, tuple[str, ...]] = {}
    worst_first = per_check.filter(pl.col("failed") > 0).sort("failed", "place", descending=[True, False])
    for row in worst_first.iter_rows(named=True):
        key = tuple(row[name] for name in _KEY)
        said = f"{row['kind']} {row['expected']}, found: {row['found']} ({row['failed']} of {count_of(row['of'], 'answer')})"
        failed[key] = (*failed.get(key, ()), said)
    return passed, failed

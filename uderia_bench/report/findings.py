"""What a report says of failed checks and of answers that disagree."""

from __future__ import annotations

from typing import Any

import polars as pl

from uderia_bench.reading.detectors import Severity
from uderia_bench.reading.tables import agreement
from uderia_bench.report.content import IssueSummary
from uderia_bench.trial import Stage

FAILED = "check_failed"
"""The finding that an answer did not meet an expectation."""


_CHECKS_QUOTED = 8  # failed checks that a report quotes; all are in checks/*.parquet


def failed_checks(checks: pl.DataFrame) -> tuple[IssueSummary, ...]:
    """Return the finding that checks failed, with quotes: first what another arm passes, then what fails most often.

    ``checks`` is a run's table of ``SCHEMA``; its share is of the measured trials that were judged.
    """
    judged = checks.filter((pl.col("stage") == Stage.MEASURED.value) & pl.col("passed").is_not_null())
    failed = judged.filter(~pl.col("passed"))
    if failed.is_empty():
        return ()
    by_arm = judged.group_by("query_id", "turn", "place", "kind", "expected", "arm").agg(
        pl.col("passed").mean().alias("rate"),
        pl.len().alias("of"),
        (~pl.col("passed")).sum().alias("failed"),
        pl.col("found", "trial_id").filter(~pl.col("passed")).first(),
    )
    gap = pl.col("rate").max().over("query_id", "turn", "place") - pl.col("rate")
    worst = (
        by_arm.with_columns(gap.alias("gap"))
        .filter(pl.col("failed") > 0)
        .sort("gap", "failed", "query_id", "place", "arm", descending=[True, True, False, False, False])
        .head(_CHECKS_QUOTED)
    )
    quotes = tuple(_quoted(row) for row in worst.iter_rows(named=True))
    count, total = failed["trial_id"].n_unique(), judged["trial_id"].n_unique()
    return (
        IssueSummary(
            kind=FAILED,
            severity=Severity.WARNING,
            count=count,
            share=count / total,
            recommendation="Read the answers: an arm that is quick and wrong is no winner. All checks are in checks/*.parquet.",
            evidence=quotes,
            seen=quotes[0],
            trial=worst["trial_id"][0],
        ),
    )


def _quoted(row: dict[str, Any]) -> str:
    turn = f", turn {row['turn']}" if row["turn"] > 1 else ""
    often = f"{row['failed']} of {row['of']}"
    return f"{row['query_id']}{turn} on {row['arm']}, {often}: {row['kind']} {row['expected']}, found: {row['found']}"


ENOUGH = 0.8
"""Agreement below which repeats are said to disagree: of five facts, one that differs leaves 0.67, one more 0.83."""


_QUOTED = 5  # findings with their facts in a report


_FACTS_QUOTED = 6


def disagreements(answers: pl.DataFrame) -> tuple[IssueSummary, ...]:
    """Return the finding that repeats of a query disagree on an arm, with what they disagree on, the worst first."""
    by_arm = (
        agreement.measured(answers)
        .join(answers.select("trial_id", "facts"), on="trial_id")
        .drop_nulls("within")
        .sort("trial_id")
        .group_by(*("query_id", "turn"), "arm")
        .agg(pl.col("within").mean(), pl.len().alias("trials"), pl.col("facts"), pl.col("trial_id").first())
    )
    apart = by_arm.filter(pl.col("within") < ENOUGH).sort("within", *("query_id", "turn"), "arm")
    if apart.is_empty():
        return ()
    said = tuple(_differing(row) for row in apart.head(_QUOTED).iter_rows(named=True))
    count, comparable = int(apart["trials"].sum()), int(by_arm["trials"].sum())
    return (
        IssueSummary(
            kind="answers_disagree",
            severity=Severity.WARNING,
            count=count,
            share=count / comparable,
            recommendation="Read two of the answers side by side: asked the same twice, the agent did not say the same.",
            evidence=said,
            seen=said[0],
            trial=apart["trial_id"][0],
        ),
    )


def _differing(row: dict[str, Any]) -> str:
    answers = [set(stated) for stated in row["facts"]]
    differing = sorted(set.union(*answers) - set.intersection(*answers))
    shown = ", ".join(differing[:_FACTS_QUOTED]) + (", …" if len(differing) > _FACTS_QUOTED else "")
    return f"{row['query_id']} on {row['arm']}: {row['within']:.0%} agreement; not in all {len(answers)} answers: {shown}"

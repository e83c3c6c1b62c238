"""Failed checks and disagreeing answers, as issues of a report."""

from __future__ import annotations

from typing import Any

import polars as pl

from uderia_bench.reading.detectors import Severity
from uderia_bench.reading.tables import agreement
from uderia_bench.report.content import IssueSummary
from uderia_bench.trial import Stage

FAILED = "check_failed"
"""The issue that an answer did not meet an expectation."""

_CHECKS_QUOTED = 8  # failed checks quoted in a report; checks/*.parquet has all


def failed_checks(checks: pl.DataFrame) -> tuple[IssueSummary, ...]:
    """Return the issue that checks failed, with quotations.

    Checks that another arm passes come first, then those that fail most often. ``checks`` is the
    table of a run. The share is of the measured trials that have a check.
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
    advice = "Read the answers that failed. checks/*.parquet has every check."
    counts = failed["trial_id"].n_unique(), judged["trial_id"].n_unique()
    return _found(FAILED, advice, counts, quotes, worst["trial_id"][0], _worst_arm(failed["arm"], judged["arm"]))


def _found(
    kind: str, advice: str, counts: tuple[int, int], said: tuple[str, ...], trial: str, worst: tuple[str, float]
) -> tuple[IssueSummary]:
    """Return a warning about answers. ``counts`` are the trials in which it occurs and those in which it could."""
    summary = IssueSummary(
        kind=kind,
        severity=Severity.WARNING,
        count=counts[0],
        share=counts[0] / counts[1],
        recommendation=advice,
        evidence=said,
        seen=said[0],
        trial=trial,
        worst=worst,
    )
    return (summary,)


def _worst_arm(found: pl.Series, of: pl.Series) -> tuple[str, float]:
    """Return the arm with the largest share of its rows ``found``, and the share."""
    total = dict(of.value_counts().iter_rows())
    return max(((str(arm), count / total[arm]) for arm, count in found.value_counts().iter_rows()), key=lambda each: each[1])


def _quoted(row: dict[str, Any]) -> str:
    turn = f", turn {row['turn']}" if row["turn"] > 1 else ""
    often = f"{row['failed']} of {row['of']}"
    return f"{row['query_id']}{turn} on {row['arm']}, {often}: {row['kind']} {row['expected']}, found: {row['found']}"


ENOUGH = 0.8
"""Agreement below which repeats disagree. With five facts, one different fact gives 0.67 and one extra fact 0.83."""

_QUOTED = 5  # queries quoted in a report
_FACTS_QUOTED = 6


def disagreements(answers: pl.DataFrame) -> tuple[IssueSummary, ...]:
    """Return the issue that repeats of a query give different answers, the lowest agreement first."""
    by_arm = (
        agreement.measured(answers)
        .join(answers.select("trial_id", "facts"), on="trial_id")
        .drop_nulls("within")
        .sort("trial_id")
        .group_by("query_id", "turn", "arm")
        .agg(pl.col("within").mean(), pl.len().alias("trials"), pl.col("facts"), pl.col("trial_id").first())
    )
    apart = by_arm.filter(pl.col("within") < ENOUGH).sort("within", "query_id", "turn", "arm")
    if apart.is_empty():
        return ()
    said = tuple(_differing(row) for row in apart.head(_QUOTED).iter_rows(named=True))
    advice = "Compare two of these answers: the same question got different facts."
    counts = int(apart["trials"].sum()), int(by_arm["trials"].sum())
    arms = (each.select(pl.col("arm").repeat_by("trials").explode())["arm"] for each in (apart, by_arm))
    return _found("answers_disagree", advice, counts, said, apart["trial_id"][0], _worst_arm(*arms))


def _differing(row: dict[str, Any]) -> str:
    answers = [set(stated) for stated in row["facts"]]
    differing = sorted(set.union(*answers) - set.intersection(*answers))
    shown = ", ".join(differing[:_FACTS_QUOTED]) + (", …" if len(differing) > _FACTS_QUOTED else "")
    agreement_shown = f"{row['within']:.0%} agreement over {len(answers)} answers"
    return f"{row['query_id']} on {row['arm']}: {agreement_shown}, which differ in: {shown}"

"""Whether answers agree with each other where nobody knows the right one: the same query across repeats and arms. Pure.

Compared are the facts two answers state (numbers, names of things), by the share of all facts that both have (Jaccard). It
says nothing of right and wrong: answers may agree and all be wrong, or differ in what they find worth telling.
"""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa

from uderia_bench import identity
from uderia_bench.detectors import Severity
from uderia_bench.expectations import plain_text
from uderia_bench.expectations.facts import facts
from uderia_bench.report.content import IssueSummary
from uderia_bench.trace import Trace
from uderia_bench.trial import Outcome, Stage, Trial

SCHEMA = pa.schema([*identity.COLUMNS, ("facts", pa.list_(pa.string()))], metadata={"schema": "uderia-bench/answers/1"})

ENOUGH = 0.8
"""Agreement below which repeats are said to disagree: of five facts, one that differs leaves 0.67, one more 0.83."""

MOST_COMPARED = 50
"""Answers of one query on one arm that are compared with each other; the work grows with their square."""

_QUOTED = 5  # findings with their facts in a report
_FACTS_QUOTED = 6
_ASKED = ("query_id", "turn")


def rows(run_id: str, trial: Trial, trace: Trace) -> list[dict[str, Any]]:
    """Return what a measured, answered trial states, as a row of ``SCHEMA``; none for any other."""
    if trial.stage is not Stage.MEASURED or trace.outcome is not Outcome.ANSWERED:
        return []
    return [{**identity.of(run_id, trial), "facts": sorted(facts(plain_text(trace.answer)))}]


def measured(answers: pl.DataFrame) -> pl.DataFrame:
    """Return each answer's mean agreement with its query's other answers: ``within`` its arm and ``across`` arms.

    Null where there is no other answer, or none of them states a fact. ``answers`` is a run's table of ``SCHEMA``.
    """
    stated = (
        answers.filter(pl.col("facts").list.len() > 0)
        .with_columns(pl.col("facts").list.len().alias("count"))
        .filter(pl.int_range(pl.len()).over(*_ASKED, "arm") < MOST_COMPARED)
    )
    one = stated.select(*_ASKED, "trial_id", "arm", "count")
    pairs = one.join(one, on=_ASKED, suffix="_other").filter(pl.col("trial_id") != pl.col("trial_id_other"))
    single = stated.select(*_ASKED, "trial_id", fact="facts").explode("fact")
    common = (
        single.join(single, on=[*_ASKED, "fact"], suffix="_other")
        .group_by("trial_id", "trial_id_other")
        .agg(pl.len().alias("common"))
    )
    compared = pairs.join(common, on=["trial_id", "trial_id_other"], how="left").with_columns(pl.col("common").fill_null(0))
    compared = compared.with_columns(
        (pl.col("common") / (pl.col("count") + pl.col("count_other") - pl.col("common"))).alias("agreement"),
        (pl.col("arm") == pl.col("arm_other")).alias("same_arm"),
    )
    means = compared.group_by("trial_id").agg(
        pl.col("agreement").filter(pl.col("same_arm")).mean().alias("within"),
        pl.col("agreement").filter(~pl.col("same_arm")).mean().alias("across"),
    )
    return answers.select(name for name, _ in identity.COLUMNS).join(means, on="trial_id", how="left", maintain_order="left")


def summary(answers: pl.DataFrame) -> tuple[IssueSummary, ...]:
    """Return the finding that repeats of a query disagree on an arm, with what they disagree on, the worst first."""
    by_arm = (
        measured(answers)
        .join(answers.select("trial_id", "facts"), on="trial_id")
        .drop_nulls("within")
        .sort("trial_id")
        .group_by(*_ASKED, "arm")
        .agg(pl.col("within").mean(), pl.len().alias("trials"), pl.col("facts"), pl.col("trial_id").first())
    )
    apart = by_arm.filter(pl.col("within") < ENOUGH).sort("within", *_ASKED, "arm")
    if apart.is_empty():
        return ()
    said = tuple(_said(row) for row in apart.head(_QUOTED).iter_rows(named=True))
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


def _said(row: dict[str, Any]) -> str:
    answers = [set(stated) for stated in row["facts"]]
    differing = sorted(set.union(*answers) - set.intersection(*answers))
    shown = ", ".join(differing[:_FACTS_QUOTED]) + (", …" if len(differing) > _FACTS_QUOTED else "")
    return f"{row['query_id']} on {row['arm']}: {row['within']:.0%} agreement; not in all {len(answers)} answers: {shown}"

"""Table of the facts in each answer, and how far the answers to one query agree across repeats and arms.

Two answers are compared by the share of their facts (numbers and names) that both have (Jaccard
index). Agreement is not correctness: answers may agree and all be wrong, or differ only in what
they choose to mention.
"""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa

from uderia_bench.reading.expectations import plain_text
from uderia_bench.reading.expectations.facts import facts
from uderia_bench.reading.tables import identity
from uderia_bench.reading.tables.columns import TEXT, TEXTS, column
from uderia_bench.trace import Trace
from uderia_bench.trial import Outcome, Stage, Trial

SCHEMA = pa.schema(
    [
        *identity.COLUMNS,
        column("facts", TEXTS, "Numbers and names that the answer states, sorted."),
        column("answer", TEXT, "The answer as plain text; null with `keep_answers: false`."),
    ],
    metadata={"schema": "uderia-bench/answers/1"},
)


_QUERIES_AT_ONCE = 20  # compared pair by pair in memory
MOST_COMPARED = 50
"""Answers of one query on one arm that are compared with each other. The work grows with the square of this number."""

_ASKED = ("query_id", "turn")


def rows(run_id: str, trial: Trial, trace: Trace, *, keep_text: bool) -> list[dict[str, Any]]:
    """Return the answer of a measured, answered trial as a row of ``SCHEMA``; no row for any other trial."""
    if trial.stage is not Stage.MEASURED or trace.outcome is not Outcome.ANSWERED:
        return []
    text = plain_text(trace.answer)
    return [{**identity.of(run_id, trial), "facts": sorted(facts(text)), "answer": text if keep_text else None}]


def measured(answers: pl.DataFrame) -> pl.DataFrame:
    """Return each answer's mean agreement with its query's other answers, ``within`` its arm and ``across`` arms.

    Null without another answer, or where the answers have no facts. ``answers`` is a run's table of
    ``SCHEMA``.
    """
    stated = (
        answers.filter(pl.col("facts").list.len() > 0)
        .with_columns(pl.col("facts").list.len().alias("count"))
        .filter(pl.int_range(pl.len()).over(*_ASKED, "arm") < MOST_COMPARED)
    )
    place = pl.struct(_ASKED).rank("dense") // _QUERIES_AT_ONCE
    means = [_of_queries(some) for some in stated.with_columns(place.alias("place")).partition_by("place")]
    whose = (each.name for each in identity.COLUMNS if each.name in answers.columns)  # an earlier version has no server
    found = pl.concat(means) if means else _of_queries(stated)
    return answers.select(whose).join(found, on="trial_id", how="left", maintain_order="left")


def _of_queries(stated: pl.DataFrame) -> pl.DataFrame:
    """Return the mean agreement of each answer with the others to its query, within its arm and across the arms."""
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
    return compared.group_by("trial_id").agg(
        pl.col("agreement").filter(pl.col("same_arm")).mean().alias("within"),
        pl.col("agreement").filter(~pl.col("same_arm")).mean().alias("across"),
    )

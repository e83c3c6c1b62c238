"""Queries whose label (simple or complex) disagrees with how many steps their answers took."""

from __future__ import annotations

import polars as pl

from uderia_bench.trial import Outcome, Stage

MOST_STEPS_OF_SIMPLE = 2
"""Steps up to which a query is simple (docs/reference/seed.md, "Comparison methodology")."""


FEWEST_STEPS_OF_COMPLEX = 2
"""A complex query that takes fewer steps than this on every arm has nothing to plan; at 2 the label is a matter of taste."""


_NAMED = 3  # queries that a warning names; a list of all is in the trials table


def disagreements(trials: pl.DataFrame) -> tuple[str, ...]:
    """Say which labels the steps of a run contradict; ``trials`` is a run's table.

    A query's steps are its data-tool calls, the median of its answered trials on each arm. Simple is contradicted where no arm
    did with as few as it should take, complex where no arm took as many.
    """
    if not {"complexity", "tool_calls", "stage", "outcome"} <= set(trials.columns):
        return ()
    answered = trials.filter((pl.col("stage") == Stage.MEASURED.value) & (pl.col("outcome") == Outcome.ANSWERED.value))
    steps = (
        answered.group_by("query_id", "complexity", "arm")
        .agg(pl.col("tool_calls").median())
        .group_by("query_id", "complexity")
        .agg(pl.col("tool_calls").min().alias("fewest"), pl.col("tool_calls").max().alias("most"))
        .sort("query_id")
    )
    more = steps.filter((pl.col("complexity") == "simple") & (pl.col("fewest") > MOST_STEPS_OF_SIMPLE))["query_id"].to_list()
    less = steps.filter((pl.col("complexity") == "complex") & (pl.col("most") < FEWEST_STEPS_OF_COMPLEX))["query_id"].to_list()
    said = []
    if more:
        said.append(f"{_few(more)} labelled simple, and every arm took more than {MOST_STEPS_OF_SIMPLE} steps")
    if less:
        said.append(f"{_few(less)} labelled complex, and no arm took {FEWEST_STEPS_OF_COMPLEX} steps")
    return tuple(said)


def _few(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    is_one = len(names) == 1
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{shown}{rest} {'is' if is_one else 'are'}"

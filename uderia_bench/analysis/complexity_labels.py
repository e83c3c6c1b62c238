"""Queries whose label (simple or complex) disagrees with the number of tool calls their answers took."""

from __future__ import annotations

import polars as pl

from uderia_bench.trial import Outcome, Stage

MOST_STEPS_OF_SIMPLE = 2
"""Tool calls up to which a query is simple (docs/reference/seed.md, "Comparison methodology")."""

FEWEST_STEPS_OF_COMPLEX = 2
"""Tool calls from which a query may be complex. With fewer there is nothing to plan."""

_NAMED = 3  # queries named in a warning; the table of trials has all
_CHECK = ". The label decides which rule names the winner, so check it in the corpus"


def disagreements(trials: pl.DataFrame) -> tuple[str, ...]:
    """Return which labels the tool calls of a run contradict. ``trials`` is the table of a run.

    A query's calls are its data-tool calls, the median of its answered trials on each arm. The
    label simple is wrong if every arm needed more, complex if no arm needed as many.
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
        said.append(f"{_few(more)} labelled simple, but every arm needed more than {MOST_STEPS_OF_SIMPLE} tool calls{_CHECK}")
    if less:
        said.append(f"{_few(less)} labelled complex, but no arm needed more than one tool call{_CHECK}")
    return tuple(said)


def _few(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    is_one = len(names) == 1
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{shown}{rest} {'is' if is_one else 'are'}"

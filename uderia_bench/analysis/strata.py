"""The parts of a run that are compared by themselves: by complexity, load, tag, server, what served them, cold and warm.

The name of a stratum is ``all`` or ``cut=value``; all strata of one cut are corrected together (``families``).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from uderia_bench.analysis.trials import Trials
from uderia_bench.analysis.verdict import MIN_UNITS
from uderia_bench.stats.arrays import Mask

ALL = "all"
SIMPLE = "complexity=simple"
COMPLEX = "complexity=complex"
COMPLEXITIES = ("simple", "complex", "edge")  # docs/explanation/winner.md, "Classes"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stratum:
    """A named selection of trials."""

    name: str
    where: Mask


def strata(trials: Trials, *, baseline: str, candidate: str) -> tuple[Stratum, ...]:
    """Return everything, then each complexity, level and tag that occurs, then what varies inside an arm, RAG included."""
    found = [Stratum(name=ALL, where=trials.asked)]
    if "complexity" in trials.frame.columns:
        column = trials.frame["complexity"].cast(pl.String)
        selections = ((name, trials.mask(column == name)) for name in COMPLEXITIES)
        found.extend(Stratum(name=f"complexity={name}", where=where) for name, where in selections if where.any())
    arms = (baseline, candidate)
    served = (stratum for column in ("server", "model", "provider") for stratum in _by_served(trials, column, arms))
    return (*found, *_by_level(trials), *_by_tag(trials), *served, *_by_warmth(trials, arms))


def _by_level(trials: Trials) -> tuple[Stratum, ...]:
    """Split a sweep by level."""
    if not trials.levels:
        return ()
    column = trials.column("level")
    return tuple(Stratum(name=f"level={level:g}", where=column == level) for level in trials.levels)


def _by_tag(trials: Trials) -> tuple[Stratum, ...]:
    """Split by tag, where a tag is on some queries, enough for a verdict, and not on all."""
    if "tags" not in trials.frame.columns:
        return ()
    column = trials.frame["tags"]
    lists = column if column.dtype == pl.List(pl.String) else column.cast(pl.String).str.split(",")
    tags = sorted(tag for tag in lists.explode().drop_nulls().unique() if tag)
    cuts = ((tag, trials.mask(lists.list.contains(tag))) for tag in tags)
    sizes = [(tag, where, int(where.any(axis=(1, 2)).sum())) for tag, where in cuts]
    return tuple(
        Stratum(name=f"tag={tag}", where=where) for tag, where, size in sizes if MIN_UNITS <= size < len(trials.queries)
    )


def _by_served(trials: Trials, column: str, arms: tuple[str, str]) -> tuple[Stratum, ...]:
    """Split by what served the trials where that varies inside an arm; an arm with one value only is whole in every stratum."""
    values = {arm: trials.distinct(column, arm) for arm in arms}
    mixed = [arm for arm in arms if len(values[arm]) > 1]
    found = []
    for value in sorted({value for arm in mixed for value in values[arm]}):
        served = trials.mask(trials.frame[column].cast(pl.String) == value)
        where = trials.asked.copy()
        for arm in mixed:
            where[:, trials.arm(arm)] = served[:, trials.arm(arm)]
        found.append(Stratum(name=f"{column}={value}", where=where))
    return tuple(found)


def _by_warmth(trials: Trials, arms: tuple[str, str]) -> tuple[Stratum, ...]:
    """Split by ``rag_used``. An arm on which it never varies is whole in both strata."""
    if "rag_used" not in trials.frame.columns:
        return ()
    used = trials.column("rag_used") == 1
    cold, warm = trials.asked & ~used, trials.asked & used
    varies = False
    for name in arms:
        index = trials.arm(name)
        answered = trials.answered[:, index]
        if (used[:, index] & answered).any() and (~used[:, index] & answered).any():
            varies = True
        else:
            cold[:, index] = warm[:, index] = trials.asked[:, index]
    return (Stratum(name="rag=cold", where=cold), Stratum(name="rag=warm", where=warm)) if varies else ()

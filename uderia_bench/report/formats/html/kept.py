"""Tables of a run that the page shows, and the choice of trials that it shows with all steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from uderia_bench.trial import Outcome, Stage

IN_FULL = 300  # trials with every step: a thousand of them would add a megabyte
_AT_MOST = IN_FULL // 3  # of the unanswered and of the slowest; one trial per query and arm takes the remaining places


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The run's derived tables and its manifest.

    A table is None if it was not derived. ``prompts`` are by query.
    """

    trials: pl.DataFrame
    manifest: Mapping[str, Any]
    steps: pl.DataFrame | None = None
    issues: pl.DataFrame | None = None
    answers: pl.DataFrame | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)


def in_full(trials: pl.DataFrame) -> tuple[str, ...]:
    """Choose trials to show with all steps: unanswered ones, the slowest of each arm, and one per query and arm."""
    if trials.height <= IN_FULL:
        return tuple(trials["trial_id"])
    measured = trials.filter(pl.col("stage") == Stage.MEASURED).sort("seq")
    answered = measured.filter(pl.col("outcome") == Outcome.ANSWERED)
    slowness = pl.col("latency_s").rank("ordinal", descending=True).over("arm")
    pools = (
        measured.filter(pl.col("outcome") != Outcome.ANSWERED).head(_AT_MOST),
        answered.drop_nulls("latency_s").with_columns(slowness.alias("place")).sort("place", "arm").head(_AT_MOST),
        answered.unique(["query_id", "arm"], keep="first", maintain_order=True),
    )
    return tuple(dict.fromkeys(trial_id for pool in pools for trial_id in pool["trial_id"]))[:IN_FULL]

"""Warnings of an arm that mixed models, providers or profiles, whose mean can mislead."""

from __future__ import annotations

import polars as pl

from uderia_bench.analysis.trials import Trials
from uderia_bench.trial import Outcome

SERVED = ("model", "provider", "profile_tag")  # columns that should be constant inside an arm


def inside_arm(trials: Trials, arm: str) -> tuple[str, ...]:
    """Say what varies inside an arm among its answered trials, with how many trials each."""
    warnings = []
    rows = trials.frame.filter((pl.col("arm") == arm) & (pl.col("outcome") == Outcome.ANSWERED))
    for column in SERVED:
        if column not in rows.columns:
            continue
        counts = (
            rows[column]
            .cast(pl.String)
            .drop_nulls()
            .value_counts(name="trials")
            .sort("trials", column, descending=[True, False])
        )
        if counts.height > 1:
            parts = ", ".join(f"{value} ({count})" for value, count in counts.iter_rows())
            warnings.append(f"{column} varies inside {arm}: {parts}")
    return tuple(warnings)


def between_arms(trials: Trials, *, baseline: str, candidate: str) -> tuple[str, ...]:
    """Say where two arms of different profiles also differ in model or provider: the effect is then of both together."""
    if trials.distinct("profile_tag", baseline) == trials.distinct("profile_tag", candidate):
        return ()
    warnings = []
    for column in ("model", "provider"):
        first, second = trials.distinct(column, baseline), trials.distinct(column, candidate)
        if first and second and first != second:
            warnings.append(f"arms also differ in {column}: {baseline} {'/'.join(first)}, {candidate} {'/'.join(second)}")
    return tuple(warnings)


def profile_type(trials: Trials, arm: str) -> str | None:
    """Return the arm's profile type, None where unknown or mixed."""
    types = trials.distinct("profile_type", arm)
    return types[0] if len(types) == 1 else None

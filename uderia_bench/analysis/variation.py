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
    both = {column: [trials.distinct(column, arm) for arm in (baseline, candidate)] for column in ("provider", "model")}
    differing = {column: sides for column, sides in both.items() if all(sides) and sides[0] != sides[1]}
    if not differing:
        return ()
    first, second = (" ".join("/".join(side) for side in sides) for sides in zip(*differing.values(), strict=True))
    what = " and ".join(differing)
    return (f"arms also differ in {what}, which may cause a difference: {baseline} has {first}, {candidate} {second}",)


def profile_type(trials: Trials, arm: str) -> str | None:
    """Return the arm's profile type, None where unknown or mixed."""
    types = trials.distinct("profile_type", arm)
    return types[0] if len(types) == 1 else None

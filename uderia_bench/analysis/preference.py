"""Preferences of a judge in an analysis: those of each contrast, and verdicts of a judge that cannot be trusted.

A trial's ``preference`` is its mean over all contrasts of its arm. A contrast is compared on its own
pairs only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from uderia_bench.analysis.contrast import EXPLORATORY, PRIMARY, Measurement

METRIC = "preference"
UNTRUSTED = "exploratory: "
"""Start of a warning that the judge behind a comparison cannot be trusted; the reason follows."""

_CONTRAST = ("baseline", "candidate")


def in_contrast(frame: pl.DataFrame, preferences: pl.DataFrame | None, baseline: str, candidate: str) -> pl.DataFrame:
    """Return the trials with the preferences of one contrast; unchanged where there is only one.

    ``preferences`` is the run's table of compared pairs.
    """
    if preferences is None or preferences.select(_CONTRAST).n_unique() < 2:
        return frame
    own = preferences.filter(pl.col("baseline") == baseline, pl.col("candidate") == candidate)
    values = pl.concat(
        [
            own.select(trial_id="candidate_trial", own="preference"),
            own.select(trial_id="baseline_trial", own=1 - pl.col("preference")),
        ]
    )
    joined = frame.join(values, on="trial_id", how="left", maintain_order="left")
    return joined.with_columns(pl.col("own").alias(METRIC)).drop("own")


def exploratory(found: Sequence[Measurement], reasons: Mapping[str, str]) -> list[Measurement]:
    """Return the findings, out of the primary family where ``reasons`` has their metric, and with the reason."""
    return [
        replace(
            one,
            family=EXPLORATORY if one.family == PRIMARY else one.family,
            warnings=(f"{UNTRUSTED}{reason}", *one.warnings),
        )
        if (reason := reasons.get(one.metric.name)) is not None
        else one
        for one in found
    ]

"""Preferences of a judge in an analysis: those of each contrast, and verdicts of a judge that cannot be trusted.

A trial's ``preference`` is its mean over all contrasts of its arm. A contrast is compared on its own
pairs only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from uderia_bench.analysis.contrast import EXPLORATORY, PRIMARY, Measurement
from uderia_bench.analysis.effects import paid
from uderia_bench.analysis.interim import Declared, at_this_look, stops
from uderia_bench.analysis.settings import Settings
from uderia_bench.analysis.strata import ALL
from uderia_bench.analysis.trials import measured
from uderia_bench.analysis.values import UNTRUSTED
from uderia_bench.reading.judge.matches import Preferred
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.runs.interim import Looked
from uderia_bench.stats.looks import WANG_TSIATIS, equal_shares
from uderia_bench.trial import Outcome

METRIC = "preference"
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


def looked(look: int, looks: int) -> Looked:
    """Return a look of a judge at its own results; ``looks`` are planned, at equal shares of the pairs.

    The boundary is the default of ``stop``.
    """
    return Looked(metrics=(METRIC,), look=look, shares=equal_shares(looks), shape=WANG_TSIATIS, equivalence=True)


def is_decided(
    found: Sequence[Preferred],
    metric: Metric,
    at: Looked,
    contrasts: Sequence[tuple[str, str]],
    *,
    margins: Mapping[str, float],
    confidence: float,
    seed: int,
) -> bool:
    """Return whether every contrast has a verdict on the preferences judged so far, valid at all looks.

    Each has its part of the error that all primary comparisons may have, so that the correction of the
    report keeps the verdict.
    """
    several = len(contrasts) * max(len(margins), 1)
    settings = Settings(
        margins={name: margin for name, margin in margins.items() if name == METRIC},
        correction="none",
        confidence=1 - (1 - confidence) / several,
        seed=seed,
        looked=at,
    )
    for contrast in contrasts:
        own = [each for each in found if each.match.contrast == contrast and each.decided is not None]
        if not own:
            return False
        declared = Declared(metrics=(metric,), contrasts=(contrast,), settings=settings)
        trials = measured(pl.DataFrame([row for each in own for row in _rows(each)], infer_schema_length=None))
        if not stops(at_this_look(trials, declared, at), at):
            return False
    return True


def _rows(each: Preferred) -> Iterator[dict[str, object]]:
    assert each.decided is not None
    for trial, value in ((each.match.baseline, 1 - each.decided.value), (each.match.candidate, each.decided.value)):
        identity = {"trial_id": trial.trial_id, "query_id": trial.query_id, "arm": trial.arm, "repeat": trial.repeat}
        yield {**identity, "group": trial.group, "outcome": Outcome.ANSWERED.value, METRIC: value}


def paid_for(found: Sequence[Measurement], at: Looked | None, seed: int) -> list[Measurement]:
    """Return the findings; p and interval of the preference allow for the looks of the judge."""
    return [
        replace(one, measured=paid(one.measured, one.pairs, one.metric, at, seed=seed))
        if at is not None and one.metric.name == METRIC and one.stratum == ALL
        else one
        for one in found
    ]


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

"""Validity checks of a contrast: contamination, coverage, unusable values. A failed check makes it invalid."""

from __future__ import annotations

import numpy as np
import polars as pl

from uderia_bench.analysis.trials import Trials, suspected
from uderia_bench.printable import count_of
from uderia_bench.reading.metrics.metric import Assumption, Metric
from uderia_bench.reading.profile_types.serving import NO_SWITCH
from uderia_bench.stats.arrays import Mask
from uderia_bench.trial import Outcome, Stage

# Found contamination stands for contamination not found (a trial slowed by its neighbour's model
# leaves no trace). Overlapping arms were misrouted in 15 to 35 % of trials and isolated ones in
# none (docs/reference/measured.md, "Overlapping arms contaminate each other"): a third of the
# smallest share seen without isolation.
MISROUTED_LIMIT = 0.05
LOWER_BOUND = "lower_bound"

# Complete pairs among the queries asked. Below half, the pairs left speak for less of the corpus
# than is missing: even medians and ranks, which survive censoring, do so only up to 50 %
# (docs/explanation/statistics.md, "Failures").
MIN_COVERAGE = 0.5

# NaN, infinity, zero in a metric that is always positive, and a rate outside 0 to 1, are errors of what wrote them. If the
# affected trials are the slow ones, 5 % of them move a mean of logs by about 10 %: the size of a
# usual margin.
MOST_UNUSABLE = 0.05


def _unusable(trials: Trials, metric: Metric, arm: str, where: Mask) -> tuple[int, int]:
    """Count the values of an arm that cannot be used, and all that it has."""
    index = trials.arm(arm)
    bad = int((where & trials.unusable(metric))[:, index].sum())
    return bad, bad + int(np.isfinite(np.where(where, trials.values(metric), np.nan)[:, index]).sum())


def _kinds(metric: Metric) -> str:
    kinds = {
        Assumption.POSITIVE: "NaN, infinite, 0, negative, or extremely large or small",
        Assumption.RATE: "NaN, infinite or outside 0 to 1",
    }
    return kinds.get(metric.assumption, "NaN, infinite, or extremely large or small")


def unusable_notes(trials: Trials, metric: Metric, arms: tuple[str, ...], *, where: Mask | None = None) -> tuple[str, ...]:
    """Say how many values of each arm are not numbers, or none that the metric can have: they count as missing."""
    notes = []
    for arm in arms:
        bad, of = _unusable(trials, metric, arm, trials.asked if where is None else where)
        if bad:
            notes.append(f"{bad} of {of} {arm} values of {metric.name} are {_kinds(metric)}: they count as missing")
    return tuple(notes)


def _against_misrouting(trials: Trials, arm: str) -> str:
    """Return what to do about misrouted trials: another isolation does not help a profile that cannot be loaded."""
    columns = trials.frame.columns
    if "outcome_detail" in columns:
        of_arm = (pl.col("arm") == arm) & (pl.col("outcome") == Outcome.MISROUTED)
        details = trials.frame.filter(of_arm, pl.col("outcome_detail").str.starts_with(NO_SWITCH))["outcome_detail"]
        if len(details) * 2 > trials.frame.filter(of_arm).height:
            return f"{details.mode().sort()[0]}; correct this profile on the server, its LLM credentials for example"
    return "run the arms apart (isolation: arm or trial)"


def failed_checks(trials: Trials, metric: Metric, *, baseline: str, candidate: str, where: Mask) -> tuple[str, ...]:
    """Return the reasons why this contrast has no verdict on this metric; empty where it may have one."""
    reasons = []
    misrouted = where & trials.mask(trials.frame["outcome"] == Outcome.MISROUTED)
    for name in (baseline, candidate):
        asked = int((where & trials.asked)[:, trials.arm(name)].sum())
        wrong = int(misrouted[:, trials.arm(name)].sum())
        if asked and wrong / asked > MISROUTED_LIMIT:
            reasons.append(
                f"invalid: {wrong} of {asked} trials of {name} were misrouted, more than {MISROUTED_LIMIT:.0%}: "
                f"{_against_misrouting(trials, name)}"
            )
    for name in (baseline, candidate):
        bad, of = _unusable(trials, metric, name, where)
        if of and bad / of > MOST_UNUSABLE:
            reasons.append(
                f"invalid: {bad} of {of} {name} values of {metric.name} are {_kinds(metric)}, more than {MOST_UNUSABLE:.0%}: "
                "correct them, or leave out these trials on both arms"
            )
    if metric.needs_answer:
        arms = [trials.arm(baseline), trials.arm(candidate)]
        asked_cells, answered_cells, unit = (where & trials.asked)[:, arms], (where & trials.answered)[:, arms], "queries"
        if np.count_nonzero(asked_cells.any(axis=(1, 2))) == 1:  # one query: its repeats are the units
            asked_cells, answered_cells, unit = asked_cells.swapaxes(0, 2), answered_cells.swapaxes(0, 2), "repeats"
        units_asked = np.count_nonzero(asked_cells.any(axis=(1, 2)))
        complete = np.count_nonzero(np.all(np.any(answered_cells, axis=2), axis=1))
        if units_asked and complete / units_asked < MIN_COVERAGE:
            reasons.append(
                f"invalid: only {complete} of {units_asked} {unit} have an answer on both arms, fewer than {MIN_COVERAGE:.0%}"
            )
    return tuple(reasons)


def suspected_note(frame: pl.DataFrame) -> tuple[str, ...]:
    """Return which arms have trials that are left out because of their planning prompt."""
    if "arm" not in frame.columns or "outcome" not in frame.columns:
        return ()
    found = frame.filter(suspected(frame))
    if "stage" in found.columns:
        found = found.filter(pl.col("stage").cast(pl.String) != Stage.WARMUP)
    counts = found.group_by("arm").len().sort("arm")
    return tuple(
        f"excludes {count_of(count, 'trial')} of {arm}, whose planning prompt is so large that another profile's tools were "
        "probably in it; run with isolation: arm or trial"
        for arm, count in counts.iter_rows()
    )


def partial_note(frame: pl.DataFrame) -> tuple[str, ...]:
    """Return which arms have trials whose work is only known as a lower bound."""
    if LOWER_BOUND not in frame.columns or "arm" not in frame.columns:
        return ()
    counts = frame.filter(pl.col(LOWER_BOUND).cast(pl.Boolean, strict=False)).group_by("arm").len().sort("arm")
    return tuple(
        f"{count_of(count, 'trial')} of {arm} without tokens, cost, calls and tools, because the session of a consulted "
        "profile could not be read"
        for arm, count in counts.iter_rows()
    )


def misrouted_note(trials: Trials) -> tuple[str, ...]:
    """Say which arms had misrouted trials, whatever their share; the trials themselves feed no number."""
    counts = trials.frame.filter(pl.col("outcome") == Outcome.MISROUTED).group_by("arm").len().sort("arm")
    return tuple(
        f"excludes {count_of(count, 'misrouted trial')} of {arm} from every number" for arm, count in counts.iter_rows()
    )

"""Whether a contrast may have a verdict at all: contamination and coverage. A failed check is a reason, never a verdict."""

from __future__ import annotations

import numpy as np
import polars as pl

from uderia_bench.analysis.trials import Mask, Trials
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.trial import Outcome

# Found contamination stands for contamination not found (a trial slowed by its neighbour's model leaves no trace).
# Overlapping arms were misrouted in 15 to 35 % of trials and isolated ones in none
# (docs/reference/measured.md, "Overlapping arms contaminate each other"): a third of the smallest share seen without isolation.
MISROUTED_LIMIT = 0.05

# Complete pairs among the queries asked. Below half, the pairs left speak for less of the corpus than is missing: even
# medians and ranks, which survive censoring, do so only up to 50 % (docs/explanation/statistics.md, "Failures").
MIN_COVERAGE = 0.5


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
                "run the arms apart (isolation: arm or trial)"
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


def misrouted_note(trials: Trials) -> tuple[str, ...]:
    """Say which arms had misrouted trials, whatever their share; the trials themselves feed no number."""
    counts = trials.frame.filter(pl.col("outcome") == Outcome.MISROUTED).group_by("arm").len().sort("arm")
    return tuple(f"{count} trials of {arm} were misrouted and feed no number" for arm, count in counts.iter_rows())

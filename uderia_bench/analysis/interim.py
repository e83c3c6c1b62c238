"""Looks at a run that is still going on: when the one metric declared for it has decided, the rest need not be asked.

A look is taken when the settled measured trials reach its share of those planned. Repetitions come one after the other, so a
look has every query with few repeats; it then holds more of the information than its share, which makes the boundary stricter
than it needs to be and never laxer. It reads no payload: whoever settles a trial hands its value in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

import numpy as np

from uderia_bench.analysis.effects import Measured
from uderia_bench.analysis.pairs import Pairs, Side, pair
from uderia_bench.analysis.verdict import MIN_UNITS
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.runs.interim import Decided, Looked
from uderia_bench.stats.sequential import repeated_p, stops
from uderia_bench.stats.student import t_p
from uderia_bench.trial import Stage, Trial


class Looks:
    """The looks of one run. ``settled`` takes each trial once, in whatever order they end, those of an earlier sitting too."""

    def __init__(
        self, metric: Metric, *, looks: int, plan: Sequence[Trial], contrasts: Sequence[tuple[str, str]], confidence: float
    ) -> None:
        self._metric = metric
        self._alpha = 1 - confidence
        self._contrasts = tuple(contrasts)
        measured = [trial for trial in plan if trial.stage is Stage.MEASURED]
        self._planned = len(measured)
        self._due = {
            ceil(self._planned * look / looks): Looked(metric=metric.name, look=look, looks=looks) for look in range(1, looks)
        }
        self._arms = {arm: number for number, arm in enumerate(dict.fromkeys(trial.arm for trial in measured))}
        queries = {query: number for number, query in enumerate(dict.fromkeys(trial.query_id for trial in measured))}
        slots: dict[tuple[str, str], int] = {}
        self._cells: dict[str, tuple[int, int, int]] = {}
        for trial in measured:
            slot = slots[trial.arm, trial.query_id] = slots.get((trial.arm, trial.query_id), -1) + 1
            self._cells[trial.trial_id] = (self._arms[trial.arm], queries[trial.query_id], slot)
        self._values = np.full((len(self._arms), len(queries), max(slots.values(), default=0) + 1), np.nan)
        self._settled: set[str] = set()

    def settled(self, trial: Trial, value: float | None) -> Decided | None:
        """Take a trial's value, None where it has none; return the decision where this completes a look that stops the run."""
        if trial.trial_id not in self._cells or trial.trial_id in self._settled:
            return None
        self._settled.add(trial.trial_id)
        if value is not None:
            self._values[self._cells[trial.trial_id]] = value
        at = self._due.get(len(self._settled))
        if at is None or not self._contrasts:
            return None
        p_values = [self._p(*contrast) for contrast in self._contrasts]
        if not all(stops(p, look=at.look, looks=at.looks, alpha=self._alpha) for p in p_values):
            return None
        return Decided(at=at, p_values=tuple(p_values), saved=self._planned - len(self._settled))

    def _p(self, baseline: str, candidate: str) -> float:
        first, second = (
            Side(name=arm, asked=np.isfinite(seen), seen=seen, judged=seen)
            for arm, seen in ((arm, self._values[self._arms[arm]]) for arm in (baseline, candidate))
        )
        found = pair(first, second, self._metric)
        return t_p(found.differences) if found.unit == "query" and found.n_units >= MIN_UNITS else 1.0


def paid(measured: Measured, pairs: Pairs, looked: Looked) -> Measured:
    """Let a measured difference pay for the looks that were taken: its p becomes the repeated p, and its reader is told.

    Before the last look the p is the t test's that decided: a Monte Carlo p of ``DRAWS`` cannot be small enough there.
    """
    if measured.p is None or pairs.n_units < MIN_UNITS:
        return measured
    p, test = (t_p(pairs.differences), "paired t") if looked.early else (measured.p, measured.test)
    notes = [f"p pays for {looked.looks} looks declared in advance, the interval does not"]
    if looked.early:
        notes.append(f"stopped at look {looked.look} of {looked.looks}: an effect seen at a stop is on average too large")
    return replace(
        measured,
        p=repeated_p(p, look=looked.look, looks=looked.looks),
        test=f"{test}, look {looked.look} of {looked.looks}",
        warnings=(*measured.warnings, *notes),
    )

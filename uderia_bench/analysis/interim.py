"""Interim looks at a run: the metric declared for them may end the run before its plan does.

A look compares the same blocks whatever the trials took: those that every arm has finished, in windows
that have closed. A look at trials as they finish would see only the fast answers of the arm whose turn
it is, because its slow answers are still in flight, and would stop half of all runs without an effect.

A look is taken at the first closed window at which its share of the planned blocks is finished. The
blocks at a look then hold at least that share of the information, so the boundary is never too low.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from uderia_bench.analysis.contrast import judged_pairs
from uderia_bench.analysis.effects import p_at_look
from uderia_bench.analysis.settings import Settings
from uderia_bench.analysis.strata import ALL, Stratum
from uderia_bench.analysis.trials import measured
from uderia_bench.analysis.verdict import MIN_UNITS
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.runs.interim import Decided, Looked
from uderia_bench.trial import Outcome, Stage, Trial


class Looks:
    """The planned looks of one run. ``settled`` takes each trial once, in any order, also those of an earlier sitting."""

    def __init__(
        self,
        metric: Metric,
        *,
        looks: int,
        plan: Sequence[Trial],
        contrasts: Sequence[tuple[str, str]],
        confidence: float,
        seed: int = 0,
    ) -> None:
        self._metric, self._looks, self._contrasts = metric, looks, tuple(contrasts)
        self._settings = Settings(margins={}, correction="none", confidence=confidence, seed=seed)
        self._trials = {trial.trial_id: trial for trial in plan if trial.stage is Stage.MEASURED}
        self._blocks = len({trial.block for trial in self._trials.values()})
        self._open_trials = Counter(trial.window for trial in self._trials.values())  # window: trials not settled
        self._members: dict[int, list[int]] = {}  # window: the block of each of its trials
        for trial in self._trials.values():
            self._members.setdefault(trial.window, []).append(trial.block)
        self._unfinished = Counter(trial.block for trial in self._trials.values())  # block: trials in open windows
        self._finished: set[int] = set()
        self._taken = 0
        self._rows: dict[str, dict[str, Any]] = {}

    def settled(
        self,
        trial: Trial,
        value: float | None,
        *,
        outcome: Outcome = Outcome.ANSWERED,
        times: Mapping[str, Any] | None = None,
    ) -> Decided | None:
        """Take a trial's value, None where it has none; return the decision if this closes the window of a look that stops.

        ``times`` has the ``sent_at`` and ``done_at`` of the trial, for the limit of those that timed out.
        """
        if trial.trial_id not in self._trials or trial.trial_id in self._rows:
            return None
        self._rows[trial.trial_id] = {
            "trial_id": trial.trial_id,
            "query_id": trial.query_id,
            "arm": trial.arm,
            "repeat": trial.repeat,
            "outcome": outcome.value,
            "block": trial.block,
            "window": trial.window,
            "group": trial.group,
            self._metric.name: value,
            **(times or {}),
        }
        self._open_trials[trial.window] -= 1
        if self._open_trials[trial.window]:
            return None
        for block in self._members[trial.window]:
            self._unfinished[block] -= 1
            if not self._unfinished[block]:
                self._finished.add(block)
        look = len(self._finished) * self._looks // self._blocks
        if look <= self._taken or look >= self._looks:
            return None
        self._taken = look
        decision = self._decision(self._finished, look=look)
        return decision if max(decision.p_values, default=1.0) <= self._settings.alpha else None

    def ended(self) -> Decided:
        """Return the last look with everything that was settled, also the trials that were in flight at the stop."""
        asked = Counter(row["block"] for row in self._rows.values())
        planned = Counter(trial.block for trial in self._trials.values())
        whole = {block for block, count in asked.items() if count == planned[block]}
        return self._decision(whole, look=self._looks if len(whole) == len(planned) else self._taken)

    def _decision(self, blocks: set[int], *, look: int) -> Decided:
        looked = Looked(metric=self._metric.name, look=look, looks=self._looks)
        frame = pl.DataFrame([row for row in self._rows.values() if row["block"] in blocks], infer_schema_length=None)
        p_values = tuple(self._p(frame, baseline, candidate, looked) for baseline, candidate in self._contrasts)
        return Decided(at=looked, p_values=p_values, saved=len(self._trials) - len(self._rows))

    def _p(self, frame: pl.DataFrame, baseline: str, candidate: str, looked: Looked) -> float:
        """Return the p of a contrast as the report of a run that stops here will have it; 1 with too few units."""
        trials = measured(frame)
        stratum = Stratum(name=ALL, where=trials.asked)
        settings = replace(self._settings, looked=looked)
        pairs, _ = judged_pairs(trials, self._metric, baseline, candidate, stratum, settings=settings)
        if pairs.n_units < MIN_UNITS or pairs.unit == "repeat":
            return 1.0
        return p_at_look(pairs, self._metric, looked, seed=settings.seed)

"""The load that a sweep has shown so far: each arm at each finished level, and the knee once there are enough levels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl

from uderia_bench.analysis.settings import Settings
from uderia_bench.analysis.sweep import sweeps
from uderia_bench.analysis.trials import measured
from uderia_bench.documents.experiment import Experiment
from uderia_bench.report.sweep import knee_words
from uderia_bench.report.watch import Seen
from uderia_bench.trial import Stage, Trial, TrialRecord
from uderia_bench.view.state import LevelState, SweepState


class Capacity:
    """Collects the trials of a sweep. A level is described when all of its trials are read."""

    def __init__(self, plan: Sequence[Trial], experiment: Experiment) -> None:
        self._rows: dict[str, dict[str, Any]] = {}
        self._planned = Counter(trial.level for trial in plan if trial.stage is Stage.MEASURED)
        self._settings = Settings(margins={}, correction="none", confidence=experiment.confidence, seed=experiment.seed)
        self._finished: list[float] = []
        self._state = SweepState(levels=(), knees=())

    def take(self, seen: Seen, record: TrialRecord) -> None:
        """Take a trial that has settled; one that was asked again replaces itself."""
        trial = seen.trial
        if trial.stage is Stage.MEASURED:
            self._rows[trial.trial_id] = {
                "query_id": trial.query_id,
                "arm": trial.arm,
                "repeat": trial.repeat,
                "level": trial.level,
                "stage": trial.stage.value,
                "outcome": seen.outcome.value,
                "sent_at": record.sent_at,
                "done_at": record.done_at,
                "latency_s": seen.values["latency_s"],
            }

    def forget(self, trial_id: str) -> None:
        """Take a trial out, because it is asked again."""
        self._rows.pop(trial_id, None)

    def state(self) -> SweepState:
        """Return the finished levels, and the knee within them."""
        read = Counter(row["level"] for row in self._rows.values())
        finished = [level for level, planned in self._planned.items() if level is not None and read[level] == planned]
        if finished != self._finished:
            self._finished = finished
            frame = pl.DataFrame([row for row in self._rows.values() if row["level"] in finished], infer_schema_length=None)
            self._state = self._described(frame)
        return self._state

    def _described(self, frame: pl.DataFrame) -> SweepState:
        found = sweeps(measured(frame), self._settings) if frame.height else ()
        levels = [
            LevelState(
                arm=sweep.arm,
                level=level.level,
                trials=level.trials,
                in_flight=level.in_flight,
                per_second=level.throughput.value,
                latency_percentiles={f"p{rank}": each.value for rank, each in level.latency.items()},
                unanswered=level.unanswered.value,
            )
            for sweep in found
            for level in sweep.levels
        ]
        return SweepState(levels=tuple(levels), knees=tuple(knee_words(sweep) for sweep in found))

"""Stopping a run early because it has decided: reads each settled trial's value and hands it to the declared looks.

Only a metric of ours can be looked at: a sitting loads no plug-ins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from uderia_bench.analysis.interim import Looks
from uderia_bench.documents.experiment import Experiment
from uderia_bench.reading import profile_types
from uderia_bench.reading.metrics import BUILT_IN
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.runner.stop import Stop
from uderia_bench.runs.interim import Decided
from uderia_bench.trace import Trace
from uderia_bench.trial import Outcome, Trial, TrialRecord


class Watch:
    """Called with every trial and its trace; tells the run to stop at the look that decides, and then knows what decided."""

    def __init__(self, looks: Looks, metric: Metric, stop: Stop) -> None:
        self.decided: Decided | None = None
        self._looks = looks
        self._metric = metric
        self._stop = stop

    def __call__(self, trial: Trial, trace: Trace) -> None:
        """Take one settled trial."""
        read = trace.outcome is Outcome.ANSWERED or not self._metric.needs_answer
        value = self._metric.read(trace) if read else None
        decided = self._looks.settled(trial, None if value is None else float(value))
        if decided is not None and self.decided is None:
            self.decided = decided
            self._stop.because(decided.reason)


def of(experiment: Experiment, *, plan: Sequence[Trial], before: Iterable[TrialRecord], stop: Stop) -> Watch | None:
    """Return what watches for a decision, None where the experiment declares no looks; ``before`` are settled already."""
    if experiment.stop is None:
        return None
    metric = next(metric for metric in BUILT_IN if metric.name == experiment.stop.metric)
    looks = Looks(
        metric,
        looks=experiment.stop.looks,
        plan=plan,
        contrasts=[(contrast.baseline, contrast.candidate) for contrast in experiment.contrasts],
        confidence=experiment.confidence,
    )
    early = Watch(looks, metric, stop)
    for record in before:
        early(record.trial, profile_types.read(record))
    return early

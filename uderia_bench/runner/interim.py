"""Ends a run early: hands the value of each settled trial to the planned interim looks.

Only built-in metrics can be looked at, because a sitting loads no plug-ins.
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
    """Takes every settled record with its trace, and stops the run at the look that decides."""

    def __init__(self, looks: Looks, metric: Metric, stop: Stop) -> None:
        self._looks = looks
        self._metric = metric
        self._stop = stop
        self._decided = False

    def __call__(self, record: TrialRecord, trace: Trace) -> None:
        """Take one settled trial."""
        read = trace.outcome is Outcome.ANSWERED or not self._metric.needs_answer
        value = self._metric.read(trace) if read else None
        times = {"sent_at": record.sent_at, "done_at": record.done_at}
        decision = self._looks.settled(
            record.trial, None if value is None else float(value), outcome=trace.outcome, times=times
        )
        if decision is not None and not self._decided:
            self._decided = True
            self._stop.because(decision.reason, patient=True)

    def decision(self) -> Decided | None:
        """Return the decision that stopped the run, with the trials that were in flight then; None without one."""
        return self._looks.ended() if self._decided else None


def of(experiment: Experiment, *, plan: Sequence[Trial], before: Iterable[TrialRecord], stop: Stop) -> Watch | None:
    """Return the watch of a run, with the trials settled before; None where the experiment plans no looks."""
    if experiment.stop is None:
        return None
    metric = next(metric for metric in BUILT_IN if metric.name == experiment.stop.metric)
    looks = Looks(
        metric,
        looks=experiment.stop.looks,
        plan=plan,
        contrasts=[(contrast.baseline, contrast.candidate) for contrast in experiment.contrasts],
        confidence=experiment.confidence,
        seed=experiment.seed,
    )
    watch = Watch(looks, metric, stop)
    for record in before:
        watch(record, profile_types.read(record))
    return watch

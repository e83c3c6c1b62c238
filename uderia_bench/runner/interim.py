"""Ends a run early: hands the values of each settled trial to the planned interim looks.

Only built-in metrics can be looked at, because a sitting loads no plug-ins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from uderia_bench.analysis.interim import Declared, Looks
from uderia_bench.analysis.settings import Settings
from uderia_bench.analysis.trials import ANSWERED_METRIC
from uderia_bench.documents.experiment import Experiment
from uderia_bench.reading import foreign_tools, profile_types
from uderia_bench.reading.metrics import BUILT_IN
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.runner import plan as plans
from uderia_bench.runner.outline import unbalanced
from uderia_bench.runner.stop import Stop
from uderia_bench.runs.interim import Decided, planned
from uderia_bench.trace import Trace
from uderia_bench.trial import Outcome, Stage, Trial, TrialRecord


class Watch:
    """Takes every settled record with its trace, and stops the run at the look that decides."""

    def __init__(self, looks: Looks, metrics: Sequence[Metric], stop: Stop) -> None:
        self._looks = looks
        self._metrics = metrics
        self._stop = stop
        self._decided: Decided | None = None

    def __call__(self, record: TrialRecord, trace: Trace) -> None:
        """Take one settled trial."""
        decision = take(self._looks, self._metrics, record, trace)
        if decision is not None and self._decided is None:
            self._decided = decision
            self._stop.because(decision.reason, patient=True)

    def skips(self, arm: str) -> bool:
        """Whether the arm is out of the race, so that its trials are not asked."""
        return arm in self._looks.dropped

    def decision(self) -> Decided | None:
        """Return the decision that stopped the run, with the trials that were in flight then; None without one."""
        return self._decided and replace(self._decided, saved=self._looks.saved())


def take(looks: Looks, metrics: Sequence[Metric], record: TrialRecord, trace: Trace) -> Decided | None:
    """Give a settled trial to the looks; return the decision of one that stops the run.

    Whether it is answered follows from its outcome, which a look may still change to misrouted.
    """
    answered = trace.outcome is Outcome.ANSWERED
    values: dict[str, float | None] = {}
    for metric in metrics:
        if metric.name != ANSWERED_METRIC:
            value = metric.read(trace) if answered or not metric.needs_answer else None
            values[metric.name] = None if value is None else float(value)
    times = {"sent_at": record.sent_at, "done_at": record.done_at}
    return looks.settled(
        record.trial,
        values,
        outcome=trace.outcome,
        times=times,
        planning=foreign_tools.plan_of(record, trace),
        span=foreign_tools.span_of(record),
    )


def of(experiment: Experiment, *, plan: Sequence[Trial], before: Iterable[TrialRecord], stop: Stop) -> Watch | None:
    """Return the watch of a run, with the trials settled before; None where the experiment plans no looks."""
    found = declared(experiment, plan)
    if found is None:
        return None
    watch = Watch(Looks(found, plan=plan), found.metrics, stop)
    for record in before:
        watch(record, profile_types.read(record))
    return watch


def declared(experiment: Experiment, plan: Sequence[Trial]) -> Declared | None:
    """Return what the declared looks of an experiment compare, or None without looks."""
    measured = {trial.query_id for trial in plan if trial.stage is Stage.MEASURED}
    looked = planned(experiment, plans.looks(experiment, len(measured)))
    if looked is None:
        return None
    wanted = {*looked.metrics, *experiment.margins, *filter(None, [looked.race])}
    metrics = tuple(metric for metric in BUILT_IN if metric.name in wanted)
    settings = Settings(
        margins=experiment.margins,
        correction=experiment.correction,
        confidence=experiment.confidence,
        seed=experiment.seed,
        looked=looked,
        confounded={(each.baseline, each.candidate): each.reason for each in unbalanced(plan, experiment)},
    )
    contrasts = tuple((contrast.baseline, contrast.candidate) for contrast in experiment.contrasts)
    return Declared(metrics=metrics, contrasts=contrasts, settings=settings)

"""A run in progress as text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from uderia_bench.printable import plain
from uderia_bench.reading.metrics import BUILT_IN, Metric, observe
from uderia_bench.report import figures
from uderia_bench.report.formats.layout import lay_out, wrapped
from uderia_bench.report.table import Cell, Entry, Table, left
from uderia_bench.runs.actions import Action, paused, pauses
from uderia_bench.stats.estimate import Estimate
from uderia_bench.stats.mean import cluster_mean
from uderia_bench.trace import Trace
from uderia_bench.trial import Outcome, Stage, Trial, TrialRecord

NOT_DECIDING = "Preliminary: do not stop the run because of these numbers. The report tests them when the run ends."

METRICS = tuple(metric for metric in BUILT_IN if metric.name in ("latency_s", "total_tokens", "cost_usd"))

_LEVEL = 0.95
_LAST = 5  # newest failures shown
RECENT = 50  # newest trials that give the rate, so that a server that slows down is seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One settled trial without its payloads. ``last_at`` is its end, or the last moment before an end that was not seen."""

    trial: Trial
    attempts: int
    outcome: Outcome
    detail: str | None
    begun_at: datetime | None
    last_at: datetime | None
    values: dict[str, float | None]

    @classmethod
    def of(cls, record: TrialRecord, trace: Trace) -> Seen:
        """Return what is shown of a record that was read into a trace."""
        return cls(
            trial=record.trial,
            attempts=record.attempts,
            outcome=trace.outcome,
            detail=trace.outcome_detail,
            begun_at=record.sent_at or record.due_at,
            last_at=record.last_at,
            values=observe(trace, METRICS),
        )


def newest(seen: Seen) -> datetime:
    """Return the key that sorts trials by their ends."""
    return seen.last_at or datetime.min.replace(tzinfo=UTC)


def per_second(
    seen: Sequence[Seen], *, since: datetime | None = None, until: datetime | None, actions: Sequence[Action] = ()
) -> float | None:
    """Return how many of the ``RECENT`` trials that ended last ended per second; None with fewer than two.

    ``until`` is now for a run that goes on, so that the rate of a run that waits falls. Trials that ended before ``since`` are
    those of an earlier process of the run. The time of pauses is left out.
    """
    times = [each.last_at for each in seen[-RECENT:] if each.last_at is not None and (since is None or each.last_at >= since)]
    if len(times) < 2:
        return None
    first, last = times[0], max(times[-1], until or times[-1])
    ends = ((max(pause.at, first), min(end or last, last)) for pause, end in pauses(actions))
    took_s = (last - first).total_seconds() - sum(max((end - begin).total_seconds(), 0.0) for begin, end in ends)
    return (len(times) - 1) / took_s if took_s > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """One trial that was sent and has not settled. The time is None before its query is accepted."""

    trial: Trial
    sent_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A run at one moment.

    ``left`` counts the trials that are still to be asked, or to be asked again. ``seen`` are those that have ended, by their
    ends, and ``flights`` those in flight. ``since`` is the start of the process that works on the run. ``actions`` are what
    people did to it.
    """

    plan: tuple[Trial, ...]
    seen: tuple[Seen, ...]
    left: int
    at: datetime
    running: bool = True
    flights: tuple[Flight, ...] = ()
    since: datetime | None = None
    actions: tuple[Action, ...] = ()

    @property
    def counts(self) -> Counter[Outcome]:
        """How the settled trials ended, warm-ups included."""
        return Counter(each.outcome for each in self.seen)

    @property
    def per_second(self) -> float | None:
        """Trials settled per second, as ``per_second`` has it; None for a paused run."""
        until = self.at if self.running else None
        return None if self.paused else per_second(self.seen, since=self.since, until=until, actions=self.actions)

    @property
    def paused(self) -> bool:
        """Whether the run waits until somebody resumes it."""
        return self.running and paused(self.actions)

    @property
    def left_s(self) -> float | None:
        """Seconds until the run is finished at that rate; None without a rate, and for a stopped run."""
        return self.left / self.per_second if self.running and self.per_second is not None else None

    @property
    def last_failures(self) -> tuple[Seen, ...]:
        """The newest trials without an answer, the newest first."""
        failed = [each for each in self.seen if each.outcome is not Outcome.ANSWERED]
        return tuple(failed[: -_LAST - 1 : -1])

    def estimate(self, arm: str, metric: Metric) -> Estimate:
        """Return the mean of a metric over an arm's measured answers so far."""
        known = [(e.trial.query_id, e.values[metric.name]) for e in self.seen if counts(e, arm)]
        pairs = [(query, float(value)) for query, value in known if value is not None]
        units = np.unique([query for query, _ in pairs], return_inverse=True)[1]
        values = np.array([value for _, value in pairs], dtype=np.float64)
        return cluster_mean(values, units, bounded=False, level=_LEVEL, seed=0, missing=len(known) - len(pairs))


def in_a_line(look: Look) -> str:
    """Return the state of the run as one line, for a log."""
    done = len(look.plan) - look.left
    ends = ", ".join(f"{count} {outcome.value.replace('_', ' ')}" for outcome, count in look.counts.most_common())
    return f"{done}/{len(look.plan)} trials ({ends or 'none settled yet'}){_pace(look)}"


def in_full(look: Look, *, width: int) -> str:
    """Return the state of the run in lines of at most ``width`` columns."""
    lines = [*wrapped(in_a_line(look), width, rest="  "), "", *lay_out(_arms(look), width)]
    failures = [failure(each) for each in look.last_failures]
    if failures:
        lines += ["", "Latest trials without an answer"]
        lines += [line for text in failures for line in wrapped(text, width, first="  ", rest="    ")]
    return "\n".join([*lines, "", *wrapped(NOT_DECIDING, width, rest="  ")])


def flights(look: Look, *, at: datetime) -> list[str]:
    """Return the trials in flight with their age, the oldest first."""
    aged = [(max((at - each.sent_at).total_seconds(), 0.0) if each.sent_at else 0.0, each.trial) for each in look.flights]
    aged.sort(key=lambda each: each[0], reverse=True)
    return [f"{duration(age)}  {plain(trial.query_id)} on {plain(trial.arm)}" for age, trial in aged]


def as_dict(look: Look) -> dict[str, Any]:
    """Return the state of the run as JSON types."""
    return {
        "trials": len(look.plan),
        "left": look.left,
        "outcomes": {outcome.value: count for outcome, count in look.counts.items()},
        "per_second": look.per_second,
        "left_s": look.left_s,
        "running": look.running,
        "paused": look.paused,
        "arms": [
            {"arm": arm, "metrics": {metric.name: _numbers(look.estimate(arm, metric)) for metric in METRICS}}
            for arm in arm_names(look.plan)
        ],
        "in_flight": [{"trial": each.trial.trial_id, "arm": each.trial.arm} for each in look.flights],
        "last_failures": [
            {"trial": each.trial.trial_id, "outcome": each.outcome.value, "detail": each.detail} for each in look.last_failures
        ],
        "warning": NOT_DECIDING,
    }


def _arms(look: Look) -> Table:
    rows: list[tuple[Entry, ...]] = []
    for arm in arm_names(look.plan):
        planned = sum(trial.arm == arm and trial.stage is Stage.MEASURED for trial in look.plan)
        ours = [each for each in look.seen if each.trial.arm == arm and each.trial.stage is Stage.MEASURED]
        answers = sum(each.outcome is Outcome.ANSWERED for each in ours)
        share = figures.percentage(answers / len(ours)) if ours else figures.MISSING
        estimates = [look.estimate(arm, metric) for metric in METRICS]
        shown = (figures.estimate_forms(e, figures.scale_of(m, e.value)) for e, m in zip(estimates, METRICS, strict=True))
        rows.append((arm, f"{len(ours)}/{planned}", share, *(Cell(forms=forms) for forms in shown)))
    return Table.of("", (left("arm"), "done", "answered", *(metric.name for metric in METRICS)), rows)


def failure(each: Seen) -> str:
    """Return a trial without an answer as one line."""
    at = f"{each.last_at:%H:%M:%S} " if each.last_at is not None else ""
    detail = f": {plain(each.detail)}" if each.detail else ""
    return f"{at}{plain(each.trial.query_id)} on {plain(each.trial.arm)}, {each.outcome.value}{detail}"


def _pace(look: Look) -> str:
    rate = "" if look.per_second is None else f", {look.per_second:.1f}/s"
    if look.left and not look.running:
        return f"{rate}, stopped"
    if look.paused:
        return ", paused"
    return rate if not look.left or look.left_s is None else f"{rate}, about {duration(look.left_s)} left"


def duration(seconds: float) -> str:
    """Return a time to wait in words."""
    minutes = round(seconds / 60)
    return f"{round(seconds)} s" if seconds < 120 else f"{minutes} min" if minutes < 120 else f"{seconds / 3600:.1f} h"


def counts(each: Seen, arm: str) -> bool:
    """Whether a trial is in the preliminary numbers of an arm."""
    return each.trial.arm == arm and each.trial.stage is Stage.MEASURED and each.outcome is Outcome.ANSWERED


def arm_names(plan: Sequence[Trial]) -> tuple[str, ...]:
    """Return the arms of a plan, sorted."""
    return tuple(sorted({trial.arm for trial in plan}))


def _numbers(estimate: Estimate) -> dict[str, float | int | None]:
    return {"value": estimate.value, "lo": estimate.lo, "hi": estimate.hi, "n": estimate.n}

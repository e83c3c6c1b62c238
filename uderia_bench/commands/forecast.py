"""Forecast the cost and duration of a planned run, from the last run of each arm in the output folder.

An estimate by means, without an interval: other queries cost other amounts, and the forecast says whose means it took.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from uderia_bench.documents.experiment import Experiment
from uderia_bench.documents.experiment_parts import Arm
from uderia_bench.reading import paid
from uderia_bench.reading.profile_types.serving import same_tag
from uderia_bench.runner.outline import ArmShare, Outline
from uderia_bench.runs import mirror
from uderia_bench.runs import run as runs
from uderia_bench.runs.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmForecast:
    """One arm's trials at the means of an earlier run of the same profile on the same server; None if that run has no value.

    ``seconds`` is the sum of the latencies of the planned trials, and ``in_flight_s`` of their times from sending
    to the end. ``trials`` is how many the means are of.
    """

    arm: str
    planned: int
    run_id: str
    trials: int
    cost_usd: float | None
    seconds: float | None
    in_flight_s: float | None

    @property
    def latency_s(self) -> float | None:
        """The mean latency of a trial; None where it is not known."""
        return None if self.seconds is None or not self.planned else self.seconds / self.planned


def forecast(experiment: Experiment, outline: Outline, output: Path) -> tuple[ArmForecast, ...]:
    """Return a forecast for every arm that was run before."""
    earlier = earlier_runs(output)
    found = (_arm(experiment, arm, outline, earlier) for arm in experiment.arms)
    return tuple(one for one in found if one is not None)


def duration_s(experiment: Experiment, outline: Outline, expected: Iterable[ArmForecast]) -> float | None:
    """Return about how long the run takes; None where latencies are not known that it depends on.

    Servers work at the same time. In a closed loop the trials of a window share the slots of a server, and
    the last ones leave slots empty, which adds nearly the time of one trial. An open loop sends by the clock.
    A closed sweep has no estimate, because nothing tells the latencies at its higher levels.
    """
    load, known = experiment.load, {each.arm: each.in_flight_s for each in expected if each.in_flight_s is not None}
    shares = {share.arm: share for share in outline.arms}
    if load.arrivals == "closed":
        if load.sweep is not None or known.keys() != shares.keys():
            return None
        took = {arm: _closed_s(experiment, share, known[arm]) for arm, share in shares.items()}
    else:
        rates = [level or load.rate or 0.0 for level in load.levels]
        apart_s = sum(1 / rate for rate in rates) / len(rates)
        took = {arm: (share.measured + share.warmups) * apart_s for arm, share in shares.items()}
    return load.ramp / 2 + max(sum(took[arm] for arm in arms) / len(servers) for servers, arms in experiment.pools.items())


def _closed_s(experiment: Experiment, share: ArmShare, in_flight_s: float) -> float:
    """Return how long the trials of an arm take on one server: their time over the slots, and the end of each window."""
    load, cap = experiment.load, experiment.arm(share.arm).concurrency
    slots = 1 if load.isolation == "trial" else load.concurrency
    slots = min(slots, cap or slots, share.longest or slots)
    windows = share.windows if load.isolation == "arm" else 1
    return in_flight_s / slots + windows * (1 - 1 / slots) * in_flight_s / (share.measured + share.warmups)


def knowing_tokens(experiment: Experiment, output: Path) -> Experiment:
    """Return an experiment that samples by cost with the tokens of its queries in the last run of each arm."""
    if experiment.sample is None or experiment.sample.by != "cost":
        return experiment
    totals: dict[str, list[float]] = {}
    earlier = earlier_runs(output)
    for arm in experiment.arms:
        last = next(runs_of(experiment, arm, earlier), None)
        if last is None:
            continue
        spent = last[1].group_by("query_id", "repeat", "stage").agg(pl.col("total_tokens").sum())  # of all turns
        for query, tokens in spent.group_by("query_id").agg(pl.col("total_tokens").mean()).iter_rows():
            totals.setdefault(query, []).append(float(tokens))
    return experiment.knowing({query: sum(tokens) / len(tokens) for query, tokens in totals.items() if min(tokens) > 0})


def earlier_runs(output: Path) -> list[Run]:
    """Return the runs in the output folder, the latest first."""
    return runs.every(output)[::-1]


def runs_of(experiment: Experiment, arm: Arm, earlier: Iterable[Run]) -> Iterator[tuple[Run, pl.DataFrame]]:
    """Yield the earlier runs of an arm with its trials there, at the lightest load."""
    for run in earlier:
        name = named_before(experiment, arm, run.experiment)
        if name is None:
            continue
        mirror.ready([run.path], "trials")
        if not run.directory.parts():
            continue
        trials = at_the_lightest_load(run.trials().filter(pl.col("arm") == name))
        if trials.height:
            yield run, trials


def _arm(experiment: Experiment, arm: Arm, outline: Outline, earlier: list[Run]) -> ArmForecast | None:
    planned = next((share.measured + share.warmups for share in outline.arms if share.arm == arm.name), 0)
    for run, trials in runs_of(experiment, arm, earlier):
        cost, seconds = paid.mean(trials, paid.USD), mean_of(trials, "latency_s")
        in_flight_s = _in_flight_s(trials) or seconds
        return ArmForecast(
            arm=arm.name,
            planned=planned,
            run_id=run.run_id,
            trials=trials.height,
            cost_usd=None if cost is None else cost * planned,
            seconds=None if seconds is None else seconds * planned,
            in_flight_s=None if in_flight_s is None else in_flight_s * planned,
        )
    return None


def at_the_lightest_load(trials: pl.DataFrame) -> pl.DataFrame:
    """Choose the lowest level of a sweep: at higher levels trials wait for each other, which lengthens their times."""
    if "level" not in trials.columns or trials["level"].null_count() == trials.height:
        return trials
    return trials.filter(pl.col("level") == pl.col("level").min())


def named_before(experiment: Experiment, arm: Arm, before: Experiment) -> str | None:
    """Return what an earlier run called the arm: the same profile on the same server, as fast where it is embedded."""
    servers = experiment.servers_of(arm.name)
    for other in before.arms:
        same = same_tag(other.profile, arm.profile) and before.servers_of(other.name) == servers
        same = same and other.changes == arm.changes
        if same and before.sim.speed == experiment.sim.speed:
            return other.name
    return None


def _in_flight_s(trials: pl.DataFrame) -> float | None:
    """Return the mean time from sending to the end, with session naming and the last poll."""
    if not {"sent_at", "done_at"} <= set(trials.columns):
        return None
    return mean_of(trials.select(((pl.col("done_at") - pl.col("sent_at")).dt.total_microseconds() / 1e6).alias("s")), "s")


def mean_of(trials: pl.DataFrame, column: str) -> float | None:
    """Return the mean of a column; None where there is no value."""
    mean = trials[column].mean() if column in trials.columns else None
    return float(mean) if isinstance(mean, int | float) else None

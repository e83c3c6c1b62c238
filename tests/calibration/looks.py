"""Runs with interim looks, through the product's plan, its windows, its looks and its report.

    PYTHONPATH=tests python -m calibration.looks --runs 400

prints, for each setting and true effect, the share of the planned trials that a run asks, the verdicts
it ends with, and how often its interval covers the truth. Trials take their time on a server with
slots, so the slow answers of a turn come last.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import log, sqrt
from typing import Any

import numpy as np
import polars as pl
from experiments import built, queries
from frames import BASELINE, CANDIDATE, LATENCY

from uderia_bench.analysis.contrast import at_look
from uderia_bench.analysis.families import verdicts
from uderia_bench.analysis.interim import Declared, Looks, corrected
from uderia_bench.analysis.settings import Settings
from uderia_bench.analysis.trials import measured
from uderia_bench.analysis.values import Comparison, Verdict
from uderia_bench.documents.corpus import Query
from uderia_bench.documents.experiment import Experiment
from uderia_bench.runner import plan
from uderia_bench.runs.interim import planned
from uderia_bench.trial import Trial

ALPHA, MARGIN = 0.05, 0.10
CONTRAST = (BASELINE, CANDIDATE)
EFFECTS = (1.0, 1 + MARGIN, 0.90, 0.85, 0.80)
"""True ratios: no difference, exactly the margin, and three improvements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A plan, and standard deviations of log latency: of a query's level, of its difference, and within a query."""

    queries: int
    repeats: int
    concurrency: int = 8
    between: float = 0.8
    within: float = 0.3
    differs: float = 0.15
    median_s: float = 20.0
    drift: float = 0.0
    stop: dict[str, Any] = field(default_factory=lambda: {"metric": LATENCY.name})

    @property
    def name(self) -> str:
        """The setting in the words of the table."""
        said = f"{self.queries} x {self.repeats}, {self.concurrency} in flight, sd {self.between:g} / {self.within:g}"
        rule = self.stop.get("boundary", "")
        return said + (f", drift {self.drift:g}" if self.drift else "") + (f", {rule}" if rule else "")


OLD = {"metric": LATENCY.name, "looks": 5, "boundary": "obrien-fleming", "for": "difference"}
SETTINGS = (
    Setting(queries=346, repeats=1),
    Setting(queries=310, repeats=2),
    Setting(queries=346, repeats=1, drift=0.1),
    Setting(queries=100, repeats=5, stop=OLD),
    Setting(queries=100, repeats=1, concurrency=64, between=0.3, within=0.5, stop=OLD),
    Setting(queries=50, repeats=1, concurrency=64, between=0.3, within=0.5, stop=OLD),
)
IN_FLIGHT = (
    Setting(queries=100, repeats=1, concurrency=64, between=0.3, within=0.5, stop=OLD),
    Setting(queries=100, repeats=1, concurrency=64, stop=OLD),
    Setting(queries=50, repeats=1, concurrency=64, between=0.3, within=0.5, stop=OLD),
    Setting(queries=100, repeats=2, concurrency=64, between=0.3, within=0.5, stop=OLD),
    Setting(queries=100, repeats=5, stop=OLD),
    Setting(queries=100, repeats=1, concurrency=64, between=0.3, within=0.5, median_s=60.0, stop=OLD),
    Setting(queries=100, repeats=1, concurrency=64, between=0.3, within=0.5),
)
"""Settings in which looks at trials as they finish stop up to 64 % of runs without a difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How one run ended, with the ``trials`` it asked. ``asked`` is their share of the plan."""

    trials: tuple[Trial, ...]
    asked: float
    stopped: bool
    comparison: Comparison


def experiment_of(setting: Setting, seed: int) -> Experiment:
    """Return the experiment of a setting."""
    return built_from(setting, queries(setting.queries), seed=seed)


def built_from(setting: Setting, asked: tuple[Query, ...], *, seed: int, **fields: Any) -> Experiment:
    """Return the experiment of a setting on some queries."""
    return built(
        asked,
        arms=CONTRAST,
        repeats=setting.repeats,
        warmup=0,
        seed=seed,
        load={"concurrency": setting.concurrency},
        stop=setting.stop,
        margins={LATENCY.name: MARGIN},
        **fields,
    )


def declared_of(experiment: Experiment) -> Declared:
    """Return what the looks of an experiment compare, as its run declares it."""
    looked = planned(experiment, plan.looks(experiment, len(experiment.queries)))
    assert looked is not None
    settings = Settings(margins=experiment.margins, correction="holm", confidence=1 - ALPHA, seed=7, looked=looked)
    return Declared(metrics=(LATENCY,), contrasts=(CONTRAST,), settings=settings)


def finished(trials: Sequence[Trial], took_s: dict[str, float], slots: int) -> Iterator[Trial]:
    """Yield trials as they end: ``slots`` at a time, window after window."""
    now_s = 0.0
    for _, members in groupby(trials, key=lambda trial: trial.window):
        in_flight: list[tuple[float, str]] = []
        by_id = {}
        for trial in members:
            by_id[trial.trial_id] = trial
            if len(in_flight) == slots:
                now_s, ended = heapq.heappop(in_flight)
                yield by_id[ended]
            heapq.heappush(in_flight, (now_s + took_s[trial.trial_id], trial.trial_id))
        while in_flight:
            now_s, ended = heapq.heappop(in_flight)
            yield by_id[ended]


def durations(setting: Setting, trials: Sequence[Trial], ratio: float, rng: np.random.Generator) -> dict[str, float]:
    """Draw how long each trial takes; drift is a random walk over windows, of this standard deviation in the whole run."""
    level = rng.normal(0, setting.between, setting.queries)
    differs = rng.normal(0, setting.differs, setting.queries)
    noise = rng.normal(0, setting.within, len(trials))
    windows = max(trial.window for trial in trials) + 1
    mood = rng.normal(0, setting.drift, windows).cumsum() / sqrt(windows)
    took_s = {}
    for trial, one in zip(trials, noise, strict=True):
        query = int(trial.query_id[1:])
        own = differs[query] + log(ratio) if trial.arm == CANDIDATE else 0.0
        took_s[trial.trial_id] = setting.median_s * float(np.exp(level[query] + own + one + mood[trial.window]))
    return took_s


def run(setting: Setting, trials: Sequence[Trial], declared: Declared, took_s: dict[str, float]) -> Found:
    """Run a plan until a look stops it, and compare the arms as its report does."""
    looks, rows, done, decided = Looks(declared, plan=trials), [], [], None
    for trial in finished(trials, took_s, setting.concurrency):
        value = took_s[trial.trial_id]
        done.append(trial)
        rows.append({"query_id": trial.query_id, "arm": trial.arm, "repeat": trial.repeat, "outcome": "answered"})
        rows[-1] |= {"window": trial.window, "block": trial.block, "weight": trial.weight, LATENCY.name: value}
        if decided := looks.settled(trial, {LATENCY.name: value}):
            break
    at = decided.at if decided else declared.looked
    frame = measured(pl.DataFrame(rows).filter(pl.col("block") < at.before[at.look - 1]))
    ended = Declared(metrics=declared.metrics, contrasts=declared.contrasts, settings=with_look(declared, at))
    found = [at_look(frame, LATENCY, at, baseline=BASELINE, candidate=CANDIDATE, settings=ended.settings)]
    (comparison,) = corrected(verdicts(found, ended.settings), found, (), ended)
    return Found(trials=tuple(done), asked=len(rows) / len(trials), stopped=decided is not None, comparison=comparison)


def with_look(declared: Declared, at: Any) -> Settings:
    """Return the settings of a run that ended at this look."""
    return replace(declared.settings, looked=at)


def table(settings: Sequence[Setting], effects: Sequence[float], runs: int) -> Iterator[str]:
    """Yield the rows of the table."""
    heads = (
        "plan",
        "true ratio",
        "asked %",
        "better or worse %",
        "equivalent %",
        "covered %",
        "covered of stopped %",
        "above %",
    )
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for setting in settings:
        experiment = experiment_of(setting, seed=7)
        trials, declared = plan.build(experiment, experiment.queries), declared_of(experiment)
        for ratio in effects:
            rng = np.random.default_rng(1)
            found = [run(setting, trials, declared, durations(setting, trials, ratio, rng)) for _ in range(runs)]
            said = [one.comparison for one in found]
            different = sum(one.verdict in {Verdict.BETTER, Verdict.WORSE} for one in said)
            equivalent = sum(one.verdict is Verdict.EQUIVALENT for one in said)
            covers = [covered(one, ratio) for one in said]
            stopped = [covers_it for covers_it, one in zip(covers, found, strict=True) if one.stopped]
            above = sum((one.effect.value or 0.0) > ratio for one in said)
            cells = (
                f"{100 * np.mean([one.asked for one in found]):.1f}",
                share(different, runs),
                share(equivalent, runs),
                share(sum(covers), runs),
                share(sum(stopped), len(stopped)),
                share(above, runs),
            )
            yield f"| {setting.name} | {ratio:g} | {' | '.join(cells)} |"


def covered(found: Comparison, ratio: float) -> bool:
    """Whether the interval of a comparison holds the true ratio."""
    lo, hi = found.effect.lo, found.effect.hi
    return lo is not None and hi is not None and lo <= ratio <= hi


def share(count: int, of: int) -> str:
    """Return a share in percent with its Monte Carlo standard error."""
    if not of:
        return ""
    rate = count / of
    return f"{100 * rate:.1f} ± {100 * sqrt(max(rate * (1 - rate), 1 / of) / of):.1f}"


def main() -> None:
    """Print a row for each setting and effect."""
    parser = argparse.ArgumentParser(description="Simulate runs with interim looks.")
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--settings", type=int, nargs="*", help="numbers of the settings, from 0")
    parser.add_argument("--effects", type=float, nargs="*", default=EFFECTS)
    said = parser.parse_args()
    settings = SETTINGS if said.settings is None else [SETTINGS[number] for number in said.settings]
    for row in table(settings, said.effects, said.runs):
        print(row, flush=True)


if __name__ == "__main__":
    main()

"""Runs without a difference, through the product's plan, its windows and its interim looks.

    PYTHONPATH=tests python -m calibration.looks --runs 1000

prints how often a run without a difference stops early, and how often its report has a p below 5 %.
Trials take their time on a server with slots, so the slow answers of a turn come last.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import sqrt

import numpy as np
from experiments import built, queries
from frames import BASELINE, CANDIDATE, LATENCY

from uderia_bench.analysis.interim import Looks
from uderia_bench.runner import plan
from uderia_bench.trial import Trial

ALPHA = 0.05
LOOKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A plan, and standard deviations of log latency: of a query's level, of its difference, and within a query."""

    queries: int
    repeats: int
    concurrency: int
    between: float
    within: float
    differs: float = 0.15
    median_s: float = 20.0


SETTINGS = (
    Setting(queries=100, repeats=1, concurrency=64, between=0.3, within=0.5),
    Setting(queries=100, repeats=1, concurrency=64, between=0.8, within=0.3),
    Setting(queries=50, repeats=1, concurrency=64, between=0.3, within=0.5),
    Setting(queries=100, repeats=2, concurrency=64, between=0.3, within=0.5),
    Setting(queries=100, repeats=5, concurrency=8, between=0.8, within=0.3),
    Setting(queries=100, repeats=1, concurrency=64, between=0.3, within=0.5, median_s=60.0),
)


def planned(setting: Setting, seed: int) -> tuple[Trial, ...]:
    """Return the plan of a setting with interim looks."""
    asked = queries(setting.queries)
    experiment = built(
        asked,
        arms=(BASELINE, CANDIDATE),
        repeats=setting.repeats,
        warmup=0,
        seed=seed,
        load={"concurrency": setting.concurrency},
        stop={"metric": LATENCY.name, "looks": LOOKS},
    )
    return plan.build(experiment, asked)


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


def without_difference(setting: Setting, trials: Sequence[Trial], rng: np.random.Generator) -> tuple[bool, float, int]:
    """Run a plan on two equal arms; return whether it stopped early, the reported p and the trials saved."""
    level = rng.normal(0, setting.between, setting.queries)
    differs = rng.normal(0, setting.differs, setting.queries)
    noise = rng.normal(0, setting.within, len(trials))
    took_s = {}
    for trial, one in zip(trials, noise, strict=True):
        query = int(trial.query_id[1:])
        own = differs[query] if trial.arm == CANDIDATE else 0.0
        took_s[trial.trial_id] = setting.median_s * float(np.exp(level[query] + own + one))
    contrast = (BASELINE, CANDIDATE)
    looks = Looks(LATENCY, looks=LOOKS, plan=trials, contrasts=(contrast,), confidence=1 - ALPHA, seed=7)
    stopped = any(looks.settled(trial, took_s[trial.trial_id]) for trial in finished(trials, took_s, setting.concurrency))
    found = looks.ended()
    return stopped, found.p_values[0], found.saved


def main() -> None:
    """Print a row for each setting."""
    parser = argparse.ArgumentParser(description="Simulate runs without a difference.")
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args().runs
    print("| queries | repeats | concurrency | sd between | sd within | median s | stopped early % | p < .05 % | ± |")
    print("|---|---|---|---|---|---|---|---|---|")
    for setting in SETTINGS:
        trials, rng = planned(setting, seed=7), np.random.default_rng(1)
        found = [without_difference(setting, trials, rng) for _ in range(runs)]
        early, rejected = (sum(flags) / runs for flags in zip(*((one, p < ALPHA) for one, p, _ in found), strict=True))
        error = sqrt(max(rejected * (1 - rejected), 1 / runs) / runs)
        cells = (
            setting.queries,
            setting.repeats,
            setting.concurrency,
            setting.between,
            setting.within,
            f"{setting.median_s:g}",
        )
        print(f"| {' | '.join(map(str, cells))} | {100 * early:.1f} | {100 * rejected:.1f} | {100 * error:.1f} |", flush=True)


if __name__ == "__main__":
    main()

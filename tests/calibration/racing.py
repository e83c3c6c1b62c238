"""Races of five arms through the product's plan and looks: who is left, and after how many trials.

    PYTHONPATH=tests python -m calibration.racing --runs 300

The fixed design is 100 queries asked five times on each arm: 2,500 trials.
"""

from __future__ import annotations

import argparse
from math import sqrt

import numpy as np
from experiments import built, queries
from frames import LATENCY

from uderia_bench.analysis.interim import Declared, Looks
from uderia_bench.analysis.settings import Settings
from uderia_bench.runner import plan
from uderia_bench.runs.interim import planned

ARMS = ("A", "B", "C", "D", "E")
FIXED = 2_500
BETWEEN, WITHIN, DIFFERS = 0.8, 0.3, 0.15


def main() -> None:
    """Print a row for each truth."""
    parser = argparse.ArgumentParser(description="Simulate races.")
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--queries", type=int, default=500, help="asked once on each arm; 500 is the bill of the fixed design")
    parser.add_argument("--ratios", type=float, nargs="*", default=(1.0, 0.9, 0.88, 0.85, 0.8), help="of the good arm")
    said = parser.parse_args()
    asked = queries(said.queries)
    experiment = built(asked, arms=ARMS, repeats=1, warmup=0, margins={LATENCY.name: 0.1}, race=True)
    trials = plan.build(experiment, asked)
    looked = planned(experiment, plan.looks(experiment, said.queries))
    settings = Settings(margins=experiment.margins, correction="holm", confidence=0.95, seed=7, looked=looked)
    contrasts = tuple((one.baseline, one.candidate) for one in experiment.contrasts)
    declared = Declared(metrics=(LATENCY,), contrasts=contrasts, settings=settings)
    heads = ("one good arm", f"trials, of {FIXED} fixed", "good arm alone %", "any arm alone %", "good arm dropped %")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for ratio in said.ratios:
        rng = np.random.default_rng(3)
        counts, alone, good, lost = [], 0, 0, 0
        for _ in range(said.runs):
            level = rng.normal(0, BETWEEN, said.queries)
            differs = rng.normal(0, DIFFERS / sqrt(2), (said.queries, len(ARMS)))
            noise = iter(rng.normal(0, WITHIN, len(trials)))
            looks, count = Looks(declared, plan=trials), 0
            for trial in trials:
                query, arm, own = int(trial.query_id[1:]), ARMS.index(trial.arm), next(noise)
                if trial.arm in looks.dropped:
                    continue
                count += 1
                took = 20 * np.exp(level[query] + differs[query, arm] + own) * (ratio if arm == 0 else 1.0)
                if looks.settled(trial, {LATENCY.name: float(took)}) is not None:
                    break
            left = set(ARMS) - set(looks.dropped)
            counts.append(count)
            alone += len(left) == 1
            good += left == {ARMS[0]}
            lost += ARMS[0] in looks.dropped
        error = np.std(counts) / sqrt(said.runs)
        name = "none, all equal" if ratio == 1 else f"{100 * (ratio - 1):.0f} %"
        rates = (good, alone, lost)
        shares = (
            f"{100 * n / said.runs:.1f} ± {100 * sqrt(max(n * (said.runs - n), said.runs) / said.runs**3):.1f}" for n in rates
        )
        print(f"| {name} | {np.mean(counts):.0f} ± {error:.0f} | {' | '.join(shares)} |", flush=True)


if __name__ == "__main__":
    main()

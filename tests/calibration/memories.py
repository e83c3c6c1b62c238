"""Calibration of what memory is worth, and of the old comparison of warm with cold trials.

    PYTHONPATH=tests python -m calibration.memories --seeds 100

prints how often the interval of the planning tokens covers the truth. Without an effect, it prints how often any
metric has a verdict, and how often the comparison of warm with cold trials of one arm excludes the truth.
"""

import argparse
from functools import lru_cache

import numpy as np
import polars as pl
from experiments import built, query

from uderia_bench.analysis.learning import learned
from uderia_bench.analysis.memory import METRICS, Declared, scores
from uderia_bench.analysis.settings import Settings
from uderia_bench.analysis.trials import measured
from uderia_bench.analysis.values import Verdict
from uderia_bench.reading.metrics import BUILT_IN
from uderia_bench.runner import plan

QUERIES, REPEATS = 40, 4
SAVING, USED = 0.20, 0.9
PLANNING, BETWEEN, NOISE = 7000.0, 0.3, 0.1
DRIFT = 0.06  # of tokens and times from the start to the end of a run, as a model that answers ever shorter
CALLED = {Verdict.BETTER, Verdict.WORSE, Verdict.EQUIVALENT}
STATES = Declared(states={"cold": "off", "warm": "frozen"}, profiles={"cold": "p", "warm": "p"})


@lru_cache
def planned():
    """Return the plan of the run, which is the same for every seed."""
    arms = [{"name": name, "profile": "OPTIM", "memory": state} for name, state in STATES.states.items()]
    asked = tuple(query(f"q{number}") for number in range(QUERIES))
    return plan.build(built(asked, arms=arms, manage_server=True, repeats=REPEATS, warmup=0), asked)


def drawn(rng, *, saving):
    """Draw the trials of a run: memory saves a share of the planning tokens of the trials that find a plan."""
    trials = planned()
    count = len(trials)
    number = np.array([int(trial.query_id[1:]) for trial in trials])
    warm = np.array([trial.arm == "warm" for trial in trials])
    found = warm & (rng.random(count) < USED)
    drift = 1 - DRIFT * (np.arange(count) / (count - 1) - 0.5)

    def amounts(mean, between=BETWEEN):
        level = mean * np.exp(rng.normal(0, between, QUERIES) - between**2 / 2)
        return level[number] * np.exp(rng.normal(0, NOISE, count) - NOISE**2 / 2) * drift

    strategic = np.rint(amounts(PLANNING) * np.where(found, 1 - saving, 1.0))
    tactical, report = np.rint(amounts(2500.0, 0.5)), np.rint(amounts(1200.0))
    corrections = rng.poisson(rng.gamma(1.0, 0.15, QUERIES)[number])
    correction = np.rint(900.0 * corrections)
    return pl.DataFrame(
        {
            "run_id": "run",
            "trial_id": [trial.trial_id for trial in trials],
            "query_id": [trial.query_id for trial in trials],
            "arm": [trial.arm for trial in trials],
            "repeat": [trial.repeat for trial in trials],
            "seq": [trial.seq for trial in trials],
            "window": [trial.window for trial in trials],
            "outcome": np.where(rng.random(count) < 0.97, "answered", "failed"),
            "profile_type": "tool_enabled",
            "strategic_tokens": strategic.astype(int),
            "tactical_tokens": tactical.astype(int),
            "report_tokens": report.astype(int),
            "correction_tokens": correction.astype(int),
            "total_tokens": (strategic + tactical + report + correction).astype(int),
            "latency_s": amounts(8.0, 0.6),
            "phases": 2 + (rng.random(QUERIES) < 0.4)[number] + (rng.random(count) < 0.1),
            "corrections": corrections,
            "checks_passed_ratio": (rng.random(count) < rng.beta(9, 1, QUERIES)[number]).astype(float),
            "rag_used": found,
            "rag_exact": [True if one else None for one in found],
            "rag_case": [f"c{query}" if one else None for query, one in zip(number, found, strict=True)],
        }
    )


def as_it_was(rng, *, saving):
    """Draw one arm whose memory fills as it is asked: the first repeat of each query is cold, and the later ones are warm."""
    frame = drawn(rng, saving=0.0).filter(pl.col("arm") == "warm")
    later = pl.col("repeat") > 1
    return frame.with_columns(
        rag_used=later,
        strategic_tokens=pl.when(later).then(pl.col("strategic_tokens") * (1 - saving)).otherwise(pl.col("strategic_tokens")),
        total_tokens=pl.col("total_tokens") - pl.when(later).then(pl.col("strategic_tokens") * saving).otherwise(0),
    )


METRICS_READ = tuple(metric for metric in BUILT_IN if metric.name in METRICS)


def settings(seed):
    """Return how a run is analysed by default."""
    return Settings(margins={}, correction="holm", confidence=0.95, seed=seed)


def scored(seed, *, saving):
    """Return the score of one run."""
    (score,) = scores(
        measured(drawn(np.random.default_rng(seed), saving=saving)), METRICS_READ, STATES, settings=settings(seed)
    )
    return score


def covers(effect, truth):
    """Whether an interval has the truth in it."""
    return effect.lo is not None and effect.hi is not None and effect.lo <= truth <= effect.hi


def effect_covered(seed):
    """Return whether the planning tokens have a verdict, whether the interval covers the truth, and the same per found plan."""
    score = scored(seed, saving=SAVING)
    (planning,) = [one for one in score.comparisons if one.metric == "strategic_tokens"]
    per_use = score.per_use["strategic_tokens"]
    truth = -SAVING * PLANNING
    return planning.verdict is Verdict.BETTER, covers(planning.effect, truth * USED), covers(per_use, truth)


def any_verdict(seed):
    """Return whether any metric has a verdict although memory has no effect."""
    return any(one.verdict in CALLED for one in scored(seed, saving=0.0).comparisons)


def before_after_misled(seed):
    """Return whether warm compared with cold trials exclude an effect of 0 on the total tokens, where there is none."""
    (arm,) = learned(measured(as_it_was(np.random.default_rng(seed), saving=0.0)), METRICS_READ, settings=settings(seed))
    (total,) = [one for one in arm.effects if one.metric == "total_tokens"]
    return not covers(total.effect, 1.0)


def main():
    """Print the four shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    said = parser.parse_args()
    seeds = range(said.first, said.first + said.seeds)
    found, covered, per_use = (sum(each) for each in zip(*map(effect_covered, seeds), strict=True))
    of = len(seeds)
    print(f"saves 20 % of the planning tokens: verdict in {found} of {of}, interval covers the truth in {covered},")
    print(f"  per found plan in {per_use}")
    print(f"no effect: a verdict on any metric in {sum(map(any_verdict, seeds))} of {of}")
    print(f"no effect: warm compared with cold excludes 0 in {sum(map(before_after_misled, seeds))} of {of}")


if __name__ == "__main__":
    main()

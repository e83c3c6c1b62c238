"""Pilots of 30 queries asked twice, the design that ``power`` recommends from each, and how often it reaches a verdict.

    PYTHONPATH=tests python -m calibration.pilots --pilots 1000

The rate of a design is computed with the true spread. ``calibration.looks`` checks such rates with the
product's looks.
"""

from __future__ import annotations

import argparse
from functools import cache
from math import log1p, sqrt

import numpy as np
from experiments import built, queries
from frames import BASELINE, CANDIDATE, LATENCY, grid

from uderia_bench.analysis.designs import Assumed, Price, assumed, designs
from uderia_bench.analysis.pairs import pair, side
from uderia_bench.analysis.trials import measured
from uderia_bench.reading.metrics.metric import Assumption
from uderia_bench.runner import plan
from uderia_bench.runs.interim import planned
from uderia_bench.stats.design import Rule, Spread, expect

BETWEEN, WITHIN, MARGIN = 0.15, 0.3, 0.10
PILOT = 30, 2
FREE = Price(tokens=None, usd=None, seconds=None, source="none")


@cache
def rule(asked: int, repeats: int) -> Rule:
    """Return the looks of a design, as the product plans them."""
    experiment = built(queries(3), repeats=repeats, warmup=0, margins={LATENCY.name: MARGIN}, stop={"looks": 10})
    looks = plan.looks(experiment, asked)
    said = planned(experiment, looks)
    assert said is not None
    return Rule(shares=said.shares, asked=tuple(end / looks[-1][0] for end, _ in looks), shape=said.shape, alpha=0.05)


def pilot(rng: np.random.Generator) -> Assumed:
    """Ask a pilot, and return what ``power`` takes from it."""
    asked, repeats = PILOT
    cell = rng.normal(0, BETWEEN / sqrt(2), (asked, 2))
    noise = rng.normal(0, WITHIN, (asked, 2, repeats + 1))
    frame = grid(
        queries=asked,
        repeats=repeats,
        value=lambda query, arm, repeat: float(
            np.exp(cell[query, int(arm == CANDIDATE)] + noise[query, int(arm == CANDIDATE), repeat])
        ),
    )
    trials = measured(frame)
    baseline, candidate = (side(trials, LATENCY, arm, where=trials.asked) for arm in (BASELINE, CANDIDATE))
    pairs = pair(baseline, candidate, LATENCY)
    found = assumed(LATENCY, MARGIN, pairs, run_id="pilot")
    assert found is not None
    return found


@cache
def true_rate(asked: int, repeats: int, effect: float) -> float:
    """Return how often a design reaches the right verdict with the true spread."""
    spread = Spread(margin=log1p(MARGIN), variance=BETWEEN**2 + 2 * WITHIN**2 / repeats)
    return expect(rule(asked, repeats), [spread], effect=effect, queries=asked).rate


def main() -> None:
    """Print how often the recommended designs reach the promised rate, on average and in the worst tenth."""
    parser = argparse.ArgumentParser(description="Simulate pilots.")
    parser.add_argument("--pilots", type=int, default=200)
    parser.add_argument("--effect", type=float, default=0.2)
    said = parser.parse_args()
    rng = np.random.default_rng(5)
    rates: dict[tuple[float, int], list[tuple[int, float, float]]] = {}
    for _ in range(said.pilots):
        for found in designs(
            [pilot(rng)], effect=said.effect, rule=rule, arms=2, warmups=0, price=FREE, slots=8, draw=None, repeats=(1, 2)
        ):
            truths = (log1p(-said.effect), 0.0)
            rate = tuple(true_rate(found.queries, found.repeats, truth) for truth in truths)
            rates.setdefault((found.chance, found.repeats), []).append((found.queries, *rate))
    heads = ("promised", "repeats", "queries, 10 to 90 %", "found", "same found", "±", "lower of both, 10 %")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for (chance, repeats), each in sorted(rates.items()):
        sizes, with_effect, without = np.array(each).T
        lower = np.minimum(with_effect, without)
        error = 100 * without.std() / sqrt(without.size)
        spread = "{:.0f} to {:.0f}".format(*np.quantile(sizes, (0.1, 0.9)))
        cells = (
            f"{chance:.0%}",
            repeats,
            spread,
            *(f"{100 * value:.1f}" for value in (with_effect.mean(), without.mean(), error / 100, np.quantile(lower, 0.1))),
        )
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    assert Assumption.POSITIVE is LATENCY.assumption
    main()

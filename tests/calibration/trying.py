"""Tests of ten changes, as ``try`` makes them: false adoptions, helpful changes adopted, and trials asked.

    PYTHONPATH=tests python -m calibration.trying --seeds 100

Of the ten, three save 15 %, five do nothing and two cost 15 % more. Spreads are those of
``calibration.designs``. Both stages go through the product's plan, its race and its report.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import cache
from math import sqrt
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
from calibration.designs import BETWEEN, INTERACTION, WITHIN
from experiments import built, queries
from frames import LATENCY

from uderia_bench.analysis.analyse import analyse
from uderia_bench.analysis.interim import Declared, Looks
from uderia_bench.analysis.settings import Settings
from uderia_bench.analysis.values import Comparison, Verdict
from uderia_bench.commands.trying import declared
from uderia_bench.commands.trying.stages import KEEP, LOOKS
from uderia_bench.report import trying
from uderia_bench.runner import plan
from uderia_bench.runs.interim import planned
from uderia_bench.stats.online import level

PROFILE, MARGIN, TYPICAL = "as-is", 0.05, 20.0
HELPFUL, IDLE, HARMFUL = ("a", "b", "c"), ("d", "e", "f", "g", "h"), ("i", "j")
CHANGES = (*HELPFUL, *IDLE, *HARMFUL)
TRUTH = {PROFILE: 1.0} | dict.fromkeys(HELPFUL, 0.85) | dict.fromkeys(IDLE, 1.0) | dict.fromkeys(HARMFUL, 1.15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One test: what was adopted, how many trials it asked, and what the winners seemed to save in each stage."""

    adopted: tuple[str, ...]
    trials: int
    screened: float
    confirmed: float


def one_test(queries_asked: int, rng: np.random.Generator, *, truth=TRUTH, alpha: float = 0.05) -> Result:
    """Make one test on as many queries."""
    parts = declared.halves(queries(queries_asked), seed=int(rng.integers(2**31)))
    own = rng.normal(0, INTERACTION / sqrt(2), (queries_asked, len(truth)))
    base = rng.normal(0, BETWEEN, queries_asked)
    places = {arm: place for place, arm in enumerate(truth)}

    def value(query_id: str, arm: str) -> float:
        number = int(query_id[1:])
        logs = base[number] + own[number, places[arm]] + rng.normal(0, WITHIN)
        return float(TYPICAL * np.exp(logs) * truth[arm])

    rows, dropped = _screened(tuple(parts.screen), tuple(truth), value)
    seen = _report(rows, 0.95)
    lock: Any = SimpleNamespace(arm=PROFILE, metric=LATENCY.name, candidates=[arm for arm in truth if arm != PROFILE])
    run: Any = SimpleNamespace(manifest=SimpleNamespace(decided=SimpleNamespace(at=SimpleNamespace(dropped=dropped))))
    left = trying.promising(lock, run, seen, keep=KEEP)
    if not left:
        return Result(adopted=(), trials=len(rows), screened=1.0, confirmed=1.0)
    confirming = [_row(query.id, arm, value(query.id, arm), 0) for query in parts.confirm for arm in (PROFILE, *left)]
    found = _report(confirming, 1 - level((), alpha))
    adopted = tuple(each.candidate for each in _overall(found) if each.verdict is Verdict.BETTER)
    effects = [
        np.mean([each.effect.value for each in _overall(report) if each.candidate in adopted] or [1.0])
        for report in (seen, found)
    ]
    return Result(adopted=adopted, trials=len(rows) + len(confirming), screened=effects[0], confirmed=effects[1])


@cache
def _plan(asked, arms):
    experiment = built(
        asked, arms=arms, repeats=1, warmup=0, margins={LATENCY.name: MARGIN}, race={"keep": KEEP}, stop={"looks": LOOKS}
    )
    trials = plan.build(experiment, asked)
    looked = planned(experiment, plan.looks(experiment, len(asked)))
    settings = Settings(margins=experiment.margins, correction="holm", confidence=0.95, seed=7, looked=looked)
    contrasts = tuple((one.baseline, one.candidate) for one in experiment.contrasts)
    return trials, Declared(metrics=(LATENCY,), contrasts=contrasts, settings=settings)


def _screened(asked, arms, value) -> tuple[list[dict[str, Any]], tuple[tuple[str, int], ...]]:
    """Race the changes; return the trials that were asked, and what was dropped."""
    trials, rule = _plan(asked, arms)
    looks, rows = Looks(rule, plan=trials), []
    for trial in trials:
        if trial.arm in looks.dropped:
            continue
        took = value(trial.query_id, trial.arm)
        rows.append(_row(trial.query_id, trial.arm, took, trial.block))
        if decision := looks.settled(trial, {LATENCY.name: took}):
            return rows, decision.at.dropped
    return rows, tuple(looks.dropped.items())


def _row(query_id: str, arm: str, took: float, block: int) -> dict[str, Any]:
    return {"query_id": query_id, "arm": arm, "repeat": 1, "outcome": "answered", LATENCY.name: took, "block": block}


def _report(rows: list[dict[str, Any]], confidence: float) -> Any:
    """Compare every change with the profile as it is."""
    frame = pl.DataFrame(rows)
    arms = [arm for arm in frame["arm"].unique(maintain_order=True) if arm != PROFILE]
    found = analyse(
        frame,
        metrics=(LATENCY,),
        contrasts=tuple((PROFILE, arm) for arm in arms),
        margins={LATENCY.name: MARGIN},
        correction="holm",
        confidence=confidence,
        seed=7,
    )
    return SimpleNamespace(analysis=found, metrics=(LATENCY,))


def _overall(report: Any) -> list[Comparison]:
    return [each for each in report.analysis.comparisons if each.metric == LATENCY.name and each.stratum == "all"]


def main() -> None:
    """Print a row for each number of queries."""
    parser = argparse.ArgumentParser(description="Simulate tests of ten changes.")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--queries", type=int, nargs="+", default=[160, 250, 350])
    said = parser.parse_args()
    heads = ("queries", "false adoptions", "each helpful adopted", "trials", "of the full test", "screening", "confirmation")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for asked in said.queries:
        rng = np.random.default_rng(11)
        found = [one_test(asked, rng) for _ in range(said.seeds)]
        false = sum(not set(each.adopted) <= set(HELPFUL) for each in found)
        helpful = min(sum(change in each.adopted for each in found) for change in HELPFUL)
        trials = float(np.mean([each.trials for each in found]))
        won = [each for each in found if each.adopted]
        saved = (1 - np.mean([getattr(each, stage) for each in won]) for stage in ("screened", "confirmed"))
        shares = (f"{share:.1%}" for share in saved)
        full = asked * (len(CHANGES) + 1)
        counts = (asked, f"{false} of {said.seeds}", f"{helpful} of {said.seeds}", f"{trials:.0f}", f"{trials / full:.0%}")
        print(f"| {' | '.join(map(str, (*counts, *shares)))} |", flush=True)


if __name__ == "__main__":
    main()

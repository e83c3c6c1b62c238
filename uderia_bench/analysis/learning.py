"""The effect of a planner's memory: the share of warm repeats, and their time, tokens and success.

Warm and cold trials of the same query on the same arm are paired. The server chooses which plans it
stores, and without pairs a query that is easy to remember would look fast. A warm trial comes later than
its cold trial. If the order of repeats also has an effect, these numbers include it, and ``drift`` reports it.
"""

from __future__ import annotations

import numpy as np

from uderia_bench.analysis.contrast import EXPLORATORY, Measurement
from uderia_bench.analysis.effects import measure
from uderia_bench.analysis.families import verdicts
from uderia_bench.analysis.pairs import pair, side
from uderia_bench.analysis.settings import Settings
from uderia_bench.analysis.trials import Trials
from uderia_bench.analysis.values import Learning
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.stats.arrays import Mask
from uderia_bench.stats.mean import cluster_mean

MEMORY = "rag_used"
WORTH = ("latency_s", "total_tokens", "answered")  # time, tokens and success


def learned(trials: Trials, metrics: tuple[Metric, ...], *, settings: Settings) -> tuple[Learning, ...]:
    """Describe every arm on which some trials used memory; nothing where the frame does not say."""
    if MEMORY not in trials.frame.columns:
        return ()
    used = trials.column(MEMORY)
    return tuple(
        _learning(trials, metrics, arm, used == 1, settings) for arm in trials.arms if (used[:, trials.arm(arm)] == 1).any()
    )


def _learning(trials: Trials, metrics: tuple[Metric, ...], arm: str, warm: Mask, settings: Settings) -> Learning:
    """Describe one arm."""
    index = trials.arm(arm)
    again = trials.asked[:, index] & (np.cumsum(trials.asked[:, index], axis=1) > 1)
    repeats = np.where(again, warm[:, index].astype(np.float64), np.nan)
    found = []
    for metric in metrics:
        if metric.name not in WORTH:
            continue
        cold_side = side(trials, metric, arm, where=trials.asked & ~warm, name=f"{arm} cold")
        warm_side = side(trials, metric, arm, where=trials.asked & warm, name=f"{arm} warm")
        pairs = pair(cold_side, warm_side, metric)
        found.append(
            Measurement(
                metric=metric,
                baseline=cold_side.name,
                candidate=warm_side.name,
                stratum=f"arm={arm}",
                family=EXPLORATORY,
                pairs=pairs,
                measured=measure(pairs, metric, confidence=settings.confidence, seed=settings.seed),
                only_shown=None,
                invalid=(),
                beside={},
                warnings=("a warm trial comes after its cold one: an effect of order is in this number", *pairs.warnings),
            )
        )
    counted = np.isfinite(repeats)
    return Learning(
        arm=arm,
        warm=cluster_mean(
            repeats[counted],
            np.unique(np.nonzero(counted)[0], return_inverse=True)[1],
            bounded=True,
            level=settings.confidence,
            seed=settings.seed,
        ),
        effects=verdicts(found, settings),
    )

"""Coverage of the intervals of one arm, by the functions that compute them: means, percentiles, proportions.

Times are the plain design's baseline (logs with sd 0.8 between queries and 0.3 within, five repeats), whose population values
are known in closed form: a log-normal of both spreads together.
"""

from dataclasses import dataclass

import numpy as np
from calibration.designs import BETWEEN, REPEATS, WITHIN, log_times
from calibration.study import BATCH, CONFIDENCE, share
from scipy.special import ndtri

from uderia_bench.stats.mean import cluster_mean, geometric_mean
from uderia_bench.stats.percentile import PERCENTS, percentiles

SPREAD = float(np.hypot(BETWEEN, WITHIN))
RATES = {"rate of .6": (0.6, 4, REPEATS), "rate of .95": (0.95, 10, REPEATS), "rate of .95, one repeat": (0.95, 10, 1)}
TRUTHS = {
    "mean seconds": float(np.exp(SPREAD**2 / 2)),
    "geometric mean seconds": 1.0,
    **{f"p{percent} seconds": float(np.exp(SPREAD * ndtri(percent / 100))) for percent in PERCENTS},
    **{name: chance for name, (chance, _, _) in RATES.items()},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """Of the intervals of one estimate the share that held the truth, None of none; and the share of estimates without."""

    covered: float | None
    bare: float


def measure(rng, *, replications, queries):
    """Draw ``replications`` arms and return a Cover by estimate."""
    held = {name: [] for name in TRUTHS}
    for start in range(0, replications, BATCH):
        size, seed = min(BATCH, replications - start), int(rng.integers(2**31))
        times = log_times(rng, size, queries, 0.0)[0]
        rates = {
            name: rng.binomial(
                1, rng.beta(middle * spread, (1 - middle) * spread, (size, queries, 1)), (size, queries, repeats)
            )
            for name, (middle, spread, repeats) in RATES.items()
        }
        for at in range(size):
            said = seconds(times[at], seed=seed) | {
                name: mean(drawn[at].astype(float), bounded=True, seed=seed) for name, drawn in rates.items()
            }
            for name, truth in TRUTHS.items():
                low, high = said[name].lo, said[name].hi
                held[name].append(None if low is None or high is None else low <= truth <= high)
    return {
        name: Cover(covered=share(one for one in seen if one is not None), bare=seen.count(None) / replications)
        for name, seen in held.items()
    }


def mean(values, *, bounded, seed):
    """Estimate the mean of ``(queries, repeats)``."""
    units = np.repeat(np.arange(values.shape[0]), values.shape[1])
    return cluster_mean(values.ravel(), units, bounded=bounded, level=CONFIDENCE, seed=seed)


def seconds(logs, *, seed):
    """Estimate every statistic of an arm's times that a report shows."""
    units = np.repeat(np.arange(logs.shape[0]), logs.shape[1])
    found = percentiles(np.exp(logs).ravel(), units, level=CONFIDENCE, seed=seed)
    return {
        "mean seconds": mean(np.exp(logs), bounded=False, seed=seed),
        "geometric mean seconds": geometric_mean(np.exp(logs).ravel(), units, level=CONFIDENCE, seed=seed),
        **{f"p{percent} seconds": estimate for percent, estimate in found.items()},
    }

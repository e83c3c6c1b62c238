"""Effects that a mean of logs hides: the total, the slow tail and unusually slow trials.

A geometric mean ignores a few very slow trials. Users wait for them and pay for them. So a verdict
that the total or the tail contradicts is withheld (``verdict``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, log

import numpy as np

from uderia_bench.analysis.pairs import Pairs
from uderia_bench.stats.arrays import Codes, Floats, Mask, scale
from uderia_bench.stats.bootstrap import UNITS_FLOOR
from uderia_bench.stats.difference import mean_test
from uderia_bench.stats.estimate import Estimate
from uderia_bench.stats.inference import two_sided_p
from uderia_bench.stats.percentile import percentile_ratios
from uderia_bench.stats.ratio import ratio_of_means
from uderia_bench.stats.robust import has_outliers, trimmed_mean
from uderia_bench.stats.weighting import repeated

PERCENTS = (50, 90, 95)
TAIL = 95  # the percentile that can contradict a verdict

# A trial is slow where it takes this many times the usual value of its query. At 2 the ordinary spread
# of a query reaches it in 3 % of trials, and hides a few that hang.
SLOW = 2.5

# Arms differ in slow trials where their shares differ by two in a hundred, at 1 %. Simulated on 100
# x 5 trials, 6 % of them five times as long on one arm: none of 200 runs stays equivalent. With equal
# tails, 1 of 100 equivalent runs loses its verdict to the total, p95 and slow trials together.
SLOW_SHARE, SLOW_BELOW = 0.02, 0.01

# Below, too few queries show whether a few expensive ones decide the totals. From here on Fieller's interval covers 95 to 98 %
# of 3,000 simulated runs, also where 3 % of the trials take six times as long. BCa covers 88 to 95 % there.
TOTALS_FLOOR = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Tails:
    """Candidate / baseline: the ratio of totals, the ratios of percentiles, and each arm's share of slow trials.

    ``slow_p`` tests that the shares of slow trials are equal. ``robust`` is the ratio from a
    trimmed mean, where the trials have outliers.
    """

    total: Estimate
    percentiles: dict[int, Estimate]
    slow: tuple[float, float]
    slow_p: float
    robust: Estimate | None

    def beside(self) -> dict[str, float | None]:
        """Return everything by name, for a report."""
        named = {"ratio_of_totals": self.total, **{f"p{percent}_ratio": one for percent, one in self.percentiles.items()}}
        if self.robust is not None:
            named["robust_ratio"] = self.robust
        found: dict[str, float | None] = {}
        for name, one in named.items():
            found |= {name: one.value, f"{name}_lo": one.lo, f"{name}_hi": one.hi}
        return found | {
            "slow_share_baseline": self.slow[0],
            "slow_share_candidate": self.slow[1],
            "slow_share_p": self.slow_p,
        }

    @property
    def slower(self) -> int:
        """1 where the candidate has more slow trials, -1 where the baseline has, 0 where no difference is certain."""
        apart = self.slow[1] - self.slow[0]
        return int(np.sign(apart)) if self.slow_p < SLOW_BELOW and abs(apart) >= SLOW_SHARE else 0


def compare_tails(pairs: Pairs, *, confidence: float, seed: int) -> Tails:
    """Compare the totals and tails of positive observations, at least 2 units."""
    logs = (np.log(pairs.trials[0]), np.log(pairs.trials[1]))
    usual = np.stack([np.nanmedian(side, axis=1) for side in logs])
    away = [side - usual.mean(axis=0)[:, None] for side in logs]
    slow = [_share(side > log(SLOW), np.isfinite(side)) for side in away]
    by_unit = np.bincount(pairs.rows, weights=(slow[1] - slow[0]) * pairs.weights) / np.bincount(pairs.rows, pairs.weights)
    return Tails(
        total=_ratio_of_totals(pairs, confidence=confidence),
        percentiles=percentile_ratios(
            (_observed(pairs.trials[0], pairs), _observed(pairs.trials[1], pairs)), PERCENTS, level=confidence, seed=seed
        ),
        slow=(float(np.average(slow[0], weights=pairs.weights)), float(np.average(slow[1], weights=pairs.weights))),
        slow_p=two_sided_p(mean_test(by_unit, bounded=True, may_be_0=False, seed=seed, sizes=pairs.sizes)),
        robust=_robust(usual[1] - usual[0], away, pairs, confidence=confidence),
    )


def _share(of: Mask, there: Mask) -> Floats:
    """Return the share of each row's observations that are slow."""
    found: Floats = (of & there).sum(axis=1) / there.sum(axis=1)
    return found


def _observed(side: Floats, pairs: Pairs) -> tuple[Floats, Codes]:
    """Return the observations of a side, with the unit of each; where queries have weights, as often as they count."""
    there = np.isfinite(side)
    rows = np.nonzero(there)[0]
    return repeated(side[there], pairs.rows[rows], None if np.ptp(pairs.weights) == 0 else pairs.weights[rows])


def _robust(differences: Floats, away: list[Floats], pairs: Pairs, *, confidence: float) -> Estimate | None:
    """Estimate the ratio from the medians of each query, without the most extreme units, where there are outliers."""
    logs = np.concatenate([side[np.isfinite(side)] for side in away])
    if pairs.n_units < UNITS_FLOOR or not has_outliers(logs):
        return None
    found = trimmed_mean(np.bincount(pairs.rows, weights=differences) / np.bincount(pairs.rows), level=confidence)
    return found.mapped(exp)


def _ratio_of_totals(pairs: Pairs, *, confidence: float) -> Estimate:
    """Compare the sums of the queries' means, which few expensive queries decide; an interval needs ``TOTALS_FLOOR`` units."""
    unit = scale(np.concatenate([pairs.candidate, pairs.baseline]))  # the size of the values must not matter to the arithmetic
    found = ratio_of_means(pairs.candidate / unit, pairs.baseline / unit, level=confidence, sizes=pairs.sizes)
    return found if pairs.n_units >= TOTALS_FLOOR else replace(found, lo=None, hi=None, method="none")

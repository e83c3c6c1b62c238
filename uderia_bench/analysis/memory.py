"""Effect of the server's memory of earlier plans, from arms of one profile that differ in memory only.

The runner decides by the plan which trial has which memory. So a difference between the arms is the
effect of memory, and neither the order of asking nor the choice of the server is in it. A comparison of
trials that found a plan with earlier ones that did not, as ``learning`` makes it, has both in it.

All comparisons of all scores are one family, adjusted by Holm: without any effect of memory the chance
of a verdict is at most alpha.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from uderia_bench.analysis.contrast import PRIMARY, Measurement, findings
from uderia_bench.analysis.effects import measure
from uderia_bench.analysis.families import verdicts
from uderia_bench.analysis.learning import MEMORY as FOUND
from uderia_bench.analysis.pairs import Pairs, pair, side
from uderia_bench.analysis.settings import Settings
from uderia_bench.analysis.strata import ALL, Stratum
from uderia_bench.analysis.trials import Trials
from uderia_bench.analysis.values import Comparison, MemoryPart, MemoryScore, MemoryUse
from uderia_bench.analysis.verdict import MIN_UNITS
from uderia_bench.reading.metrics.metric import Assumption, Metric
from uderia_bench.stats.arrays import Floats, Mask
from uderia_bench.stats.difference import student_test
from uderia_bench.stats.estimate import Estimate, Interval
from uderia_bench.stats.mean import cluster_mean
from uderia_bench.stats.ratio import ratio_of_means

FAMILY = "memory"
OFF, PLACEBO = "off", "placebo"
EXACT = "rag_exact"
TOTAL, PLANNING = "total_tokens", "strategic_tokens"
METRICS = (
    TOTAL,
    PLANNING,
    "tactical_tokens",
    "report_tokens",
    "correction_tokens",
    "latency_s",
    "phases",
    "corrections",
    "answered",
    "checks_passed_ratio",
)
"""The metrics that are tested."""
PER_USE = (TOTAL, PLANNING, "latency_s")
LEAST_USE = 0.1
"""Share of trials that must find a plan before an effect is divided by it. Below, the ratio says little of a plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The memory of an experiment's arms: the state and the profile of each managed arm, and the paraphrases by query."""

    states: Mapping[str, str]
    profiles: Mapping[str, str]
    paraphrases: Mapping[str, str] = field(default_factory=dict)

    def pairs(self, arms: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """Yield the arms to compare, baseline first: each state with off, and the others with placebo, on one profile."""
        here = [arm for arm in self.states if arm in arms]
        for baseline in here:
            for candidate in here:
                states = self.states[baseline], self.states[candidate]
                differ = (states[0] == OFF and states[1] != OFF) or states == (PLACEBO, "frozen")
                if differ and self.profiles[baseline] == self.profiles[candidate]:
                    yield baseline, candidate


def scores(trials: Trials, metrics: tuple[Metric, ...], declared: Declared, *, settings: Settings) -> tuple[MemoryScore, ...]:
    """Return what each managed memory is worth; empty without two arms of one profile that differ in memory."""
    known = {metric.name: metric for metric in metrics if metric.name in METRICS}
    chosen = tuple(known[name] for name in METRICS if name in known)
    pairs = tuple(declared.pairs(trials.arms))
    whole = Stratum(name=ALL, where=trials.asked)
    found: list[Measurement] = []
    for baseline, candidate in pairs:
        measured = findings(trials, chosen, whole, baseline=baseline, candidate=candidate, settings=settings)
        found.extend(replace(one, family=PRIMARY) for one in measured if any(one.pairs.observed))
    compared = verdicts(found, replace(settings, correction="holm"))
    return tuple(
        _score(trials, known, declared, baseline, candidate, compared, settings=settings) for baseline, candidate in pairs
    )


def _score(
    trials: Trials,
    known: Mapping[str, Metric],
    declared: Declared,
    baseline: str,
    candidate: str,
    compared: tuple[Comparison, ...],
    *,
    settings: Settings,
) -> MemoryScore:
    sides = _Sides(trials=trials, known=known, baseline=baseline, candidate=candidate, settings=settings)
    repeats = trials.column("repeat")
    numbers = np.unique(repeats[np.isfinite(repeats)])
    upto = [sides.balance(repeats <= number, times=count) for count, number in enumerate(numbers, start=1)]
    paraphrased = np.array([query in declared.paraphrases for query in trials.queries])[:, None, None]
    split = (("original questions", ~paraphrased), ("paraphrases", paraphrased)) if paraphrased.any() else ()
    return MemoryScore(
        baseline=baseline,
        candidate=candidate,
        state=declared.states[candidate],
        comparisons=tuple(
            replace(one, family=FAMILY) for one in compared if (one.baseline, one.candidate) == (baseline, candidate)
        ),
        use=sides.use(),
        per_use={name: estimate for name in PER_USE if (estimate := sides.per_use(name)) is not None},
        curve=tuple(sides.part(f"{number:g}", repeats == number) for number in numbers) if numbers.size > 1 else (),
        spread=tuple(sides.part(name, np.broadcast_to(where, trials.shape)) for name, where in split),
        repaid=_repaid(upto),
        balance=upto[-1],
    )


def _repaid(upto: list[Estimate]) -> int | None:
    """Return the first repeat from which on the arm has never cost more tokens in total."""
    costs = [estimate.value is None or estimate.value > 0 for estimate in upto]
    first = next((at for at in range(len(costs)) if not any(costs[at:])), None)
    return None if first is None else first + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides:
    """The two arms of one score."""

    trials: Trials
    known: Mapping[str, Metric]
    baseline: str
    candidate: str
    settings: Settings

    def pairs(self, name: str, where: Mask) -> Pairs | None:
        """Pair the arms on a metric within a part; None where no trial has the metric."""
        if name not in self.known:
            return None
        metric, within = self.known[name], where & self.trials.asked
        return pair(
            side(self.trials, metric, self.baseline, where=within),
            side(self.trials, metric, self.candidate, where=within),
            metric,
        )

    def use(self) -> MemoryUse:
        """Count how often a plan was found, over all trials that came back."""
        found = self._flags(FOUND)
        exact = self._flags(EXACT)
        known = np.isfinite(found)
        same = np.where(known, np.where(exact == 1, 1.0, 0.0), np.nan)
        near = np.where(known, np.where(exact == 0, 1.0, 0.0), np.nan)
        return MemoryUse(found=self._share(found), exact=self._share(same), near=self._share(near), cases=self._cases())

    def part(self, name: str, where: Mask) -> MemoryPart:
        """Describe a part of the trials, without a verdict."""
        effects = {}
        for metric in (TOTAL, PLANNING):
            pairs = self.pairs(metric, where)
            if pairs is not None:
                settings = self.settings
                effects[metric] = measure(pairs, self.known[metric], confidence=settings.confidence, seed=settings.seed).effect
        index = self.trials.arm(self.candidate)
        here = where[:, index]
        return MemoryPart(
            part=name,
            queries=int(np.any(here & self.trials.asked[:, index], axis=1).sum()),
            found=self._share(np.where(here, self._flags(FOUND), np.nan)),
            effects=effects,
        )

    def per_use(self, name: str) -> Estimate | None:
        """Divide the effect of memory by the difference in use, query by query; None where too few trials found a plan."""
        pairs, used = self.pairs(name, self.trials.asked), self.pairs_of_use()
        if pairs is None or used is None or pairs.n_units < MIN_UNITS or pairs.n_units != used.n_units:
            return None
        shares = used.candidate - used.baseline
        if used.mean(shares) < LEAST_USE:
            return None
        effect = pairs.candidate - pairs.baseline
        return ratio_of_means(effect, shares, level=self.settings.confidence, sizes=pairs.sizes)

    def pairs_of_use(self) -> Pairs | None:
        """Pair the shares of trials that found a plan."""
        if not self.trials.has(FOUND) or TOTAL not in self.known:
            return None
        share = replace(self.known[TOTAL], name=FOUND, assumption=Assumption.RATE)
        first, second = (side(self.trials, share, arm, where=self.trials.asked) for arm in (self.baseline, self.candidate))
        return pair(first, second, share)

    def balance(self, where: Mask, *, times: int) -> Estimate:
        """Estimate the difference in tokens per query over the first repeats."""
        pairs, level = self.pairs(TOTAL, where), self.settings.confidence
        if pairs is None or pairs.n_units == 0:
            return Interval.none("no query was answered on both arms").about(None, level=level, n=0)
        differences = times * (pairs.candidate - pairs.baseline)
        if pairs.n_units == 1:
            interval = Interval.none("one query has no spread: an interval needs 2 or more")
        else:
            interval = student_test(differences, sizes=pairs.sizes).interval(level)
        return interval.about(pairs.mean(differences), level=level, n=pairs.n_units)

    def _flags(self, name: str) -> Floats:
        if not self.trials.has(name):
            return np.full((self.trials.shape[0], self.trials.shape[2]), np.nan)
        return self.trials.column(name)[:, self.trials.arm(self.candidate)]

    def _share(self, values: Floats) -> Estimate:
        counted = np.isfinite(values)
        units = np.unique(np.nonzero(counted)[0], return_inverse=True)[1]
        settings = self.settings
        return cluster_mean(values[counted], units, bounded=True, level=settings.confidence, seed=settings.seed)

    def _cases(self) -> int | None:
        if "rag_case" not in self.trials.frame.columns:
            return None
        return len(self.trials.distinct("rag_case", self.candidate))

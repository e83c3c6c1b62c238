"""The smallest detectable effect of a next run by queries and repeats, with its price.

The variance is that of this run. Where queries have groups, the next run is taken to have groups of the
same size. The power is 80 %, for one metric at a time, two-sided, at the run's confidence. A family with a
correction needs more trials. The price is what this run paid. Tokens and dollars per trial are averaged by
arm. Minutes come from the number of trials settled while it was busy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import expm1, sqrt

import numpy as np
import polars as pl

from uderia_bench.analysis.flights import DONE, SENT, flights
from uderia_bench.analysis.pairs import Pairs, pair, side
from uderia_bench.analysis.trials import Trials, measured, near
from uderia_bench.analysis.verdict import FEASIBLE, MIN_UNITS, bound
from uderia_bench.errors import UsageError
from uderia_bench.printable import count_of
from uderia_bench.reading import paid
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.stats.arrays import ROUNDING, scale
from uderia_bench.stats.components import Components
from uderia_bench.stats.sample_size import TARGET_POWER, smallest_effect, units_for_effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How much is asked, and what that costs: both arms together, None where the run does not say."""

    queries: int
    repeats: int
    prompts: int
    tokens: float | None
    cost_usd: float | None
    minutes: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """One metric: where its variance comes from, what each design would see, and what would see the effect asked for.

    ``smallest`` belongs to the designs in order: the share by which a ratio exceeds 1, else a difference; None where a run
    without repeats does not tell. ``target`` is on the same scale, None without a margin; ``designs`` see it, one for each
    number of repeats, None where no feasible number of queries does.
    """

    metric: str
    kind: str
    n_queries: int
    components: Components
    smallest: tuple[float | None, ...]
    target: float | None
    designs: tuple[Design | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """What the next run of one contrast could see. ``left_out`` says why a metric is not among the sensitivities."""

    baseline: str
    candidate: str
    confidence: float
    power: float
    queries: int
    repeats: float
    grid: tuple[Design, ...]
    sensitivities: tuple[Sensitivity, ...]
    left_out: tuple[str, ...]


def plan(
    frame: pl.DataFrame,
    *,
    baseline: str,
    candidate: str,
    metrics: Sequence[Metric],
    effects: Mapping[str, float],
    confidence: float,
    queries: Sequence[int],
    repeats: Sequence[int],
) -> Planning:
    """Plan the next run of a contrast from this one's trials.

    ``effects`` are the smallest worth seeing by metric, as margins are written (0.10). The designs are ``queries`` by
    ``repeats``. Raises ``UsageError`` where an arm or a metric's column is not there.
    """
    trials = measured(frame)
    trials.arm(baseline), trials.arm(candidate)
    rates = _Rates.of(trials, (baseline, candidate))
    grid = tuple(rates.price(q, r) for q in queries for r in repeats)
    found: list[Sensitivity] = []
    left_out: list[str] = []
    for metric in metrics:
        if not trials.has(metric.name):
            raise UsageError(f"the run has no metric {metric.name!r}; {near(metric.name, trials.frame.columns)}")
        pairs = pair(
            side(trials, metric, baseline, where=trials.asked), side(trials, metric, candidate, where=trials.asked), metric
        )
        why = _too_little(pairs, confidence)
        if why is not None or pairs.components is None:
            left_out.append(f"{metric.name}: {why}")
            continue
        found.append(_sensitivity(metric, pairs, pairs.components, grid, rates, repeats, confidence, effects.get(metric.name)))
    return Planning(
        baseline=baseline,
        candidate=candidate,
        confidence=confidence,
        power=TARGET_POWER,
        queries=len(trials.queries),
        repeats=float(trials.asked[:, [trials.arm(baseline), trials.arm(candidate)]].sum(axis=2).mean()),
        grid=grid,
        sensitivities=tuple(found),
        left_out=tuple(left_out),
    )


def _too_little(pairs: Pairs, confidence: float) -> str | None:
    if pairs.unit == "repeat":
        return "the spread between queries cannot be estimated from one query"
    if pairs.n_units < MIN_UNITS:
        have = count_of(pairs.n_units, f"{pairs.unit} has", f"{pairs.units} have")
        return f"{have} both arms, and a variance needs {MIN_UNITS}"
    if _is_alike(pairs):
        unseen = 1 - (1 - confidence) ** (1 / pairs.n_units)  # as many queries would show none of these
        alike = f"all {pairs.n_units} queries are alike, which is no variance to plan with"
        return f"{alike}: at {confidence:.0%} confidence up to {100 * unseen:.2g}% of others may differ"
    return None


def _is_alike(pairs: Pairs) -> bool:
    """Whether neither queries nor their repeats differ by more than rounding."""
    assert pairs.components is not None, "there are units enough"
    spread = sqrt(pairs.components.seen + (pairs.components.repeat_variance or 0.0))
    reach = 1.0 if pairs.kind == "ratio" else scale(np.concatenate([pairs.baseline, pairs.candidate]))
    return spread <= ROUNDING * reach


def _sensitivity(
    metric: Metric,
    pairs: Pairs,
    components: Components,
    grid: Sequence[Design],
    rates: _Rates,
    repeats: Sequence[int],
    confidence: float,
    effect: float | None,
) -> Sensitivity:
    alpha = 1 - confidence

    def variance(asked: int) -> float | None:
        return components.seen if asked == round(pairs.repeats) and components.within is None else components.at(asked)

    def scaled(difference: float) -> float:
        return expm1(difference) if pairs.kind == "ratio" else difference

    def seen(design: Design) -> float | None:
        per_query = variance(design.repeats)
        return None if per_query is None else scaled(smallest_effect(per_query / design.queries, alpha=alpha))

    def sees(asked: int) -> Design | None:
        per_query = variance(asked)
        if per_query is None or effect is None:
            return None
        needed = max(units_for_effect(bound(effect, pairs, metric), per_query, alpha=alpha), MIN_UNITS)
        return rates.price(needed, asked) if needed <= FEASIBLE * pairs.n_queries else None

    return Sensitivity(
        metric=metric.name,
        kind=pairs.kind,
        n_queries=pairs.n_queries,
        components=components,
        smallest=tuple(seen(design) for design in grid),
        target=None if effect is None else scaled(bound(effect, pairs, metric)),
        designs=tuple(sees(asked) for asked in repeats),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rates:
    """Cost of one query, asked once on both arms."""

    tokens: float | None
    cost_usd: float | None
    minutes: float | None

    @classmethod
    def of(cls, trials: Trials, arms: tuple[str, str]) -> _Rates:
        minutes = _busy_minutes(trials.frame)
        return cls(
            tokens=_of_arms(trials, paid.TOKENS, arms),
            cost_usd=_of_arms(trials, paid.USD, arms),
            minutes=None if minutes is None else minutes / trials.frame.height * len(arms),
        )

    def price(self, queries: int, repeats: int) -> Design:
        times = queries * repeats
        return Design(
            queries=queries,
            repeats=repeats,
            prompts=2 * times,
            tokens=None if self.tokens is None else self.tokens * times,
            cost_usd=None if self.cost_usd is None else self.cost_usd * times,
            minutes=None if self.minutes is None else self.minutes * times,
        )


def _of_arms(trials: Trials, names: tuple[str, str], arms: tuple[str, str]) -> float | None:
    """Return the sum over both arms of what a trial costs; None where an arm has no such number."""
    means = [paid.mean(trials.frame.filter(pl.col("arm") == arm), names) for arm in arms]
    known = [mean for mean in means if mean is not None]
    return sum(known) if len(known) == len(means) else None


def _busy_minutes(frame: pl.DataFrame) -> float | None:
    """Return the minutes in which at least one trial was in flight, without the pauses between sittings."""
    timed = flights(frame)
    if timed is None or timed.is_empty():
        return None
    before = pl.col(DONE).cum_max().shift(1)
    begins = pl.max_horizontal(pl.col(SENT), before)
    busy = timed.sort(SENT).select((pl.col(DONE) - begins).dt.total_microseconds().clip(lower_bound=0).sum()).item()
    return float(busy) / 60e6

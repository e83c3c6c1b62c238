"""The results of each level of a sweep on each arm, and the knee. A level is a number of any unit.

All results are of the arm's own trials, over the time in which any of them was in flight. With isolation
``arm`` the arms take turns, and the time between two turns does not count. So by Little's law the mean
in flight is exactly the throughput times the mean time in flight. Only the time varies between queries.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
import polars as pl

from uderia_bench.analysis.flights import DONE, SENT, flights
from uderia_bench.analysis.settings import Settings
from uderia_bench.analysis.trials import Trials
from uderia_bench.analysis.values import Knee, LoadLevel, Sweep
from uderia_bench.printable import count_of
from uderia_bench.stats.arrays import Codes, Counts, Floats
from uderia_bench.stats.bootstrap import QUANTILE_DRAWS, UNITS_FLOOR, resample_counts, weighted_sums
from uderia_bench.stats.estimate import Estimate, Interval
from uderia_bench.stats.mean import cluster_mean
from uderia_bench.stats.percentile import percentiles
from uderia_bench.stats.ratio import ratio_of_means
from uderia_bench.stats.scalability import FEWEST_LEVELS, ScalabilityLaw, fit, fit_each
from uderia_bench.trial import Outcome

LATENCY, MEMORY = "latency_s", "rag_used"
SHOWN = (50, 95)  # percentiles of latency

# A tenth more trials that are warm move a level's mean by a tenth of what warmth is worth.
WARMTH_APART = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Held:
    """One level's trials by query: how many were answered, and for how many seconds they were in flight; ``busy_s`` in all."""

    level: float
    answered: Floats
    seconds: Floats
    busy_s: float

    @property
    def in_flight(self) -> float:
        """The mean number in flight while any was."""
        return float(self.seconds.sum()) / self.busy_s

    @property
    def throughput(self) -> float:
        """Answers a second of that time."""
        return float(self.answered.sum()) / self.busy_s


def sweeps(trials: Trials, settings: Settings) -> tuple[Sweep, ...]:
    """Describe the sweep of every arm; empty where the trials have no levels."""
    if not trials.levels:
        return ()
    return tuple(_sweep(trials.frame.filter(pl.col("arm") == arm), arm, settings) for arm in trials.arms)


def pooled(trials: Trials) -> tuple[str, ...]:
    """Say what a comparison over all queries means in a sweep; empty without one."""
    levels = ", ".join(f"{level:g}" for level in trials.levels)
    if not levels:
        return ()
    inside = "each query is paired inside a level, and the levels weigh the same"
    return (f"a comparison that names no level pools the levels {levels}: {inside}",)


def _sweep(frame: pl.DataFrame, arm: str, settings: Settings) -> Sweep:
    queries = tuple(sorted(frame["query_id"].unique()))
    found = [(level, frame.filter(pl.col("level") == level)) for level in sorted(frame["level"].drop_nulls().unique())]
    held = [one for level, rows in found if (one := _held(level, rows, queries)) is not None]
    by_level = {one.level: one for one in held}
    return Sweep(
        arm=arm,
        levels=tuple(_level(level, rows, by_level.get(level), settings) for level, rows in found),
        knee=_knee([one for one in held if one.throughput > 0], len(queries), settings),
        warnings=_warmth(found),
    )


def _level(level: float, rows: pl.DataFrame, held: _Held | None, settings: Settings) -> LoadLevel:
    answered = (rows["outcome"] == Outcome.ANSWERED).to_numpy()
    times = _times(rows.filter(pl.col("outcome") == Outcome.ANSWERED))
    found = percentiles(times[0], times[1], level=settings.confidence, seed=settings.seed, missing=rows.height - times[0].size)
    return LoadLevel(
        level=level,
        trials=rows.height,
        busy_s=None if held is None else held.busy_s,
        in_flight=None if held is None else held.in_flight,
        throughput=_throughput(held, settings.confidence),
        latency={percent: found[percent] for percent in SHOWN},
        unanswered=cluster_mean(
            (~answered).astype(np.float64),
            _codes(rows["query_id"]),
            bounded=True,
            level=settings.confidence,
            seed=settings.seed,
        ),
    )


def _times(answered: pl.DataFrame) -> tuple[Floats, Codes]:
    """Return the latencies there are, with the query of each as a code."""
    if LATENCY not in answered.columns:
        return np.empty(0), np.empty(0, dtype=np.intp)
    timed = answered.drop_nulls(LATENCY)
    return timed[LATENCY].cast(pl.Float64).to_numpy(), _codes(timed["query_id"])


def _codes(names: pl.Series) -> Codes:
    return np.unique(names.to_numpy(), return_inverse=True)[1].astype(np.intp)


def _held(level: float, rows: pl.DataFrame, queries: tuple[str, ...]) -> _Held | None:
    """Return the trials in flight at one level; None where no trial records its times."""
    timed = flights(rows)
    if timed is None or (spans := timed.filter(pl.col(DONE) > pl.col(SENT))).is_empty():
        return None
    begun, ended = (spans[name].dt.epoch("us").to_numpy() / 1e6 for name in (SENT, DONE))
    place = np.searchsorted(queries, spans["query_id"].to_numpy())
    was_answered = (spans["outcome"] == Outcome.ANSWERED).to_numpy().astype(np.float64)
    return _Held(
        level=level,
        answered=np.bincount(place, weights=was_answered, minlength=len(queries)).astype(np.float64),
        seconds=np.bincount(place, weights=ended - begun, minlength=len(queries)).astype(np.float64),
        busy_s=busy_s(begun, ended),
    )


def busy_s(begun: Floats, ended: Floats) -> float:
    """Return for how long any of some spans lasted: the length of their union, in their own unit."""
    order = np.argsort(begun, kind="stable")
    begun, ended = begun[order], ended[order]
    covered = np.concatenate(([-inf], np.maximum.accumulate(ended)[:-1]))
    return float(np.clip(ended - np.maximum(begun, covered), 0.0, None).sum())


def _throughputs(held: list[_Held], counts: Counts) -> Floats:
    """Return the throughput at each level of resampled queries, ``(draws, levels)``, at the in-flight that was measured."""
    answered = weighted_sums(counts, np.column_stack([one.answered for one in held]))
    seconds = weighted_sums(counts, np.column_stack([one.seconds for one in held]))
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn: Floats = np.array([one.in_flight for one in held]) * answered / seconds
    return np.nan_to_num(drawn, nan=0.0, posinf=0.0)


def _throughput(held: _Held | None, confidence: float) -> Estimate:
    """Estimate the throughput of other queries at the in-flight that was measured: a ratio of totals over queries."""
    if held is None:
        none = Interval.none("no trial records when it was sent and when it ended")
        return none.about(None, level=confidence, n=0)
    asked = held.seconds > 0
    if (queries := int(np.count_nonzero(asked))) < UNITS_FLOOR:
        none = Interval.none(f"no interval: at least {UNITS_FLOOR} queries are needed, {UNITS_FLOOR - queries} more")
        return none.about(held.throughput, level=confidence, n=queries)
    per_second = ratio_of_means(held.answered[asked], held.seconds[asked], level=confidence)
    return per_second.mapped(lambda rate: max(rate, 0.0) * held.in_flight)


def _knee(held: list[_Held], queries: int, settings: Settings) -> Knee:
    """Find the knee, or say why there is none to be found within the levels asked.

    It is claimed only where its whole interval lies below the highest load reached: a server that keeps up has its knee
    somewhere, and a fit of noise would find it just beyond.
    """
    if len(held) < FEWEST_LEVELS:
        return Knee(
            reason=f"no knee looked for: {count_of(len(held), 'level')} with answers, and the fit needs {FEWEST_LEVELS}"
        )
    in_flight = np.array([one.in_flight for one in held])
    law = fit(in_flight, np.array([one.throughput for one in held]))
    if law is None:
        return Knee(reason="no knee within the levels asked: at all of them trials wait for each other; ask lower ones")
    place = _knee_ends(held, in_flight, queries, settings).about(
        law.knee if law.knee < inf else None, level=settings.confidence, n=queries
    )
    found, reason = _told(law, place, in_flight)
    return Knee(
        found=found,
        reason=reason,
        in_flight=place,
        ceiling=law.ceiling if law.ceiling < inf else None,
        rate_of_one=law.rate_of_one,
        contention=law.contention,
        coherency=law.coherency,
    )


def _told(law: ScalabilityLaw, place: Estimate, in_flight: Floats) -> tuple[bool, str]:
    """Say whether there is a knee within the levels asked, and in words where."""
    lowest, highest = float(in_flight.min()), float(in_flight.max())
    if law.knee > highest:
        fitted = f"; the fit has it near {law.knee:.0f} in flight" if law.knee < inf else ""
        return False, f"no knee within the levels asked: throughput still grows at the {highest:.1f} in flight reached{fitted}"
    if place.n >= UNITS_FLOOR and (place.hi is None or place.hi > highest):
        doubt = f"near {law.knee:.1f} in flight, if not beyond the {highest:.1f} reached"
        return False, f"no knee that is sure within the levels asked: {doubt}; ask higher levels or more queries"
    if law.knee < lowest:
        return False, f"no knee within the levels asked: it lies below the lowest, {lowest:.1f} in flight; ask lower ones"
    more = f"more than {law.knee:.1f} in flight wait for each other"
    return True, f"{more}, and the server gives {law.ceiling:.3g} answers a second at most"


def _knee_ends(held: list[_Held], in_flight: Floats, queries: int, settings: Settings) -> Interval:
    """Bound the knee over resampled queries; an end at infinity, and one of draws that show no light load, is None."""
    if queries < UNITS_FLOOR:
        return Interval.none(f"no interval of the knee: at least {UNITS_FLOOR} queries are needed")
    drawn = _throughputs(held, resample_counts(queries, QUANTILE_DRAWS, settings.seed))
    laws = fit_each(in_flight, drawn[drawn.min(axis=1) > 0])
    knees = np.full(len(drawn), inf)
    knees[: len(laws)] = [inf if law is None else law.knee for law in laws]
    tail = (1 - settings.confidence) / 2
    lo, hi = (float(np.quantile(knees, share, method="inverted_cdf")) for share in (tail, 1 - tail))
    return Interval(lo=lo if lo < inf else None, hi=hi if hi < inf else None, method="percentile bootstrap" if lo < inf else "")


def _warmth(found: list[tuple[float, pl.DataFrame]]) -> tuple[str, ...]:
    """Return a warning where the share of warm trials differs between levels, so that levels differ by memory too."""
    shares = {
        level: float(share)
        for level, rows in found
        if MEMORY in rows.columns and isinstance(share := rows[MEMORY].cast(pl.Float64).mean(), float)
    }
    if not shares:
        return ()
    coldest, warmest = min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)
    if shares[warmest] - shares[coldest] <= WARMTH_APART:
        return ()
    ends = " and ".join(f"{shares[level]:.0%} at level {level:g}" for level in sorted((coldest, warmest)))
    return (f"kept plans were reused in {ends}: part of the difference between levels is memory, not load",)

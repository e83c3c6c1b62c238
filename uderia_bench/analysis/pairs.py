"""One metric of two arms, paired: one difference per unit of inference.

The unit is the query, or the group of queries where the trials name groups. Repeats of a query are
averaged first (logs for positive metrics), because they are not independent evidence about queries.
Where exactly one query was asked, the unit is the repeat, and every result carries a warning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uderia_bench.analysis.trials import Trials
from uderia_bench.printable import count_of
from uderia_bench.reading.metrics.metric import Assumption, Metric
from uderia_bench.stats.arrays import Codes, Floats, Mask, without_rounding
from uderia_bench.stats.components import Components, variance_components
from uderia_bench.stats.difference import student_test
from uderia_bench.stats.windows import Blocks

ONE_QUERY = "this query only: the unit is the repeat, so the result does not extend to other queries"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """Units that have both sides, in the order of the queries.

    ``baseline`` and ``candidate`` are each unit's means of observations. ``differences`` are
    candidate minus baseline, of mean logs where ``kind`` is ``ratio`` and of means where it is
    ``difference``. ``sizes`` is how much each unit counts, such as the queries of a group; None where all
    count the same. ``weights`` is how much each row of ``trials`` counts, on average 1.
    ``binary``: one observation of 0 or 1 in each cell. ``components`` say where the variance of a
    query's difference comes from, None below 2 units; groups have their part in it. ``blocks`` are
    the single differences with their time windows, None where the trials have none. ``trials`` are
    the observations of both sides, ``(row, slot)`` with NaN for missing, and ``rows`` the unit of
    each row. ``observed`` counts the observations of either side before pairing, those that may not
    be judged included.
    """

    kind: str
    unit: str
    baseline: Floats
    candidate: Floats
    differences: Floats
    n_pairs: int
    n_queries: int
    repeats: float
    components: Components | None
    binary: bool
    trials: tuple[Floats, Floats]
    rows: Codes
    sizes: Floats | None
    weights: Floats
    blocks: Blocks | None
    observed: tuple[int, int]
    warnings: tuple[str, ...]

    @property
    def n_units(self) -> int:
        """How many units have both sides."""
        return int(self.differences.size)

    @property
    def units(self) -> str:
        """What the units are called, in the plural."""
        return {"query": "queries", "group": "groups", "repeat": "repeats"}[self.unit]

    def mean(self, values: Floats) -> float:
        """Return the mean of one value a unit, weighted by how much each counts."""
        return float(values.mean() if self.sizes is None else np.average(values, weights=self.sizes))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """One side of a comparison: arrays ``(query, slot)`` of what was asked, what was seen, and what of it may be judged.

    ``level`` is the level of a sweep, ``server`` the code of the server and ``window`` the time window of
    each trial, None without.
    ``groups`` is the group of each query as a code, None where no query has one. ``weights`` is how much
    each query counts, None where all count the same.
    """

    name: str
    asked: Mask
    seen: Floats
    judged: Floats
    level: Floats | None = None
    server: Floats | None = None
    window: Floats | None = None
    groups: Codes | None = None
    weights: Floats | None = None


def side(
    trials: Trials, metric: Metric, arm: str, *, where: Mask, name: str | None = None, values: Floats | None = None
) -> Side:
    """Take an arm's observations of a metric within ``where``; not judged are those on which its ``judged_unless`` is true.

    ``values`` replace the metric's own observations, as where timed-out trials count as their time
    limit.
    """
    index = trials.arm(arm)
    seen = np.where(where, trials.values(metric) if values is None else values, np.nan)[:, index]
    judged = seen
    if metric.judged_unless is not None and trials.has(metric.judged_unless):
        judged = np.where(trials.column(metric.judged_unless)[:, index] == 1, np.nan, seen)
    window, server = trials.windows(), trials.servers()
    return Side(
        name=name or arm,
        asked=(where & trials.asked)[:, index],
        seen=seen,
        judged=judged,
        level=trials.at_levels(arm),
        server=None if server is None else server[:, index],
        window=None if window is None else window[:, index],
        groups=trials.groups(),
        weights=trials.weights(),
    )


def pair(baseline: Side, candidate: Side, metric: Metric) -> Pairs:
    """Pair two sides of a metric by query, or by repeat where only one query was asked.

    In a sweep they are paired inside each level, and where they share servers, inside each server.
    """
    sides = (baseline, candidate)
    asked = np.stack([side.asked for side in sides])
    judged = baseline.judged, candidate.judged
    at_levels = _in_common(judged, (baseline.level, candidate.level))
    first, second = on_servers = _on_common_servers(at_levels, baseline, candidate)
    windows = None if baseline.window is None or candidate.window is None else (baseline.window, candidate.window)
    queries_asked = np.any(asked, axis=(0, 2))
    groups = baseline.groups if baseline.groups is not None else np.arange(queries_asked.size)
    unit = "query" if np.unique(groups[queries_asked]).size == np.count_nonzero(queries_asked) else "group"
    if np.count_nonzero(queries_asked) == 1:
        unit, query = "repeat", int(np.argmax(queries_asked))
        asked, first, second = asked[:, query, :, None], first[query][:, None], second[query][:, None]
        windows = None if windows is None else (windows[0][query][:, None], windows[1][query][:, None])
    complete = np.all([np.any(np.isfinite(values), axis=1) for values in (first, second)], axis=0)
    warnings = [ONE_QUERY] if unit == "repeat" else []
    warnings += _unpaired(judged, at_levels, "at the same level") + _unpaired(at_levels, on_servers, "on the same server")
    if shown := sum(int(np.count_nonzero(np.isfinite(side.seen) & np.isnan(side.judged))) for side in sides):
        warnings.append(f"{count_of(shown, 'trial is', 'trials are')} shown and not judged: {metric.judged_unless}")
    seen = [values[query][:, None] for values in judged] if unit == "repeat" else judged
    present = np.stack([np.any(np.isfinite(values), axis=1) for values in seen])
    warnings.extend(_left_out(unit, np.any(asked, axis=2), present, complete, (baseline.name, candidate.name)))
    first, second = first[complete], second[complete]
    ratio = metric.assumption is Assumption.POSITIVE
    scaled = (np.log(first), np.log(second)) if ratio else (first, second)
    counts = np.stack([np.isfinite(first).sum(axis=1), np.isfinite(second).sum(axis=1)])
    means = [_means(values) for values in scaled]
    magnitude = np.maximum(*map(np.abs, means)) if complete.any() else means[0]
    by_row = without_rounding(means[1] - means[0], np.maximum(magnitude, 1.0) if ratio else magnitude)
    counted = None if unit == "repeat" or baseline.weights is None else baseline.weights[complete]
    weights = np.ones(int(complete.sum())) if counted is None or not counted.size else counted / counted.mean()
    rows, sizes = _units(unit, groups, complete, weights, counts_all_alike=counted is None)
    differences = _by_unit(by_row, rows, sizes, weights)
    single = sizes is None and bool(np.all(counts == 1))  # one observation in each cell
    return Pairs(
        kind="ratio" if ratio else "difference",
        unit=unit,
        baseline=_by_unit(_means(first), rows, sizes, weights),
        candidate=_by_unit(_means(second), rows, sizes, weights),
        differences=differences,
        n_pairs=int(counts.min(axis=0).sum()),
        n_queries=min(int(complete.sum()), 1) if unit == "repeat" else int(complete.sum()),
        repeats=float(counts.mean()) if counts.size else 0.0,
        components=variance_components(*scaled, seen=_uneven_variance(differences, sizes)),
        binary=metric.assumption is Assumption.RATE and single and _is_binary(first, second),
        trials=(first, second),
        rows=rows,
        sizes=sizes,
        weights=weights,
        blocks=None if windows is None else _blocks(scaled, (windows[0][complete], windows[1][complete]), rows, weights),
        observed=(int(np.isfinite(baseline.seen).sum()), int(np.isfinite(candidate.seen).sum())),
        warnings=tuple(warnings),
    )


def _units(unit: str, groups: Codes, complete: Mask, weights: Floats, *, counts_all_alike: bool) -> tuple[Codes, Floats | None]:
    """Return the unit of each complete row, and how much each unit counts where that is not the same for all."""
    rows = np.arange(int(complete.sum())) if unit != "group" else np.unique(groups[complete], return_inverse=True)[1]
    return rows, None if unit != "group" and counts_all_alike else np.bincount(rows, weights=weights).astype(np.float64)


def _uneven_variance(differences: Floats, sizes: Floats | None) -> float | None:
    """Return the variance of a query's difference from which the mean has its standard error; None where units count alike."""
    if sizes is None or sizes.size < 2:
        return None
    return student_test(differences, sizes=sizes).error ** 2 * float(sizes.sum())


def _by_unit(values: Floats, rows: Codes, sizes: Floats | None, weights: Floats) -> Floats:
    """Average rows into units."""
    return values if sizes is None else np.bincount(rows, weights=values * weights, minlength=sizes.size) / sizes


def _blocks(scaled: tuple[Floats, Floats], windows: tuple[Floats, Floats], rows: Codes, counts: Floats) -> Blocks | None:
    """Return the difference of each complete block with its time window; None where a block does not know its window.

    Two blocks have the same window where both arms asked them in the same two turns. ``counts`` is how
    much each row counts.
    """
    differences = scaled[1] - scaled[0]
    there = np.isfinite(differences)
    if not there.any() or not all(np.isfinite(window[there]).all() for window in windows):
        return None
    row, _ = np.nonzero(there)
    first, second = (ends(*windows)[there].astype(np.int64) for ends in (np.minimum, np.maximum))
    turns = first * (second.max() + 1) + second  # one number for both codes is sorted ten times as fast
    weights = (counts / np.maximum(np.count_nonzero(there, axis=1), 1))[row]
    return Blocks(
        differences=differences[there],
        weights=weights / weights.sum(),
        units=rows[row],
        windows=np.unique(turns, return_inverse=True)[1],
    )


def _in_common(values: tuple[Floats, Floats], at: tuple[Floats | None, Floats | None]) -> tuple[Floats, Floats]:
    """Leave out the trials of a query at a place, such as a level, where the other side has no trial of it.

    Otherwise a side that times out at high load would be judged by its lighter levels, against all
    levels of the other.
    """
    first, second = values
    if at[0] is None or at[1] is None:
        return values
    for place in np.unique(np.concatenate([each[np.isfinite(each)] for each in at if each is not None])):
        here = at[0] == place, at[1] == place
        seen = [np.any(np.isfinite(values) & there, axis=1) for values, there in zip((first, second), here, strict=True)]
        alone = ~(seen[0] & seen[1])[:, None]
        first, second = np.where(here[0] & alone, np.nan, first), np.where(here[1] & alone, np.nan, second)
    return first, second


def _on_common_servers(values: tuple[Floats, Floats], baseline: Side, candidate: Side) -> tuple[Floats, Floats]:
    """Leave out the trials of a query on a server where the other side has no trial of it.

    Sides without a common server are compared as they are: the difference is then that of the servers too.
    """
    if baseline.server is None or candidate.server is None:
        return values
    servers = [np.unique(side.server[np.isfinite(side.server)]) for side in (baseline, candidate) if side.server is not None]
    if servers[0].size == servers[1].size == 1 or not np.isin(servers[0], servers[1]).any():
        return values
    return _in_common(values, (baseline.server, candidate.server))


def _unpaired(before: tuple[Floats, Floats], after: tuple[Floats, Floats], where: str) -> list[str]:
    """Say how many trials a step of pairing left out."""
    alone = sum(int(np.isfinite(values).sum()) for values in before) - sum(int(np.isfinite(values).sum()) for values in after)
    count = count_of(alone, "trial is", "trials are")
    return [f"{count} left out: the other arm has no value for the query {where}"] if alone else []


def _means(side: Floats) -> Floats:
    """Return each row's mean without NaN; rows hold at least one number."""
    present = np.isfinite(side)
    means: Floats = np.where(present, side, 0.0).sum(axis=1) / present.sum(axis=1)
    return means


def _is_binary(*sides: Floats) -> bool:
    values = np.concatenate([side[np.isfinite(side)] for side in sides])
    return bool(np.all((values == 0) | (values == 1)))


def _left_out(unit: str, asked: Mask, present: Mask, complete: Mask, names: tuple[str, str]) -> list[str]:
    """Say how many units were asked and could not be paired, and which side lacks them.

    ``asked`` and ``present`` are ``(side, unit)``. A unit with values on both sides that is not ``complete`` has
    them at different places: levels of a sweep, or servers.
    """
    units = np.any(asked, axis=0)
    left = int(np.count_nonzero(units & ~complete))
    if left == 0 or left == np.count_nonzero(units):
        return []
    counts = [(int(np.count_nonzero(units & ~seen)), name) for seen, name in zip(present, names, strict=True)]
    lacking = ", ".join(f"{count} on {name}" for count, name in counts if count)
    apart = int(np.count_nonzero(units & ~complete & np.all(present, axis=0)))
    reasons = [f"{lacking} without a value"] if lacking else []
    if apart:
        reasons.append(f"{apart} with values at different levels or servers")
    plural = "repeats" if unit == "repeat" else "queries"
    n = np.count_nonzero(units)
    return [f"compares {n - left} of {n} {plural}: {', '.join(reasons)}"]

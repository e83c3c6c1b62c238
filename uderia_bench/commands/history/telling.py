"""A history as text and JSON: what changed and what else changed that night, then every series night by night."""

from __future__ import annotations

from calendar import day_name
from collections import Counter
from collections.abc import Iterator, Sequence
from math import expm1
from typing import Any

from uderia_bench.commands.history.gather import History, Series
from uderia_bench.commands.history.shifts import FEWEST, MOST_CORRELATED, Kind, Shift
from uderia_bench.printable import count_of, plain
from uderia_bench.reading.metrics.metric import Direction
from uderia_bench.report import figures
from uderia_bench.report.formats.layout import lay_out, wrapped
from uderia_bench.report.sparkline import sparkline
from uderia_bench.report.table import Cell, Column, Table, left

_CHANGES = 3  # changes, and differences of a night, that the brief form shows
_RUNS_NAMED = 5  # of those that cannot be read
_NIGHTS_DRAWN = 28  # of a sparkline
_NO_MARGIN = 0.05  # in place of a missing margin, for the scale of a sparkline
_UNCHANGED = "the manifests record no other change that night"
P_VALUES = "p is the probability that noise alone causes such a change in any nightly reading of the series."


def in_brief(history: History, *, width: int) -> str:
    """Return the history in about ten lines: what got worse, by how much, since when, what changed then, and every series."""
    lines = [*wrapped(summary(history), width)]
    found = sorted(((series, shift) for series in history.series for shift in series.shifts), key=_urgency)
    for series, shift in found[:_CHANGES]:
        lines += wrapped(in_words(history, series, shift), width, first="  ", rest="    ")
        lines += wrapped(f"Changed: {'; '.join(changed_on(history, shift)[:_CHANGES])}", width, first="    ", rest="      ")
    if len(found) > _CHANGES:
        lines.append(f"  and {count_of(len(found) - _CHANGES, 'more change')}")
    for series in history.series:
        lines += [line for text in notes(series) for line in wrapped(text, width, first="  ", rest="    ")]
    if history.series:
        lines += [*lay_out(_overview(history), width), "Every night, with its interval: uderia-bench history --full"]
    return "\n".join(lines)


def _urgency(one: tuple[Series, Shift]) -> tuple[bool, bool, int]:
    """Sort what got worse first, lasting changes before odd nights, and newer before older."""
    series, shift = one
    return not _is_worse(series, shift), shift.kind is Kind.ODD, -shift.at


def _overview(history: History) -> Table:
    """Return one row per series: its nights as a sparkline with the scale, and the last night."""
    rows = []
    for series in history.series:
        estimates = history.estimates(series)
        values = [estimate.value for estimate in estimates]
        last = next(estimate for estimate in reversed(estimates) if estimate.value is not None)
        scale = figures.scale_of(series.metric, *values)
        low, high = _reach(series, values)
        ends = (figures.amount(end, scale, half=(high - low) / 4) for end in (low, high))
        forms = Cell(forms=figures.estimate_forms(last, scale))
        rows.append((series.arm, series.metric.name, sparkline(values[-_NIGHTS_DRAWN:], low, high), " to ".join(ends), forms))
    return Table.of("", (left("arm"), left("metric"), left("nights"), left("scale"), "last night"), rows)


def in_full(history: History, *, width: int) -> str:
    """Return the history as text of at most ``width`` columns: what changed first, then every series."""
    lines = [*wrapped(summary(history), width)]
    for series in history.series:
        for shift in series.shifts:
            lines += wrapped(in_words(history, series, shift), width, first="  ", rest="    ")
            lines += [
                line for text in changed_on(history, shift) for line in wrapped(text, width, first="    - ", rest="      ")
            ]
        for text in notes(series):
            lines += wrapped(text, width, first="  ", rest="    ")
    if any(series.shifts for series in history.series):
        lines += wrapped(P_VALUES, width)
    for table in _tables(history):
        lines += ["", *wrapped(table.title, width), *lay_out(table, width)]
    return "\n".join(lines)


def as_dict(history: History) -> dict[str, Any]:
    """Return the history in the types of JSON; levels in the metric's unit, changes as shares where the metric is a ratio."""
    return {
        "schema": "uderia-bench/history/1",
        "experiment": history.experiment,
        "unread": list(history.unread),
        "nights": [
            {"run_id": night.run_id, "started_at": night.started_at.isoformat(), "changed": list(night.changed)}
            for night in history.nights
        ],
        "series": [
            {
                "arm": series.arm,
                "metric": series.metric.name,
                "margin": series.margin,
                "levels": [{"value": e.value, "lo": e.lo, "hi": e.hi, "n": e.n} for e in history.estimates(series)],
                "steps": [_as_dict(history, series, shift) for shift in series.of_kind(Kind.STEP)],
                "ramps": [
                    {**_as_dict(history, series, shift), "change_per_night": _change(series, shift.size)}
                    for shift in series.of_kind(Kind.RAMP)
                ],
                "odd_nights": [_as_dict(history, series, shift) for shift in series.of_kind(Kind.ODD)],
                "weekly": None
                if series.weekly is None
                else {
                    "days": [day_name[day] for day in series.weekly.days],
                    "change": _change(series, series.weekly.size),
                    "p": series.weekly.p,
                },
                "warnings": list(warnings(series)),
            }
            for series in history.series
        ],
    }


def summary(history: History) -> str:
    """Say how many nights there are, and how many changes of each kind."""
    nights = len(history.nights)
    left_out = {
        "excludes runs without readable trials": history.unread,
        "no other night has values of the same queries, so no level": history.without_level,
    }
    beside = "; ".join(f"{why}: {_named(which)}" for why, which in left_out.items() if which)
    said = f"{plain(history.experiment)}: {count_of(nights, 'night')}{f' ({beside})' if beside else ''}, "
    if nights < FEWEST:
        return f"{said}too few to look for changes: at least {FEWEST} are needed."
    counts = Counter(shift.kind for series in history.series for shift in series.shifts)
    found = [count_of(counts[kind], kind) for kind in Kind if counts[kind]]
    return f"{said}{', '.join(found)}:" if found else f"{said}no step and no ramp."


def _named(runs: Sequence[str]) -> str:
    more = len(runs) - _RUNS_NAMED
    return ", ".join([*map(plain, runs[:_RUNS_NAMED]), *([f"{more} more"] if more > 0 else [])])


def in_words(history: History, series: Series, shift: Shift) -> str:
    """Say what changed, by how much, since when, and the p-value."""
    night = history.nights[shift.at]
    neutral = series.metric.direction is Direction.NEUTRAL
    verdict = "" if neutral else ", worse" if _is_worse(series, shift) else ", better"
    when = f"night {shift.at + 1} ({night.started_at:%Y-%m-%d}, run {night.run_id})"
    of = f"{shift.kind.capitalize()}: {plain(series.arm)} {series.metric.name} {_size(series, shift.size)}"
    p = f"p {figures.p_value(shift.p)}"
    if shift.kind is Kind.ODD:
        return f"{of}{verdict}, on {when} only, {p}"
    if shift.kind is Kind.RAMP:
        so_far = _size(series, shift.total(len(history.nights)))
        return f"{of} a night{verdict} since {when}, {so_far} so far, {p}"
    return f"{of}{verdict} since {when}, {p}"


def _is_worse(series: Series, shift: Shift) -> bool:
    return {Direction.LOWER: shift.size > 0, Direction.HIGHER: shift.size < 0}.get(series.metric.direction, False)


def notes(series: Series) -> tuple[str, ...]:
    """Say what else a reader of the series must know: its weekly rhythm, and what makes its changes less certain."""
    if series.weekly is None:
        return warnings(series)
    days = " and ".join(day_name[day] for day in series.weekly.days)
    size, p = _size(series, series.weekly.size), figures.p_value(series.weekly.p)
    rhythm = f"Weekly rhythm: {plain(series.arm)} {series.metric.name} {size} on {days}, against the other days, p {p}"
    return (rhythm, *warnings(series))


def warnings(series: Series) -> tuple[str, ...]:
    """Warn where neighbouring nights are more alike than the p-values allow for."""
    if series.correlation is None or series.correlation <= MOST_CORRELATED:
        return ()
    said = f"neighbouring nights of {plain(series.arm)} {series.metric.name} are strongly correlated ({series.correlation:.2f})"
    return (f"Warning: {said}. False alarms are more likely than the p-values say; check a change on further nights.",)


def changed_on(history: History, shift: Shift) -> tuple[str, ...]:
    """Return what the manifests say changed on the night a change began."""
    return history.nights[shift.at].changed or (_UNCHANGED,)


def _as_dict(history: History, series: Series, shift: Shift) -> dict[str, Any]:
    return {
        "night": shift.at,
        "run_id": history.nights[shift.at].run_id,
        "change": _change(series, shift.total(len(history.nights))),
        "p": shift.p,
    }


def _change(series: Series, size: float) -> float:
    """Return a size as the share it changed the level by, or as the difference where the scale is no ratio."""
    return expm1(size) if series.levels.relative else size


def _size(series: Series, size: float) -> str:
    scale = figures.scale_of(series.metric)
    change = _change(series, size)
    if series.levels.relative:
        return f"{100 * change:+.1f}%"
    return f"{100 * change:+.1f} points" if scale.share else f"{'+' if change > 0 else ''}{figures.amount(change, scale)}"


def _tables(history: History) -> Iterator[Table]:
    columns = (left("night"), Column(title="run", right=False, is_name=True), "level", "queries", left(""))
    for series in history.series:
        estimates = history.estimates(series)
        scale = figures.scale_of(series.metric, *(estimate.value for estimate in estimates))
        starts = {shift.at: shift.kind for shift in series.shifts}
        rows = (
            (
                f"{night.started_at:%Y-%m-%d}",
                night.run_id,
                Cell(forms=figures.estimate_forms(estimate, scale)),
                str(estimate.n),
                starts.get(at, ""),
            )
            for at, (night, estimate) in enumerate(zip(history.nights, estimates, strict=True))
        )
        values = [estimate.value for estimate in estimates]
        title = f"{series.arm}, {series.metric.name}  {sparkline(values[-_NIGHTS_DRAWN:], *_reach(series, values))}"
        yield Table.of(title, columns, rows)


def _reach(series: Series, values: list[float | None]) -> tuple[float, float]:
    """Return the lowest and the highest value of a sparkline.

    They are those of the nights, or farther apart: by twice the margin at least, so that noise looks
    flat and only a difference that matters looks large. A rate stays between 0 and 1.
    """
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    middle = (low + high) / 2
    share = figures.scale_of(series.metric).share
    least = 2 * (series.margin or _NO_MARGIN) * (1.0 if share else abs(middle)) or 1.0
    half = max(high - low, least) / 2
    low, high = middle - half, middle + half
    if share:
        low, high = (max(0.0, min(low, 1.0 - 2 * half)), min(1.0, max(high, 2 * half)))
    return low, high

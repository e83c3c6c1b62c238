"""A history as text and JSON: what changed and what else changed that night, then every series night by night."""

from __future__ import annotations

from calendar import day_name
from collections import Counter
from collections.abc import Iterator
from math import expm1
from typing import Any

from uderia_bench.commands.history.gather import History, Series
from uderia_bench.commands.history.shifts import FEWEST, MOST_CORRELATED, Kind, Shift
from uderia_bench.printable import plain
from uderia_bench.reading.metrics.metric import Direction
from uderia_bench.report import figures
from uderia_bench.report.formats.layout import lay_out, wrapped
from uderia_bench.report.tables import Cell, Column, Table, left

_BARS = "▁▂▃▄▅▆▇█"
_UNCHANGED = "the manifests record no other change that night"
P_VALUES = "p is the probability that noise alone causes such a change in any nightly reading of the series."


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
    said = f"{plain(history.experiment)}: {nights} {'night' if nights == 1 else 'nights'}, "
    if nights < FEWEST:
        return f"{said}too few to look for changes: at least {FEWEST} are needed."
    counts = Counter(shift.kind for series in history.series for shift in series.shifts)
    found = [f"{counts[kind]} {kind}{'s' if counts[kind] > 1 else ''}" for kind in Kind if counts[kind]]
    return f"{said}{', '.join(found)}:" if found else f"{said}no step and no ramp."


def in_words(history: History, series: Series, shift: Shift) -> str:
    """Say what changed, by how much, since when, and the p-value."""
    night = history.nights[shift.at]
    better = {Direction.LOWER: shift.size < 0, Direction.HIGHER: shift.size > 0}.get(series.metric.direction)
    verdict = "" if better is None else ", better" if better else ", worse"
    when = f"night {shift.at + 1} ({night.started_at:%Y-%m-%d}, run {night.run_id})"
    of = f"{shift.kind.capitalize()}: {plain(series.arm)} {series.metric.name} {_size(series, shift.size)}"
    p = f"p {figures.p_value(shift.p)}"
    if shift.kind is Kind.ODD:
        return f"{of}{verdict}, on {when} only, {p}"
    if shift.kind is Kind.RAMP:
        so_far = _size(series, shift.total(len(history.nights)))
        return f"{of} a night{verdict} since {when}, {so_far} so far, {p}"
    return f"{of}{verdict} since {when}, {p}"


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
        title = f"{series.arm}, {series.metric.name}  {_sparkline([e.value for e in estimates])}"
        yield Table.of(title, columns, rows)


def _sparkline(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    reach = (high - low) or 1.0
    return "".join(" " if v is None else _BARS[min(int((v - low) / reach * len(_BARS)), len(_BARS) - 1)] for v in values)

"""A history in words: the steps with what changed that night, then every series night by night. Text and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from math import expm1
from typing import Any

from uderia_bench.commands.history.gather import History, Series
from uderia_bench.commands.history.shifts import FEWEST, Step
from uderia_bench.printable import plain
from uderia_bench.reading.metrics.metric import Direction
from uderia_bench.report import figures
from uderia_bench.report.formats.layout import lay_out, wrapped
from uderia_bench.report.tables import Cell, Column, Table

_BARS = "▁▂▃▄▅▆▇█"
_UNCHANGED = "nothing that the manifests know of changed that night"


def in_full(history: History, *, width: int) -> str:
    """Return the history as text of at most ``width`` columns: the steps first, then every series."""
    lines = [*wrapped(summary(history), width)]
    for series in history.series:
        for step in series.steps:
            lines += wrapped(step_in_words(history, series, step), width, first="  ", rest="    ")
            lines += [
                line for text in changed_on(history, step) for line in wrapped(text, width, first="    - ", rest="      ")
            ]
    for table in _tables(history):
        lines += ["", *wrapped(table.title, width), *lay_out(table, width, lambda text, _: text)]
    return "\n".join(lines)


def as_dict(history: History) -> dict[str, Any]:
    """Return the history in the types of JSON; levels in the metric's unit."""
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
                "levels": [
                    {"value": e.value, "lo": e.lo, "hi": e.hi, "n": e.n}
                    for e in (series.levels.estimate(at, confidence=history.confidence) for at in range(len(history.nights)))
                ],
                "steps": [
                    {"night": step.at, "run_id": history.nights[step.at].run_id, "change": _change(series, step), "p": step.p}
                    for step in series.steps
                ],
            }
            for series in history.series
        ],
    }


def summary(history: History) -> str:
    """Say how many nights and how many steps there are."""
    nights = len(history.nights)
    count = sum(len(series.steps) for series in history.series)
    said = f"{plain(history.experiment)}: {nights} {'night' if nights == 1 else 'nights'}, "
    if nights < FEWEST:
        return f"{said}too few to say whether anything moved to stay: {FEWEST} are needed."
    return said + ("no step." if not count else f"{count} {'step' if count == 1 else 'steps'}:")


def step_in_words(history: History, series: Series, step: Step) -> str:
    """Say what moved, by how much, since when, and how sure that is."""
    night = history.nights[step.at]
    better = {Direction.LOWER: step.size < 0, Direction.HIGHER: step.size > 0}.get(series.metric.direction)
    verdict = "" if better is None else ", better" if better else ", worse"
    since = f"since night {step.at + 1} ({night.started_at:%Y-%m-%d}, run {night.run_id})"
    return f"{plain(series.arm)} {series.metric.name} {_size(series, step)}{verdict} {since}, p {figures.p_value(step.p)}"


def changed_on(history: History, step: Step) -> tuple[str, ...]:
    """Return what the manifests say changed on the night a step began."""
    return history.nights[step.at].changed or (_UNCHANGED,)


def _change(series: Series, step: Step) -> float:
    """Return a step as the share it changed the level by, or as the difference where the scale is no ratio."""
    return expm1(step.size) if series.levels.relative else step.size


def _size(series: Series, step: Step) -> str:
    scale = figures.scale_of(series.metric)
    change = _change(series, step)
    if series.levels.relative:
        return f"{100 * change:+.1f}%"
    return f"{100 * change:+.1f} points" if scale.share else f"{'+' if change > 0 else ''}{figures.amount(change, scale)}"


def _tables(history: History) -> Iterator[Table]:
    columns = (Column(title="night", right=False), Column(title="run", right=False, is_name=True), Column(title="level"),
               Column(title="queries"), Column(title="", right=False))  # fmt: skip
    for series in history.series:
        estimates = [series.levels.estimate(at, confidence=history.confidence) for at in range(len(history.nights))]
        scale = figures.scale_of(series.metric, *(estimate.value for estimate in estimates))
        starts = {step.at for step in series.steps}
        rows = tuple(
            (
                _cell(f"{night.started_at:%Y-%m-%d}"),
                _cell(night.run_id),
                Cell(forms=figures.estimate_forms(estimate, scale)),
                _cell(str(estimate.n)),
                _cell("step" if at in starts else ""),
            )
            for at, (night, estimate) in enumerate(zip(history.nights, estimates, strict=True))
        )
        title = f"{series.arm}, {series.metric.name}  {_sparkline([e.value for e in estimates])}"
        yield Table(title=title, columns=columns, rows=rows)


def _sparkline(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    reach = (high - low) or 1.0
    return "".join(" " if v is None else _BARS[min(int((v - low) / reach * len(_BARS)), len(_BARS) - 1)] for v in values)


def _cell(text: str) -> Cell:
    return Cell(forms=(text,))

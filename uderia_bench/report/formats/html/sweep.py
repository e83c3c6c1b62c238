"""Latency and throughput of a sweep against trials in flight, with each arm's knee and fitted curve."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from uderia_bench.analysis.values import LoadLevel, Sweep
from uderia_bench.report import content, figures
from uderia_bench.report.content import Report
from uderia_bench.report.formats.html import drawing, listing
from uderia_bench.report.formats.html.axis import Axis, linear_axis, log_axis
from uderia_bench.report.formats.html.drawing import PLOT, Curve
from uderia_bench.report.formats.html.markup import Markup
from uderia_bench.report.sweep import LATENCY, RATE, knee_words, table
from uderia_bench.stats.scalability import ScalabilityLaw

_POINTS = 60  # of a fitted curve
_MEDIAN, _MOST = 50, 95


def sweep(report: Report) -> Markup | None:
    """Return the two plots and the table of levels; None without a sweep."""
    sweeps = report.analysis.sweeps
    found = table(report)
    x = _loads(sweeps)
    if found is None or x is None:
        return None
    plot = partial(
        drawing.plot,
        x=x,
        x_label=lambda load: f"{load:g}",
        legend=drawing.key([one.arm for one in sweeps]),
        kind="sweep",
        x_title="mean trials in flight, each tick doubles",
    )
    plots = (_throughput(sweeps, x, plot), _latency(report, sweeps, x, plot))
    lead = (
        "More trials in flight raise throughput until the server is busy, and then mostly wait. A vertical line marks this "
        "knee. The thin curve is the Universal Scalability Law fitted to the levels."
    )
    knees = listing.items(knee_words(one) for one in sweeps)
    return listing.section("load", "Load", knees, *plots, listing.table(found), lead=lead)


def _loads(sweeps: Sequence[Sweep]) -> Axis | None:
    """Return the axis of trials in flight, whose ticks double."""
    axis = log_axis(level.in_flight for sweep in sweeps for level in sweep.levels if level.in_flight)
    return None if axis is None else Axis(lo=axis.lo, hi=axis.hi, log=True, base=2.0)


def _throughput(sweeps: Sequence[Sweep], x: Axis, plot: Callable[..., Markup]) -> Markup | None:
    tops = [end for sweep in sweeps for level in sweep.levels for end in (level.throughput.hi, level.throughput.value) if end]
    y = linear_axis([0.0, *tops])
    if y is None or not tops:
        return None
    y = Axis(lo=0.0, hi=y.hi)
    curves: list[Curve] = []
    for at, one in enumerate(sweeps):
        if (law := _law(one)) is not None:
            loads = np.geomspace(max(x.lo, 1.0), x.hi, _POINTS)
            fitted = [drawing.place(x, load, y, law.throughput(load)) for load in loads.tolist()]
            curves.append(Curve(style=f"a{at} law", path=_line(fitted)))
        points = [(level.in_flight, level.throughput.value) for level in one.levels if level.in_flight]
        dots = [drawing.place(x, load, y, value) for load, value in points if load and value is not None]
        curves.append(Curve(style=f"a{at} percentile", path=drawing.dots(dots), dots=True))
        curves += _whiskers(one.levels, at, x, y)
        curves += _knee(one, at, x)
    title = "Answers per second by trials in flight"
    return plot(curves, y=y, y_label=lambda v: figures.amount(v, RATE, half=v or 1.0), name="throughput", title=title)


def _latency(report: Report, sweeps: Sequence[Sweep], x: Axis, plot: Callable[..., Markup]) -> Markup | None:
    y = log_axis(value for sweep in sweeps for level in sweep.levels for e in level.latency.values() if (value := e.value))
    if y is None:
        return None
    scale = figures.scale_of(content.definition(report, LATENCY), *y.ticks())
    curves: list[Curve] = []
    for at, one in enumerate(sweeps):
        for rank, style in ((_MEDIAN, ""), (_MOST, " most")):
            points = [(level.in_flight, level.latency[rank].value) for level in one.levels if rank in level.latency]
            places = [drawing.place(x, load, y, value) for load, value in points if load and value]
            curves.append(Curve(style=f"a{at}{style}", path=_line(places)))
            curves.append(Curve(style=f"a{at} percentile{style}", path=drawing.dots(places), dots=True))
        curves += _knee(one, at, x)
    title = "Latency (p50, and p95 paler) by trials in flight"
    return plot(curves, y=y, y_label=lambda v: figures.amount(v, scale, half=v), name=LATENCY, title=title)


def _law(one: Sweep) -> ScalabilityLaw | None:
    knee = one.knee
    if knee.rate_of_one is None or knee.contention is None or knee.coherency is None:
        return None
    hard = knee.contention == 0 == knee.coherency
    return ScalabilityLaw(
        rate_of_one=knee.rate_of_one,
        contention=knee.contention,
        coherency=knee.coherency,
        limit=knee.ceiling if hard else None,
    )


def _knee(one: Sweep, at: int, x: Axis) -> list[Curve]:
    place = one.knee.in_flight
    if not one.knee.found or place is None or place.value is None:
        return []
    return [Curve(style=f"a{at} knee", path=f"M{PLOT * x.at(place.value) / 100:.1f} 0V{PLOT}")]


def _whiskers(levels: Iterable[LoadLevel], at: int, x: Axis, y: Axis) -> list[Curve]:
    """Return the intervals of throughput as one path of vertical strokes."""
    strokes = []
    for level in levels:
        lo, hi = level.throughput.lo, level.throughput.hi
        if level.in_flight and lo is not None and hi is not None:
            (place, low), (_, high) = drawing.place(x, level.in_flight, y, lo), drawing.place(x, level.in_flight, y, hi)
            strokes.append(f"M{place:.1f} {low:.1f}V{high:.1f}")
    return [Curve(style=f"a{at} whiskers", path="".join(strokes))] if strokes else []


def _line(places: Sequence[tuple[float, float]]) -> str:
    return "".join(f"{'L' if at else 'M'}{x:.1f} {y:.1f}" for at, (x, y) in enumerate(places))

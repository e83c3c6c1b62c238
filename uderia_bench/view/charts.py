"""The charts of a run's page, in the drawings of the report: the run over time, and the distribution of latency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.report import figures
from uderia_bench.report.formats.html import drawing, listing
from uderia_bench.report.formats.html.axis import Axis, Label, log_axis
from uderia_bench.report.formats.html.distributions import ecdf
from uderia_bench.report.formats.html.drawing import PLOT, Curve
from uderia_bench.report.formats.html.markup import Markup, join
from uderia_bench.report.table import Heading, Table, left
from uderia_bench.report.watch import METRICS
from uderia_bench.view.state import CourseState, RunState

_METRIC: Metric = next(metric for metric in METRICS if metric.name == "latency_s")
_HEIGHT = 160  # pixels
_ABOVE = 1.05  # times the largest value: room above the highest line
_UNITS = ((7200.0, 3600.0, "hours"), (120.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))  # from this length on
_LIMITED_AT, _UNREACHED_AT = 985, 925  # units from the top: marks lie along the bottom, one kind above the other


def latency(state: RunState) -> Markup | None:
    """Return the distribution of latency by arm, with the gates on it."""
    values = {arm.arm: np.array(arm.latencies) for arm in state.arms}
    limits = _gates(state)
    drawn = ecdf(_METRIC, values, limits=limits)
    lead = "At 50% a curve shows the value that half of the answered trials so far stay below."
    return listing.section("latency", "Latency", drawn, lead=f"{lead} A vertical line is a gate." if limits else lead)


def over_time(state: RunState) -> Markup | None:
    """Return rate, latency and trials in flight over time, and the same as a table."""
    if state.course is None:
        return None
    time = _Time.of(state.course)
    charts = (_rate(state.course, time), _latency(state, state.course, time), _in_flight(state, state.course, time))
    lead = (
        f"A step is {state.course.width_s:g} s. A trial is in the step in which it ended. "
        "Arms may be asked at different times, so compare them in the report only."
    )
    table = listing.folded("The charts as a table", listing.table(_table(state.course, time)))
    return listing.section("course", "Over time", *charts, table, lead=lead)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Time:
    """The axis that the charts share, with what people did to the run on it. ``edges`` are those of the steps."""

    edges: tuple[float, ...]
    unit: str
    title: str
    actions: Curve | None

    @classmethod
    def of(cls, course: CourseState) -> _Time:
        steps = len(course.in_flight)
        size_s, unit = next((size_s, unit) for least_s, size_s, unit in _UNITS if course.width_s * steps >= least_s)
        edges = tuple(course.width_s * n / size_s for n in range(steps + 1))
        since = "the last break of more than an hour" if course.after_break else "the start"
        moments = ((at - course.began_at).total_seconds() / size_s for at in course.actions_at)
        rules = "".join(f"M{PLOT * at / edges[-1]:.1f} 0V{PLOT}" for at in moments if 0 <= at <= edges[-1])
        actions = Curve(style="action", path=rules) if rules else None
        return cls(edges=edges, unit=unit, title=f"{unit} since {since}", actions=actions)

    @property
    def axis(self) -> Axis:
        return Axis(lo=0.0, hi=self.edges[-1])

    def steps(self, values: Sequence[float | None], y: Axis, style: str) -> Curve:
        """Return a line with one level per step, interrupted where there is no value."""
        path, joined = [], False
        for start, end, value in zip(self.edges, self.edges[1:], values, strict=False):
            if value is not None:
                (x1, up), (x2, _) = drawing.place(self.axis, start, y, value), drawing.place(self.axis, end, y, value)
                path.append(f"V{up:.1f}H{x2:.1f}" if joined else f"M{x1:.1f} {up:.1f}H{x2:.1f}")
            joined = value is not None
        return Curve(style=style, path="".join(path))

    def points(self, values: Sequence[float | None], y: Axis, style: str) -> Curve:
        """Return a point in the middle of each step that has a value."""
        middles = ((start + end) / 2 for start, end in zip(self.edges, self.edges[1:], strict=False))
        known = [(at, value) for at, value in zip(middles, values, strict=True) if value is not None]
        return Curve(style=style, path=drawing.dots(drawing.place(self.axis, at, y, v) for at, v in known), dots=True)

    def plot(
        self, curves: Sequence[Curve], legend: Sequence[Markup], *, y: Axis, y_label: Label, name: str, title: str
    ) -> Markup:
        """Return a chart over this time."""
        acted = () if self.actions is None else (self.actions,)
        named = [drawing.key_line("pause or another action", "action")] if acted else []
        return drawing.plot(
            (*curves, *acted), x=self.axis, y=y, x_label=lambda value: f"{value:g}", y_label=y_label, name=name, title=title,
            legend=join(*legend, *named), kind="time", x_title=self.title, height=_HEIGHT,
        )  # fmt: skip


def _rate(course: CourseState, time: _Time) -> Markup:
    y = _from_zero(*course.answered_per_s, *course.unanswered_per_s)
    curves = [time.steps(course.answered_per_s, y, ""), time.steps(course.unanswered_per_s, y, "silent")]
    legend = [drawing.key_line("answered", ""), drawing.key_line("without an answer", "silent")]
    troubles = (
        (course.rate_limited, "limited", "rate limit (429)", _LIMITED_AT),
        (course.unreachable, "silent", "server not reached", _UNREACHED_AT),
    )
    for counts, style, words, height in troubles:
        if any(counts):
            level = y.hi * (1 - height / PLOT)
            curves.append(time.points([level if count else None for count in counts], y, style))
            legend.append(drawing.key_entry(words, style, 0))
    return time.plot(curves, legend, y=y, y_label=lambda v: f"{v:g}", name="rate", title="Trials that ended, per second")


def _latency(state: RunState, course: CourseState, time: _Time) -> Markup | None:
    limits = _gates(state)
    known = [value for arm in course.arms for value in (*arm.p50, *arm.p95) if value is not None]
    y = log_axis([*known, *(value for value, _ in limits)]) if known else None
    if y is None:
        return None
    scale = figures.scale_of(_METRIC, *y.ticks())
    curves = [time.steps(arm.p50, y, f"a{at}") for at, arm in enumerate(course.arms)]
    curves += [time.points(arm.p95, y, f"a{at}") for at, arm in enumerate(course.arms)]
    curves += [Curve(style="knee", path=f"M0 {PLOT * (1 - y.at(value) / 100):.1f}H{PLOT}") for value, _ in limits]
    legend = [drawing.key_line(arm.arm, f"a{at}") for at, arm in enumerate(course.arms)]
    legend += [drawing.key_line(f"gate: {text}", "knee") for _, text in limits]
    title = "Latency of answers: p50 (line) and p95 (points)"
    return time.plot(curves, legend, y=y, y_label=lambda v: figures.amount(v, scale, half=v), name=_METRIC.name, title=title)


def _in_flight(state: RunState, course: CourseState, time: _Time) -> Markup:
    slots = state.slots
    y = _from_zero(*course.in_flight, *(() if slots is None else (float(slots),)))
    curves, legend = [time.steps(course.in_flight, y, "")], [drawing.key_line("in flight", "")]
    if slots is not None:
        curves.append(Curve(style="knee", path=f"M0 {PLOT * (1 - y.at(slots) / 100):.1f}H{PLOT}"))
        legend.append(drawing.key_line("slots", "knee"))
    title = "Trials in flight, mean of each step"
    return time.plot(curves, legend, y=y, y_label=lambda v: f"{v:g}", name="in_flight", title=title)


def _table(course: CourseState, time: _Time) -> Table:
    scale = figures.scale_of(_METRIC, *(value for arm in course.arms for value in (*arm.p50, *arm.p95)))
    percentiles = [values for arm in course.arms for values in (arm.p50, arm.p95)]
    rows = [
        (
            f"{time.edges[at]:.4g}",
            *(f"{values[at]:.3g}" for values in (course.answered_per_s, course.unanswered_per_s, course.in_flight)),
            *(f"{counts[at]:,}" for counts in (course.rate_limited, course.unreachable)),
            *(figures.amount(values[at], scale) for values in percentiles),
        )
        for at in range(len(course.in_flight))
    ]
    heads: tuple[Heading, ...] = (
        left(f"from ({time.unit})"),
        *("answered/s", "unanswered/s", "in flight", "429", "unreachable"),
        *(f"{arm.arm} {rank}" for arm in course.arms for rank in ("p50", "p95")),
    )
    return Table.of(f"Steps of {course.width_s:g} s", heads, rows)


def _gates(state: RunState) -> list[tuple[float, str]]:
    """Return the limits of the gates on latency, with their texts."""
    return [(gate.limit, gate.text) for gate in state.gates if gate.metric == _METRIC.name and gate.limit is not None]


def _from_zero(*values: float) -> Axis:
    return Axis(lo=0.0, hi=max(values, default=0.0) * _ABOVE or 1.0)

"""Distributions of latency and tokens: cumulative steps over the answered trials of each arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.report import content, figures, tables
from uderia_bench.report.content import Report
from uderia_bench.report.formats.html import drawing, listing
from uderia_bench.report.formats.html.axis import Axis, log_axis
from uderia_bench.report.formats.html.drawing import PLOT, Curve
from uderia_bench.report.formats.html.kept import Kept
from uderia_bench.report.formats.html.markup import Markup, join
from uderia_bench.trial import Outcome, Stage

SHOWN = ("latency_s", "total_tokens")
_POINTS = 400  # steps of one curve, about one per pixel
_SHARES = Axis(lo=0.0, hi=1.0)
_MARKED = (0.5, 0.9, 0.95, 0.99)  # the percentiles every report has
_TITLES = {"latency_s": "Latency", "total_tokens": "Tokens of an answer"}


def distributions(report: Report, kept: Kept) -> Markup | None:
    """Return one plot per metric and the table of percentiles."""
    arms = [arm.arm for arm in report.analysis.arms]
    found = tables.percentiles(report)
    plots = [_of_trials(report, kept.trials, name, arms) for name in SHOWN if name in kept.trials.columns]
    lead = "At 50% a curve shows the value that half of the answered trials stay below. Points mark p50, p90, p95 and p99."
    return listing.section("distributions", "Distributions", *plots, listing.table(found) if found else None, lead=lead)


def answered(trials: pl.DataFrame, arm: str, metric: str) -> pl.DataFrame:
    """Return an arm's measured, answered trials with a positive value, as a logarithmic axis needs."""
    ours = (pl.col("arm") == arm) & (pl.col("stage") == Stage.MEASURED) & (pl.col("outcome") == Outcome.ANSWERED)
    return trials.filter(ours & (pl.col(metric) > 0)).drop_nulls(metric)


def _of_trials(report: Report, trials: pl.DataFrame, metric: str, arms: Sequence[str]) -> Markup | None:
    values = {arm: answered(trials, arm, metric)[metric].cast(pl.Float64).sort().to_numpy() for arm in arms}
    defined = content.definition(report, metric)
    return None if defined is None else ecdf(defined, values)


def ecdf(
    metric: Metric, values: Mapping[str, npt.NDArray[np.float64]], *, limits: Sequence[tuple[float, str]] = ()
) -> Markup | None:
    """Return the distributions of sorted positive values by arm; None without any.

    ``limits`` are values with their names, drawn as vertical lines.
    """
    ends = [end for found in values.values() if found.size for end in (float(found[0]), float(found[-1]))]
    axis = log_axis([*ends, *(value for value, _ in limits)]) if ends else None
    if axis is None:
        return None
    scale = figures.scale_of(metric, *axis.ticks())
    curves = [
        Curve(style=f"a{at}", path=_steps(found, axis), name=str(at))
        for at, found in enumerate(values.values())
        if found.size
    ]  # fmt: skip
    for at, found in enumerate(values.values()):
        ranks = {rank: float(np.quantile(found, rank)) for rank in _MARKED} if found.size else {}
        places = (drawing.place(axis, value, _SHARES, rank) for rank, value in ranks.items())
        curves.append(Curve(style=f"a{at} percentile", path=drawing.dots(places), dots=True))
    curves += [Curve(style="knee", path=f"M{PLOT * axis.at(value) / 100:.1f} 0V{PLOT}") for value, _ in limits]
    named = (drawing.key_line(f"gate: {name}", "knee") for _, name in limits)
    return drawing.plot(
        curves,
        x=axis,
        y=_SHARES,
        x_label=lambda value: figures.amount(value, scale, half=value),
        y_label=lambda share: f"{100 * share:.0f}%",
        name=metric.name,
        title=f"{_TITLES[metric.name]} ({metric.name}): share of answered trials at or below",
        legend=join(drawing.key(tuple(values)), *named),
        kind="ecdf",
        x_title=f"{metric.name}, logarithmic scale",
    )


def _steps(values: np.ndarray[tuple[int], np.dtype[np.float64]], axis: Axis) -> str:
    """Return the path of an empirical distribution with at most ``_POINTS`` steps."""
    count = values.size
    ranks = np.unique(np.linspace(0, count - 1, min(count, _POINTS)).round().astype(int))
    path: list[str] = []
    before = 0.0
    for rank in ranks:
        x, share = PLOT * axis.at(float(values[rank])) / 100, (int(rank) + 1) / count
        path.append(f"{'L' if path else 'M'}{x:.1f} {PLOT * (1 - before):.1f}V{PLOT * (1 - share):.1f}")
        before = share
    return "".join(path) + f"H{PLOT}"

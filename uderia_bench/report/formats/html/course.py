"""Latency over the run, in the order of sending: drift, warm-ups and trials without an answer."""

from __future__ import annotations

import polars as pl

from uderia_bench.report import content, figures
from uderia_bench.report.content import Report
from uderia_bench.report.formats.html import drawing, listing
from uderia_bench.report.formats.html.axis import Axis, linear_axis, log_axis
from uderia_bench.report.formats.html.drawing import PLOT, Curve
from uderia_bench.report.formats.html.kept import Kept
from uderia_bench.report.formats.html.markup import Markup, join
from uderia_bench.trial import Outcome, Stage

_METRIC = "latency_s"
FAILED_AT = 985  # units from the top: trials without an answer have no latency and lie along the bottom


def course(report: Report, kept: Kept) -> Markup | None:
    """Return the plot of latency by order of sending; None where no trial was answered."""
    if _METRIC not in kept.trials.columns:
        return None
    trials = kept.trials.sort("seq")
    timed = trials.filter(pl.col(_METRIC) > 0, pl.col("outcome") == Outcome.ANSWERED)
    y = log_axis(timed[_METRIC].to_list())
    x = linear_axis(trials["seq"].to_list())
    if x is None or y is None:
        return None
    x = Axis(lo=x.lo + 1, hi=x.hi + 1)  # people count from 1
    arms = [arm.arm for arm in report.analysis.arms]
    curves = []
    for at, arm in enumerate(arms):
        ours = timed.filter(pl.col("arm") == arm)
        for stage, style in ((Stage.WARMUP, "warmup"), (Stage.MEASURED, "")):
            of_stage = ours.filter(pl.col("stage") == stage)
            dots = zip(of_stage["seq"], of_stage[_METRIC], strict=True)
            path = "".join(_dot(x.at(seq + 1), 100 - y.at(value)) for seq, value in dots)
            curves.append(Curve(style=f"a{at} {style}".rstrip(), path=path, dots=True, name="" if style else str(at)))
    silent = trials.filter(pl.col("outcome") != Outcome.ANSWERED)["seq"]
    curves.append(
        Curve(style="silent", path="".join(_dot(x.at(s + 1), FAILED_AT / 10) for s in silent), dots=True, name="silent")
    )
    scale = figures.scale_of(content.definition(report, _METRIC), *y.ticks())
    plot = drawing.plot(
        curves,
        x=x,
        y=y,
        x_label=lambda seq: f"{seq:,.0f}",
        y_label=lambda value: figures.amount(value, scale, half=value),
        name=_METRIC,
        title="Latency of every trial, in the order of sending",
        legend=join(drawing.key(arms), drawing.key_entry("warm-up", "warmup", 0), drawing.key_entry("no answer", "silent", 0)),
        kind="course",
        x_title="trial number (click a point to open its trial)",
    )
    lead = (
        "A trend is drift. Pale points are warm-up trials, which are not counted. Trials without an answer are at the bottom."
    )
    return listing.section("course", "Over the run", plot, lead=lead)


def _dot(x: float, y: float) -> str:
    return f"M{PLOT * x / 100:.0f} {PLOT * y / 100:.0f}h0"

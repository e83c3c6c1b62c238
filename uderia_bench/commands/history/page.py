"""A history as one HTML page: what changed, in words, then every series with a drawn interval a night. It has no script."""

from __future__ import annotations

from collections.abc import Sequence

from uderia_bench.commands.history.gather import History, Series
from uderia_bench.commands.history.telling import P_VALUES, changed_on, in_words, notes, summary
from uderia_bench.report import figures
from uderia_bench.report.formats.html import drawing, listing
from uderia_bench.report.formats.html.axis import Axis, linear_axis, log_axis
from uderia_bench.report.formats.html.document import document
from uderia_bench.report.formats.html.markup import Markup, join, tag
from uderia_bench.stats.estimate import Estimate

_SHARES = Axis(lo=-0.03, hi=1.03)  # 0 and 100 %, with the padding that each axis has


def to_html(history: History) -> str:
    """Return the history as a self-contained page."""
    told = [
        tag("div", tag("p", in_words(history, series, shift)), listing.items(changed_on(history, shift)), class_="card")
        for series in history.series
        for shift in series.shifts
    ]
    beside = [note for series in history.series for note in notes(series)]
    header = tag("header", tag("p", "uderia-bench history", class_="small"), tag("h1", history.experiment))
    main = tag(
        "main",
        tag(
            "section",
            tag("p", summary(history).rstrip(":")),
            *((tag("div", *told, class_="cards"), tag("p", P_VALUES, class_="small")) if told else ()),
            listing.items(beside) if beside else None,
        ),
        *(_series(history, series) for series in history.series),
    )
    return document(f"{history.experiment} - history", header, main)


def _series(history: History, series: Series) -> Markup | None:
    estimates = history.estimates(series)
    ends = [end for e in estimates for end in (e.value, e.lo, e.hi) if end is not None]
    axis = log_axis(ends) if series.levels.relative else linear_axis(ends)
    if axis is None:
        return None
    scale = figures.scale_of(series.metric, axis.lo, axis.hi)
    if scale.share:
        axis = Axis(lo=max(axis.lo, _SHARES.lo), hi=min(axis.hi, _SHARES.hi))
    starts = {shift.at: shift.kind for shift in series.shifts}
    usual = next(e.value for e in estimates if e.value is not None)
    rows = (
        tag(
            "tr",
            tag("th", f"{night.started_at:%Y-%m-%d}", scope="row", class_="short"),
            tag("td", night.run_id, class_="short", data_label="run"),
            tag("td", _strip(axis, estimate, usual, moved=at in starts), class_="strip"),
            tag("td", figures.estimate_forms(estimate, scale)[0], class_="number short", data_label="level"),
            tag("td", _changed(starts.get(at), night.changed), class_="wordy", data_label="changed"),
        )
        for at, (night, estimate) in enumerate(zip(history.nights, estimates, strict=True))
    )
    heads = (
        *(tag("th", name, scope="col") for name in ("night", "run")),
        listing.drawn(drawing.scale(axis, lambda value: figures.amount(value, scale, half=value)), "level, drawn"),
        tag("th", "level", scope="col", class_="number"),
        tag("th", "changed", scope="col"),
    )
    name = f"{series.arm}, {series.metric.name}"
    grid = listing.grid("Every night's level with its interval", heads, rows, name=name, class_="labelled")
    return listing.section(f"{series.arm}-{series.metric.name}".replace(" ", "-"), name, grid)


def _changed(kind: str | None, changed: Sequence[str]) -> Markup:
    return join(tag("b", f"{kind}; ") if kind else None, "; ".join(changed))


def _strip(axis: Axis, estimate: Estimate, usual: float, *, moved: bool) -> Markup | None:
    if estimate.value is None:
        return None
    return drawing.interval(
        axis, estimate.value, estimate.lo, estimate.hi, centre=usual, margin=None, style="doubtful" if moved else "plain"
    )

"""Every query with its arms side by side, the largest difference first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import polars as pl

from uderia_bench.report import content, figures
from uderia_bench.report.content import Report
from uderia_bench.report.formats.html import drawing, listing
from uderia_bench.report.formats.html.axis import log_axis
from uderia_bench.report.formats.html.distributions import answered
from uderia_bench.report.formats.html.kept import Kept
from uderia_bench.report.formats.html.markup import Markup, join, tag
from uderia_bench.trial import Stage

_METRIC = "latency_s"
_BEFORE_MORE = 25  # rows before "show all", one or two screens


def queries(report: Report, kept: Kept, order: Sequence[str]) -> Markup | None:
    """Return one row per query. ``order`` are the query ids by their number in the page's data."""
    arms = [arm.arm for arm in report.analysis.arms]
    means = _means(kept.trials, arms)
    axis = log_axis(value for values in means.values() for value in values if value is not None)
    if axis is None:
        return None
    scale = figures.scale_of(content.definition(report, _METRIC), *axis.ticks())
    rows = sorted(
        _facts(kept, means, order), key=lambda row: (-abs(math.log(row["ratio"])) if row["ratio"] else 1.0, row["id"])
    )
    body = [_row(row, arms, scale, drawing.dumbbell(axis, row["means"]), at) for at, row in enumerate(rows)]
    head = (
        _sortable("query", "name"),
        _sortable("class", "class"),
        listing.drawn(drawing.scale(axis, lambda v: figures.amount(v, scale, half=v)), "latency, drawn"),
        *(_sortable(arm, f"m{at}", number=True) for at, arm in enumerate(arms)),
        _sortable("times", "ratio", number=True) if len(arms) > 1 else None,
        _sortable("answered", "answered", number=True),
    )
    caption = "Mean latency of a query's answered trials"
    grid = listing.grid(caption, head, body, name="Queries", class_="queries", id="queries-table")
    more = (
        tag("button", f"Show all {len(rows)} queries", type="button", id="more-queries") if len(rows) > _BEFORE_MORE else None
    )
    return listing.section(
        "queries",
        "Query by query",
        join(drawing.key(arms), grid, more),
        lead="Largest difference between the first two arms first. Click a query to see its trials, or a heading to sort.",
    )


def _means(trials: pl.DataFrame, arms: Sequence[str]) -> dict[str, list[float | None]]:
    """Return each query's geometric mean latency on each arm, the scale on which arms are compared."""
    found: dict[str, list[float | None]] = {}
    for at, arm in enumerate(arms):
        logs = answered(trials, arm, _METRIC).group_by("query_id").agg(pl.col(_METRIC).log().mean().exp())
        for query, value in logs.iter_rows():
            found.setdefault(query, [None] * len(arms))[at] = value
    return found


def _facts(kept: Kept, means: dict[str, list[float | None]], order: Sequence[str]) -> list[dict[str, Any]]:
    measured = kept.trials.filter(pl.col("stage") == Stage.MEASURED)
    counts = measured.group_by(id="query_id").agg(
        pl.col("complexity").first(), answered=(pl.col("outcome") == "answered").sum(), asked=pl.len()
    )
    rows = []
    for row in counts.iter_rows(named=True):
        values = means.get(row["id"], [])
        ratio = values[1] / values[0] if len(values) > 1 and values[0] and values[1] else None
        more = {"number": order.index(row["id"]), "means": values, "ratio": ratio, "prompt": kept.prompts.get(row["id"])}
        rows.append({**row, **more})
    return rows


def _row(row: dict[str, Any], arms: Sequence[str], scale: figures.Scale, strip: Markup, at: int) -> Markup:
    values = [*row["means"], *[None] * (len(arms) - len(row["means"]))]
    name = tag("button", row["id"], type="button", class_="link", data_query=row["number"], title=row["prompt"])
    return tag(
        "tr",
        tag("th", name, scope="row", data_sort=row["id"]),
        tag("td", row["complexity"] or figures.MISSING, data_sort=row["complexity"] or ""),
        tag("td", strip, class_="strip"),
        *(tag("td", figures.amount(value, scale), class_="number", data_sort=_sort(value)) for value in values),
        tag("td", _times(row["ratio"]), class_="number", data_sort=_sort(row["ratio"])) if len(arms) > 1 else None,
        tag("td", f"{row['answered']}/{row['asked']}", class_="number", data_sort=_sort(row["answered"] / row["asked"])),
        class_="late" if at >= _BEFORE_MORE else None,
        data_row=row["number"],
    )


def _sortable(title: str, name: str, *, number: bool = False) -> Markup:
    button = tag("button", title, type="button", class_="sort", data_by=name)
    return tag("th", button, scope="col", class_="number" if number else None, aria_sort="none")


def _sort(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _times(ratio: float | None) -> str:
    return figures.MISSING if ratio is None else f"{ratio:.3g}x"

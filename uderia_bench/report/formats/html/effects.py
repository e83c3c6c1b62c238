"""Effects with intervals and margins: one row per metric and class of queries, drawn beside the number."""

from __future__ import annotations

from collections.abc import Sequence

from uderia_bench.analysis.values import Comparison
from uderia_bench.reading.metrics.metric import Assumption, Metric
from uderia_bench.report import content, decision, figures
from uderia_bench.report.content import OVERALL, Report
from uderia_bench.report.formats.html import drawing, glossary, listing
from uderia_bench.report.formats.html.axis import Axis, Label, difference_axis, ratio_axis
from uderia_bench.report.formats.html.markup import Markup, tag

_LEAST_FACTOR = 1.5  # the axis of ratios reaches at least this far, so that a small effect looks small
_LEAST_POINTS = 0.10
_FARTHEST_FACTOR = 64.0  # wider intervals are cut at the edge, so that the rest stays readable


def effects(report: Report) -> Markup | None:
    """Return one forest plot per contrast for ratios, and one for differences of shares."""
    parts = []
    for pair in content.contrasts(report.analysis):
        rows = _rows(report, pair)
        title = f"{pair[1]} compared with {pair[0]}"
        ratios = [c for c in rows if c.effect.kind == "ratio"]
        shares = [c for c in rows if c.effect.kind == "difference" and _is_share(content.definition(report, c.metric))]
        if ratios:
            near = (end for end in _ends(ratios) if 1 / _FARTHEST_FACTOR <= end <= _FARTHEST_FACTOR)
            axis = ratio_axis(near, least=_LEAST_FACTOR)
            parts.append(_forest(report, ratios, f"{title}: ratios", axis, _times, centre=1.0))
        if shares:
            axis = difference_axis(_ends(shares), least=_LEAST_POINTS)
            parts.append(_forest(report, shares, f"{title}: differences in points", axis, _points, centre=0.0))
    lead = (
        "Each row is one comparison. The point is the change of a typical query and the line its interval. The shaded band is "
        "the margin: differences inside it do not matter. A line that crosses the middle includes no difference."
    )
    return listing.section("effects", "Effects", *parts, lead=lead)


def _rows(report: Report, pair: tuple[str, str]) -> list[Comparison]:
    """Return the planned metrics, over all queries and by class, and the metrics that decide winners."""
    planned = {c.metric for c in report.analysis.comparisons if c.family == "primary"}
    chosen = []
    for stratum in (OVERALL, *(f"complexity={name}" for name in decision.STRATA)):
        wanted = planned.union(decision.DECIDING.get(stratum.removeprefix("complexity="), ()))
        found = content.comparisons(report.analysis, pair, stratum=stratum)
        chosen += [c for c in found if c.metric in wanted and c.effect.value is not None and not content.structural(c)]
    order = {name: at for at, name in enumerate(dict.fromkeys(c.metric for c in chosen))}
    return sorted(chosen, key=lambda c: order[c.metric])


def _forest(report: Report, rows: Sequence[Comparison], title: str, axis: Axis, label: Label, *, centre: float) -> Markup:
    body, before = [], None
    for c in rows:
        body.append(_row(report, c, axis, centre, named=c.metric != before))
        before = c.metric
    head = (
        *(tag("th", name, scope="col") for name in ("metric", "queries")),
        listing.drawn(drawing.scale(axis, label), "change, drawn"),
        tag("th", glossary.heading("change"), scope="col", class_="number"),
        tag("th", glossary.heading("n"), scope="col", class_="number"),
        tag("th", glossary.heading("verdict"), scope="col"),
    )
    return listing.grid(title, head, body, class_="forest")


def _row(report: Report, c: Comparison, axis: Axis, centre: float, *, named: bool) -> Markup:
    assert c.effect.value is not None
    metric = content.definition(report, c.metric)
    tone = content.verdict_tone(c).value
    strip = drawing.interval(
        axis,
        c.effect.value,
        figures.finite(c.effect.lo),
        figures.finite(c.effect.hi),
        centre=centre,
        margin=_margin(c),
        style=tone,
    )
    stratum = "all" if c.stratum == OVERALL else c.stratum.removeprefix("complexity=")
    word = content.verdict_words(c)[0].replace("~", "undecided")
    return tag(
        "tr",
        tag("th", c.metric, scope="row") if named else tag("td"),
        tag("td", stratum),
        tag("td", strip, class_="strip"),
        tag("td", figures.effect_forms(c.effect, metric)[0], class_="number short"),
        tag("td", str(c.n_queries if c.n_queries > 1 else c.n_pairs), class_="number"),
        tag("td", word, class_=f"{tone} short", title="; ".join(c.warnings) or None),
        class_="first" if named else None,
    )


def _margin(c: Comparison) -> tuple[float, float] | None:
    if c.margin is None:
        return None
    return (1 / (1 + c.margin), 1 + c.margin) if c.effect.kind == "ratio" else (-c.margin, c.margin)


def _is_share(metric: Metric | None) -> bool:
    return metric is not None and (metric.assumption is Assumption.RATE or metric.kind is bool)


def _ends(rows: Sequence[Comparison]) -> list[float]:
    """Return all effects and ends of intervals."""
    return [end for c in rows for end in (c.effect.value, c.effect.lo, c.effect.hi) if end is not None]


def _times(value: float) -> str:
    return f"{value:.3g}x"


def _points(value: float) -> str:
    return f"{100 * value:+.0f}" if value else "0"

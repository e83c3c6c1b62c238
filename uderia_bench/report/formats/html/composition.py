"""Parts of a whole: tokens of an answer by class of call, phases by path, trials by outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from uderia_bench.report import content, figures, tables
from uderia_bench.report.content import Report
from uderia_bench.report.formats.html import drawing, listing
from uderia_bench.report.formats.html.kept import Kept
from uderia_bench.report.formats.html.markup import Markup, join, tag
from uderia_bench.trace import CallClass, PhasePath, StepKind
from uderia_bench.trial import Outcome, Stage

_TOKEN_CLASSES = (*(each.value for each in CallClass), "unattributed")
_PATHS = tuple(path.value for path in PhasePath)
_NO_TOOL = "no tool"


def tokens(report: Report) -> Markup | None:
    """Return the mean tokens of an answer by class of LLM call, one bar per arm on one scale."""
    parts = {}
    for arm in report.analysis.arms:
        means = ((name, arm.metrics.get(f"{name}_tokens")) for name in _TOKEN_CLASSES)
        parts[arm.arm] = {name: s.mean.value for name, s in means if s is not None and s.mean.value}
    kinds = [name for name in _TOKEN_CLASSES if any(name in found for found in parts.values())]
    metric = content.definition(report, "total_tokens")
    drawn = _stacked(
        parts,
        kinds,
        "Mean tokens of an answer by class of LLM call",
        lambda size: figures.amount(size, figures.scale_of(metric, size)),
        alike=False,
    )
    cost = tables.costs(report)
    shown = (drawn if kinds else None, listing.table(cost) if cost else None)
    return listing.section("tokens", "Where the tokens go", *shown, lead="Tokens for naming a session are not included.")


def outcomes(report: Report) -> Markup | None:
    """Return how the trials ended, one bar per arm, and the table."""
    parts = {arm.arm: {name: float(n) for name, n in arm.outcomes.items() if n} for arm in report.analysis.arms}
    kinds = [each.value for each in Outcome if any(each in found for found in parts.values())]
    drawn = _stacked(parts, kinds, "Trials by outcome", lambda size: f"{size:,.0f}", alike=True)
    return listing.section("outcomes", "How the trials ended", drawn, listing.table(tables.outcomes(report)))


def phases(kept: Kept) -> Markup | None:
    """Return how phases chose their tool, by arm and kind of tool; None where no steps were derived."""
    if kept.steps is None:
        return None
    steps = kept.steps.filter(pl.col("stage") == Stage.MEASURED)
    found = steps.filter(pl.col("kind") == StepKind.PHASE.value)
    if not found.height:
        return None
    calls = steps.filter((pl.col("kind") == StepKind.TOOL_CALL.value) & pl.col("parent").is_not_null())
    first = calls.sort("trial_id", "index").group_by("trial_id", "parent").agg(pl.col("class").sort().first().alias("calls"))
    joined = found.join(first, left_on=["trial_id", "index"], right_on=["trial_id", "parent"], how="left")
    kind = pl.when(pl.col("calls").is_null()).then(pl.lit(_NO_TOOL)).otherwise(pl.col("calls") + " tool")
    counts = joined.with_columns(kind.alias("calls")).group_by("arm", "calls", "path").len().sort("arm", "calls", "path")
    parts: dict[str, dict[str, float]] = {}
    for arm, calls_name, path, count in counts.iter_rows():
        parts.setdefault(f"{arm}, {calls_name}", {})[path or PhasePath.UNKNOWN.value] = count
    kinds = [path for path in _PATHS if any(path in held for held in parts.values())]
    drawn = _stacked(parts, kinds, "Phases by how they chose their tool", lambda size: f"{size:,.0f}", alike=True)
    return listing.section(
        "phases", "Fast path by kind of phase", drawn, lead="On the fast path, no tactical LLM call chooses the tool."
    )


def _stacked(parts: Mapping[str, Mapping[str, float]], kinds: Sequence[str], title: str, write: Callable[[float], str], *,
             alike: bool) -> Markup:  # fmt: skip
    """Return a table of bars with their numbers.

    ``alike``: all bars have the full width, to compare shares.
    """
    widest = max((sum(held.values()) for held in parts.values()), default=0.0)
    styles = {name: f"c{at}" for at, name in enumerate(kinds)}
    rows = []
    for name, held in parts.items():
        total = sum(held.values())
        bar = drawing.bars(((styles[kind], held.get(kind, 0.0)) for kind in kinds), total if alike else widest)
        cells = (tag("td", write(held[kind]) if kind in held else figures.MISSING, class_="number") for kind in kinds)
        rows.append(tag("tr", tag("th", name, scope="row"), tag("td", bar, class_="strip"), *cells,
                        tag("td", write(total), class_="number total")))  # fmt: skip
    heads = (tag("th", join(tag("i", class_=f"swatch {styles[kind]}"), kind), scope="col", class_="number") for kind in kinds)
    head = (tag("td"), listing.drawn(Markup(), "drawn"), *heads, tag("th", "all", scope="col", class_="number"))
    return listing.grid(title, head, rows, class_="stacked")

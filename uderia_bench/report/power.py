"""The result of ``power``: tables for 80 columns, and JSON types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp, sqrt
from typing import Any

from uderia_bench.analysis.power import Design, Planning, Sensitivity
from uderia_bench.printable import count_of
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.report import figures
from uderia_bench.report.formats.data import data, record
from uderia_bench.report.formats.layout import lay_out, wrapped
from uderia_bench.report.table import Column, Heading, Table, left

SCHEMA = "uderia-bench/power/1"

_AT_ONCE = 3  # metrics next to the price, as 80 columns have room for
_MANY_TOKENS = 1e7  # from here on written in millions
_USD = figures.Scale(prefix="$")
_TIMES = ((48 * 60.0, 24 * 60.0, "d"), (120.0, 60.0, "h"), (1.0, 1.0, "min"), (0.0, 1 / 60, "s"))  # from, minutes each, unit


def to_text(
    plans: Sequence[Planning], metrics: Sequence[Metric], *, run_id: str, remarks: Sequence[str] = (), width: int = 80
) -> str:
    """Return what the next run could detect, in lines of at most ``width`` columns.

    ``metrics`` are the definitions in force.
    """
    known = {metric.name: metric for metric in metrics}
    lines: list[str] = []
    for planning in plans:
        lines += [*wrapped(_title(planning, run_id), width), ""]
        for table in _tables(planning, known):
            lines += [*wrapped(table.title, width), *lay_out(table, width), ""]
        for said in (*planning.left_out, *remarks):
            lines += wrapped(said, width)
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def as_dict(plans: Sequence[Planning], *, run_id: str) -> dict[str, Any]:
    """Return what the next run could detect, as JSON types."""
    return {"schema": SCHEMA, "run": run_id, "contrasts": [_planning(planning) for planning in plans]}


def _planning(planning: Planning) -> dict[str, Any]:
    found = record(planning, without=("grid", "sensitivities"))
    found["designs"] = data(planning.grid)
    found["metrics"] = {one.metric: _sensitivity(one) for one in planning.sensitivities}
    return found


def _sensitivity(one: Sensitivity) -> dict[str, Any]:
    within = one.components.within or (None, None)
    found = record(one, without=("metric", "components", "smallest", "designs"))
    found["variance"] = {
        "between_queries": one.components.between,
        "within_baseline": within[0],
        "within_candidate": within[1],
        "of_a_difference": one.components.seen,
    }
    return found | {"smallest_effect": data(one.smallest), "sees_target": data(one.designs)}


def _title(planning: Planning, run_id: str) -> str:
    design = f"{count_of(planning.queries, 'query')} x {planning.repeats:.3g} repeat{'s' * (planning.repeats != 1)}"
    return (
        f"The effects that a next run of {planning.candidate} compared with {planning.baseline} would detect with "
        f"{planning.power:.0%} power at {planning.confidence:.0%} confidence, one metric at a time. Estimated from the "
        f"variance of {run_id} ({design})."
    )


def _tables(planning: Planning, known: dict[str, Metric]) -> Iterator[Table]:
    if not planning.sensitivities:
        return
    for start in range(0, len(planning.sensitivities), _AT_ONCE):
        shown = planning.sensitivities[start : start + _AT_ONCE]
        columns: tuple[Heading, ...] = (*_DESIGN, *(Column(title=one.metric, is_name=True) for one in shown))
        grid = enumerate(planning.grid)
        rows = ((*_price(design), *(_effect(one.smallest[at], one, known) for one in shown)) for at, design in grid)
        yield Table.of("Smallest detectable effect by number of queries x repeats", columns, rows)
    targets = [(one, design) for one in planning.sensitivities for design in one.designs if design is not None]
    if targets:
        designs = ((one.metric, _effect(one.target, one, known), *_price(design)) for one, design in targets)
        title = "Designs that detect the effect asked for (by default the margin)"
        yield Table.of(title, (left("metric"), "effect", *_DESIGN), designs)
    yield Table.of(
        "Sources of variance (standard deviations, for ratios as a factor)",
        (left("metric"), *_SPREADS, "n"),
        ((one.metric, *_spreads(one, known), str(one.n_queries)) for one in planning.sensitivities),
        "If the first column is the largest, add queries: repeats only reduce the other two.",
    )


_DESIGN = ("design", "trials", "tokens", "cost", "time")
_SPREADS = ("between queries", "repeats, baseline", "repeats, candidate")


def _spreads(one: Sensitivity, known: dict[str, Metric]) -> Iterator[str]:
    within = one.components.within or (None, None)
    for variance in (one.components.between, *within):
        if variance is None:
            yield figures.MISSING
        elif one.kind == "ratio":
            yield f"x{exp(sqrt(variance)):.2f}"
        else:
            yield figures.amount(variance**0.5, figures.scale_of(known.get(one.metric), variance**0.5))


def _price(design: Design) -> Iterator[str]:
    yield f"{design.queries:,} x {design.repeats}"
    yield f"{design.prompts:,}"
    yield _tokens(design.tokens)
    yield figures.amount(design.cost_usd, _USD)
    yield minutes_of(design.minutes)


def _tokens(tokens: float | None) -> str:
    if tokens is not None and tokens >= _MANY_TOKENS:
        return figures.amount(tokens, figures.Scale(factor=1e-6, suffix="M"))
    return figures.amount(tokens, figures.Scale(factor=1e-3, suffix="k"))


def minutes_of(minutes: float | None) -> str:
    """Return a time in the unit that reads best."""
    if minutes is None:
        return figures.MISSING
    size, unit = next((size, unit) for least, size, unit in _TIMES if minutes >= least)
    number = minutes / size
    return f"{number:.0f}{unit}" if number >= 10 else f"{number:.1f}{unit}"


def _effect(value: float | None, one: Sensitivity, known: dict[str, Metric]) -> str:
    if value is None:
        return figures.MISSING
    if one.kind == "ratio":
        return f"{100 * value:.1f}%"
    scale = figures.scale_of(known.get(one.metric), value)
    return f"{100 * value:.1f} pts" if scale.share else figures.amount(value, scale)

"""``power`` in two forms: tables for eighty columns, and a dict for JSON. It computes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp, sqrt
from typing import Any

from uderia_bench.analysis.power import Design, Planning, Sensitivity
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.report import figures
from uderia_bench.report.formats.layout import lay_out, wrapped
from uderia_bench.report.tables import Cell, Column, Table

SCHEMA = "uderia-bench/power/1"

_AT_ONCE = 3  # metrics beside the price in 80 columns
_MANY_TOKENS = 1e7  # from here on in millions
_USD = figures.Scale(prefix="$")
_TIMES = ((48 * 60.0, 24 * 60.0, "d"), (120.0, 60.0, "h"), (1.0, 1.0, "min"), (0.0, 1 / 60, "s"))  # from, minutes each, unit


def to_text(
    plans: Sequence[Planning], metrics: Sequence[Metric], *, run_id: str, remarks: Sequence[str] = (), width: int = 80
) -> str:
    """Return what the next run could see as lines of at most ``width`` columns; ``metrics`` are the definitions in force."""
    known = {metric.name: metric for metric in metrics}
    lines: list[str] = []
    for planning in plans:
        lines += [*wrapped(_title(planning, run_id), width), ""]
        for table in _tables(planning, known):
            lines += [*wrapped(table.title, width), *lay_out(table, width, lambda text, _: text), ""]
        for said in (*planning.left_out, *remarks):
            lines += wrapped(said, width)
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def as_dict(plans: Sequence[Planning], *, run_id: str) -> dict[str, Any]:
    """Return what the next run could see in the types of JSON."""
    return {"schema": SCHEMA, "run": run_id, "contrasts": [_planning(planning) for planning in plans]}


def _planning(planning: Planning) -> dict[str, Any]:
    return {
        "baseline": planning.baseline,
        "candidate": planning.candidate,
        "confidence": planning.confidence,
        "power": planning.power,
        "queries": planning.queries,
        "repeats": planning.repeats,
        "designs": [_design(design) for design in planning.grid],
        "metrics": {one.metric: _sensitivity(one) for one in planning.sensitivities},
        "left_out": list(planning.left_out),
    }


def _design(design: Design) -> dict[str, Any]:
    return {
        "queries": design.queries,
        "repeats": design.repeats,
        "prompts": design.prompts,
        "tokens": figures.finite(design.tokens),
        "cost_usd": figures.finite(design.cost_usd),
        "minutes": figures.finite(design.minutes),
    }


def _sensitivity(one: Sensitivity) -> dict[str, Any]:
    within = one.components.within or (None, None)
    return {
        "kind": one.kind,
        "n_queries": one.n_queries,
        "variance": {
            "between_queries": one.components.between,
            "within_baseline": within[0],
            "within_candidate": within[1],
            "of_a_difference": one.components.seen,
        },
        "smallest_effect": list(one.smallest),
        "target": one.target,
        "sees_target": [None if design is None else _design(design) for design in one.designs],
    }


def _title(planning: Planning, run_id: str) -> str:
    return (
        f"What the next run of {planning.candidate} against {planning.baseline} could see, from the variance of {run_id} "
        f"({planning.queries} queries x {planning.repeats:.3g} repeats), {planning.power:.0%} of the time, one metric at a "
        f"time at {planning.confidence:.0%} confidence."
    )


def _tables(planning: Planning, known: dict[str, Metric]) -> Iterator[Table]:
    if not planning.sensitivities:
        return
    for start in range(0, len(planning.sensitivities), _AT_ONCE):
        shown = planning.sensitivities[start : start + _AT_ONCE]
        columns = (*_DESIGN, *(Column(title=one.metric, is_name=True) for one in shown))
        rows = tuple(
            (*_price(design), *(_cell(_effect(one.smallest[at], one, known)) for one in shown))
            for at, design in enumerate(planning.grid)
        )
        yield Table(title="Smallest effect seen by designs of queries x repeats", columns=columns, rows=rows)
    targets = [(one, design) for one in planning.sensitivities for design in one.designs if design is not None]
    if targets:
        rows = tuple((_cell(one.metric), _cell(_effect(one.target, one, known)), *_price(design)) for one, design in targets)
        columns = (Column(title="metric", right=False), Column(title="effect"), *_DESIGN)
        yield Table(title="Designs that see the smallest effect worth acting on", columns=columns, rows=rows)
    columns = (Column(title="metric", right=False), *(Column(title=title) for title in _SPREADS), Column(title="n"))
    spreads = tuple(
        (_cell(one.metric), *(_cell(text) for text in _spreads(one, known)), _cell(str(one.n_queries)))
        for one in planning.sensitivities
    )
    yield Table(
        title="Where the variance is (standard deviations; of logs, as a factor, for ratios)",
        columns=columns,
        rows=spreads,
        remarks=("Repeats make only the two right ones smaller: where the first is large, ask more queries.",),
    )


_DESIGN = tuple(Column(title=title) for title in ("design", "prompts", "tokens", "cost", "time"))
_SPREADS = ("effect, by query", "repeats, baseline", "repeats, candidate")


def _spreads(one: Sensitivity, known: dict[str, Metric]) -> Iterator[str]:
    within = one.components.within or (None, None)
    for variance in (one.components.between, *within):
        if variance is None:
            yield figures.MISSING
        elif one.kind == "ratio":
            yield f"x{_factor(variance):.2f}"
        else:
            yield figures.amount(variance**0.5, figures.scale_of(known.get(one.metric), variance**0.5))


def _factor(variance: float) -> float:
    return exp(sqrt(variance))


def _price(design: Design) -> Iterator[Cell]:
    yield _cell(f"{design.queries:,} x {design.repeats}")
    yield _cell(f"{design.prompts:,}")
    yield _cell(_tokens(design.tokens))
    yield _cell(figures.amount(design.cost_usd, _USD))
    yield _cell(_time(design.minutes))


def _tokens(tokens: float | None) -> str:
    if tokens is not None and tokens >= _MANY_TOKENS:
        return figures.amount(tokens, figures.Scale(factor=1e-6, suffix="M"))
    return figures.amount(tokens, figures.Scale(factor=1e-3, suffix="k"))


def _time(minutes: float | None) -> str:
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


def _cell(text: str) -> Cell:
    return Cell(forms=(text,))

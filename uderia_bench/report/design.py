"""The result of ``power EXPERIMENT``: designs that reach a verdict, as tables for 80 columns, JSON types, and YAML to paste."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp, sqrt
from typing import Any

from uderia_bench.analysis.designs import Assumed, Bill, Study, VerdictDesign
from uderia_bench.printable import count_of
from uderia_bench.reading.metrics.metric import Assumption
from uderia_bench.report import figures
from uderia_bench.report.formats.data import data
from uderia_bench.report.formats.layout import lay_out, wrapped
from uderia_bench.report.power import minutes_of
from uderia_bench.report.table import Table, left

SCHEMA = "uderia-bench/design/1"


def to_text(study: Study, *, width: int = 80) -> str:
    """Return the designs in lines of at most ``width`` columns, with the YAML of the cheapest."""
    lines = [*wrapped(_title(study), width), ""]
    for table in (_designs(study), _costs(study), _assumptions(study)):
        lines += [*wrapped(table.title, width), *lay_out(table, width), ""]
    for said in _remarks(study):
        lines += wrapped(said, width)
    for design in study.best:
        lines += ["", f"# a verdict in {design.chance:.0%} of runs", *yaml_of(study, design).splitlines()]
    return "\n".join(lines) + "\n"


def as_dict(study: Study) -> dict[str, Any]:
    """Return the study as JSON types."""
    return {
        "schema": SCHEMA,
        "experiment": study.experiment,
        "effect": study.effect,
        "queries_available": study.available,
        "assumptions": data(study.assumptions),
        "price": data(study.price),
        "designs": [_as_json(study, design) for design in study.designs],
        "left_out": list(study.left_out),
    }


def _as_json(study: Study, design: VerdictDesign) -> dict[str, Any]:
    found: dict[str, Any] = data(design)
    with_effect, without = found.pop("expected")
    expected = {"with_effect": with_effect, "no_difference": without}
    return {**found, "expected": expected, "recommended": design in study.best, "yaml": yaml_of(study, design)}


def yaml_of(study: Study, design: VerdictDesign) -> str:
    """Return the lines of an experiment that have this design."""
    by_cost = ", by: cost" if design.by_cost else ", by: complexity"
    sample = f"sample: {{n: {design.queries}{by_cost}}}\n" if design.queries < study.available else ""
    margins = ", ".join(f"{name}: {100 * margin:g}%" for name, margin in study.margins.items())
    stop = study.stop
    return (
        f"repeats: {design.repeats}\n{sample}margins: {{{margins}}}\n"
        f"stop: {{metrics: [{', '.join(study.margins)}], looks: {stop.looks}, boundary: {stop.boundary}, "
        f"for: [{', '.join(stop.goals)}]}}\n"
    )


def _title(study: Study) -> str:
    named = ", ".join(f"{name} (margin {100 * margin:g}%)" for name, margin in study.margins.items())
    return (
        f"Designs of {study.experiment} that end with a verdict on {named}: the right one where the candidate needs "
        f"{100 * study.effect:g}% less, and where there is no difference."
    )


def _designs(study: Study) -> Table:
    rows = (
        (
            f"{design.chance:.0%}" + (" *" if design in study.best else ""),
            _named(design),
            figures.percentage(design.found),
            figures.MISSING if design.equivalent is None else figures.percentage(design.equivalent),
            f"{design.expected[0].trials:,}",
            f"{design.expected[1].trials:,}",
            f"{design.worst.trials:,}",
        )
        for design in study.designs
    )
    columns = (left("chance"), left("design"), "found", "same found", "trials", "if same", "at most")
    effect = f"{100 * study.effect:g}% less"
    remarks = (
        "design: queries x repeats. * marks the cheapest one that the corpus has queries for.",
        f"found, trials: the rate of the right verdict, and the expected trials, with {effect}.",
        "same found, if same: the rate of the verdict equivalent, and the expected trials, without a difference.",
    )
    return Table.of("Designs", columns, rows, *remarks)


def _costs(study: Study) -> Table:
    cases = (f"{100 * study.effect:g}% less", "no difference", "at most")
    rows = (
        (_named(design) if at == 0 else "", case, *_bill(bill))
        for design in study.best
        for at, (case, bill) in enumerate(zip(cases, (*design.expected, design.worst), strict=True))
    )
    return Table.of("Expected cost", (left("design"), left("if there is"), "trials", "tokens", "cost", "time"), rows)


def _assumptions(study: Study) -> Table:
    rows = ((one.metric, _spread(one, one.between), _spread(one, one.within), one.source) for one in study.assumptions)
    columns = (left("metric"), "between queries", "one repeat", left("from"))
    return Table.of("Assumed standard deviations of a query's difference (for ratios as a factor)", columns, rows)


def _remarks(study: Study) -> Iterator[str]:
    yield f"Tokens, cost and time are those of {study.price.source}."
    yield from study.left_out
    if not study.designs:
        yield "A verdict needs more queries than are feasible: set a wider margin, or plan for a larger effect."
    if any(design.queries > study.available for design in study.best):
        needed = max(design.queries for design in study.best)
        available = count_of(study.available, "query")
        yield f"The corpus has {available}, and {needed} are needed: add queries, or set a wider margin."


def _named(design: VerdictDesign) -> str:
    return f"{design.queries:,} x {design.repeats}" + (" by cost" if design.by_cost else "")


def _bill(bill: Bill) -> Sequence[str]:
    return (
        f"{bill.trials:,}",
        figures.MISSING if bill.tokens is None else figures.tokens(bill.tokens),
        figures.MISSING if bill.usd is None else figures.usd(bill.usd),
        minutes_of(bill.minutes),
    )


def _spread(one: Assumed, variance: float) -> str:
    if one.kind is Assumption.POSITIVE:
        return f"x{exp(sqrt(variance)):.2f}"
    return f"{100 * sqrt(variance):.1f}" + (" pts" if one.kind is Assumption.RATE else "% of the mean")

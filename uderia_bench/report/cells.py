"""Cells that several tables of a report have: estimates, means of the arms, effects and verdicts."""

from __future__ import annotations

from uderia_bench.analysis.values import Comparison, MetricSummary, Verdict
from uderia_bench.report import content, figures
from uderia_bench.report.content import Report
from uderia_bench.report.table import Cell, left
from uderia_bench.stats.estimate import Estimate

JUDGEMENT = ("p", "n", left("verdict"))
"""Columns of what ``judgement`` returns."""


def estimate_cell(estimate: Estimate | None, scale: figures.Scale, *, notes: tuple[str, ...] = ()) -> Cell:
    """Return an estimate in its forms, with its warnings as footnotes; without an interval only its value."""
    if estimate is None:
        return Cell(forms=(figures.MISSING,))
    forms = figures.estimate_forms(estimate, scale)
    noted = tuple(dict.fromkeys((*notes, *estimate.warnings)))
    return Cell(forms=forms[-1:] if noted and figures.NO_INTERVAL in forms[0] else forms, notes=noted)


def means(report: Report, metric: str, summaries: list[MetricSummary | None]) -> tuple[Cell, ...]:
    """Return the mean of a metric on each arm, in one scale."""
    values = (s.mean.value for s in summaries if s is not None)
    scale = figures.scale_of(content.definition(report, metric), *values)
    return tuple(estimate_cell(s.mean if s else None, scale, notes=s.warnings if s else ()) for s in summaries)


def effect_cell(report: Report, comparison: Comparison) -> Cell:
    """Return the effect of a comparison in its forms, in the tone of its verdict."""
    forms = figures.effect_forms(comparison.effect, content.definition(report, comparison.metric))
    return Cell(forms=forms, tone=content.verdict_tone(comparison))


def judgement(comparison: Comparison, *, advised: bool) -> tuple[str, str, Cell]:
    """Return p, n and verdict.

    ``advised``: an undecided verdict gets a footnote on what would decide it.
    """
    notes = comparison.warnings
    if advised and comparison.verdict is Verdict.INCONCLUSIVE and comparison.advice and comparison.advice not in notes:
        notes = (*notes, comparison.advice)
    p = comparison.p if comparison.p_adjusted is None else comparison.p_adjusted
    n = comparison.n_queries if comparison.n_queries > 1 else comparison.n_pairs
    verdict = Cell(forms=content.verdict_words(comparison), notes=notes, tone=content.verdict_tone(comparison))
    return figures.p_value(p), str(n), verdict

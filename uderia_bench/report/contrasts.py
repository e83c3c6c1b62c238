"""Tables of two arms compared: planned metrics, other metrics, totals and percentiles, and classes of queries."""

from __future__ import annotations

import re

from uderia_bench.analysis.settings import EXPLORATORY_RATE
from uderia_bench.analysis.values import NOT_CALLED, Comparison
from uderia_bench.report import content, decision, figures
from uderia_bench.report.cells import JUDGEMENT, effect_cell, judgement, means
from uderia_bench.report.content import Report
from uderia_bench.report.measurement import open_share
from uderia_bench.report.table import Cell, Column, Entry, Heading, Table, left
from uderia_bench.stats.estimate import Effect

_LEADS = (
    f"You set no margin for these metrics. Treat them as hints ({EXPLORATORY_RATE:.0%} level, adjusted, not 5%), "
    "so an interval may include no change."
)
_LEADS_BY_CLASS = (
    f"Results by class are hints ({EXPLORATORY_RATE:.0%} level, adjusted, not 5%), so an interval may include no change. "
    "To confirm one, run a corpus of that class."
)
_TAILS = (("total", "ratio_of_totals"), ("p50", "p50_ratio"), ("p90", "p90_ratio"), ("p95", "p95_ratio"))
_WITHHOLDS = (
    "A metric has no verdict if its total or its p95 contradicts it by more than the margin. "
    f"{figures.NO_INTERVAL}: too few queries for an interval."
)


def planned(report: Report, pair: tuple[str, str]) -> Table | None:
    """Return one contrast over all queries on the planned metrics, None without any."""
    found = [c for c in _tested(report, pair) if c.family == "primary"]
    remark = f"p is adjusted for {len(found)} planned metrics ({report.analysis.correction})." if len(found) > 1 else ""
    return _contrast_table(report, pair, "planned metrics", found, remark)


def tails(report: Report, pair: tuple[str, str], *, withheld: bool = False) -> Table | None:
    """Return the ratios of totals and of percentiles on the planned metrics of one contrast, None without any.

    ``withheld`` leaves out the metrics whose verdict the total or the tail did not change.
    """
    rows: list[tuple[Entry, ...]] = []
    for c in _tested(report, pair):
        if c.family == "primary" and _TAILS[0][1] in c.beside and (not withheld or any(map(_is_withheld, c.warnings))):
            ratios = (_beside(c, name) for _, name in _TAILS)
            rows.append((c.metric, *(Cell(forms=figures.effect_forms(ratio, None)) for ratio in ratios)))
    title = f"{pair[1]} compared with {pair[0]}: totals and percentiles"
    columns = (left("metric"), *(Column(title=title, group="tails") for title, _ in _TAILS))
    return Table.unless_empty(title, columns, rows, _WITHHOLDS)


def _beside(comparison: Comparison, name: str) -> Effect:
    value, lo, hi = (comparison.beside.get(f"{name}{end}") for end in ("", "_lo", "_hi"))
    return Effect(kind="ratio", value=value, lo=lo, hi=hi, level=comparison.effect.level)


def _is_withheld(warning: str) -> bool:
    return warning.startswith(NOT_CALLED)


def exploratory(report: Report, pair: tuple[str, str]) -> Table | None:
    """Return one contrast over all queries on the other metrics, None without any."""
    found = [c for c in _tested(report, pair) if c.family != "primary"]
    return _contrast_table(report, pair, "other metrics", found, _LEADS)


def by_stratum(report: Report, pair: tuple[str, str]) -> Table | None:
    """Return the planned and the deciding metrics of one contrast per class of queries, None without any."""
    planned = {c.metric for c in report.analysis.comparisons if c.family == "primary"}
    rows: list[tuple[Entry, ...]] = []
    shown_names = set[str]()
    for stratum in content.strata(report.analysis, pair):
        label = stratum.removeprefix("complexity=")
        shown = planned.union(decision.DECIDING.get(label, ()))
        found = [c for c in content.comparisons(report.analysis, pair, stratum=stratum) if c.metric in shown]
        for at, comparison in enumerate(c for c in found if not content.structural(c)):
            shown_names.add(comparison.metric)
            small_p = comparison.p_adjusted is not None and comparison.p_adjusted < EXPLORATORY_RATE
            judged = judgement(comparison, advised=label in decision.STRATA or small_p)
            rows.append(("" if at else label, comparison.metric, effect_cell(report, comparison), *judged))
    columns = (left("queries"), left("metric"), "vs base", *JUDGEMENT)
    clock = open_share(report, pair, tuple(shown_names))
    return Table.unless_empty(f"{pair[1]} compared with {pair[0]} by class of query", columns, rows, _LEADS_BY_CLASS, clock)


def _tested(report: Report, pair: tuple[str, str]) -> list[Comparison]:
    return [c for c in content.comparisons(report.analysis, pair) if not content.structural(c)]


def _contrast_table(report: Report, pair: tuple[str, str], kind: str, found: list[Comparison], remark: str) -> Table | None:
    rows: list[tuple[Entry, ...]] = []
    for comparison in found:
        summaries = [content.metric_summary(report.analysis, arm, comparison.metric) for arm in pair]
        shown = means(report, comparison.metric, summaries)
        judged = judgement(comparison, advised=comparison.family == "primary")
        rows.append((comparison.metric, *shown, effect_cell(report, comparison), *judged))
    heads = (Column(title=head, is_name=True, group="arms") for head in _heads(*pair))
    columns: tuple[Heading, ...] = (left("metric"), *heads, "vs base", *JUDGEMENT)
    names = tuple(c.metric for c in found)
    silent, clock = (say(report, pair, names) for say in (_silent, open_share))
    title = f"{pair[1]} compared with {pair[0]}: {kind} ({content.scope(report)})"
    return Table.unless_empty(title, columns, rows, remark, silent, clock)


def _heads(baseline: str, candidate: str) -> tuple[str, str]:
    """Return the headings of the two columns.

    Two sides of one arm, such as ``OPTIM (run)``, have the side as heading, and the title has the
    arm.
    """
    first, second = (re.fullmatch(r"(.+) \((\w+)\)", arm) for arm in (baseline, candidate))
    return (first[2], second[2]) if first and second and first[1] == second[1] else (baseline, candidate)


def _silent(report: Report, arms: tuple[str, ...], metrics: tuple[str, ...]) -> str | None:
    """Return how many trials have no value, and which metrics count them all the same."""
    summaries = [s for s in (content.arm_summary(report.analysis, arm) for arm in arms) if s is not None]
    silent = ((s.arm, s.trials - content.answered(s), s.trials) for s in summaries)
    missing = [f"{count} of {trials} on {arm}" for arm, count, trials in silent if count]
    known = [(name, content.definition(report, name)) for name in metrics]
    speaking = [name for name, metric in known if metric is not None and not metric.needs_answer]
    if not missing or len(speaking) == len(metrics):
        return None
    but = f" Counted in {', '.join(speaking)}." if speaking else ""
    return f"Excludes trials without an answer: {', '.join(missing)}.{but}"

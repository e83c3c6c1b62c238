"""Tables of a report as values: columns, cells with footnotes, and remarks.

The formats lay them out and escape their text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Self, TypeAlias

from uderia_bench.analysis.settings import EXPLORATORY_RATE
from uderia_bench.analysis.values import NOT_CALLED, Comparison, MetricSummary, Verdict
from uderia_bench.report import content, decision, figures
from uderia_bench.report.content import OVERALL, Report, Tone
from uderia_bench.report.measurement import open_share
from uderia_bench.stats.estimate import Effect, Estimate
from uderia_bench.trial import Outcome

_SHOWN_TOGETHER = 4  # arms side by side in one table, as a terminal has room for
_MOST_QUERIES = 10  # of those that changed; report.json has all
_LONGEST_EXAMPLE = 240  # characters of an example; inspect shows all of it
_HEADLINE_METRICS = ("latency_s", "total_tokens", "cost_usd")  # percentiles to show where no metric has a margin


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One entry of a table: its text from the fullest form to the shortest, its footnotes and its tone."""

    forms: tuple[str, ...]
    notes: tuple[str, ...] = ()
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A heading. Numbers are aligned to the right.

    Where room is short, a column that ``wraps`` breaks its text over lines, and a heading that
    ``is_name`` is cut. The cells of one ``group`` of columns change to shorter forms together.
    Other cells keep the fullest form that fits their column. On a terminal a column of sentences is
    shown ``below`` its row, over the whole width. It is shown whole where it ``wraps``, otherwise
    its beginning.
    """

    title: str
    right: bool = True
    wraps: bool = False
    is_name: bool = False
    below: bool = False
    group: str = ""


Heading: TypeAlias = Column | str
"""A column, or the heading of a column of numbers."""

Entry: TypeAlias = Cell | str
"""A cell, or the text of a cell without footnotes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with the remarks that must be read with it."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, title: str, columns: Iterable[Heading], rows: Iterable[Iterable[Entry]], *remarks: str) -> Self:
        """Make a table from short forms of columns and cells."""
        return cls(
            title=title,
            columns=tuple(Column(title=each) if isinstance(each, str) else each for each in columns),
            rows=tuple(tuple(Cell(forms=(each,)) if isinstance(each, str) else each for each in row) for row in rows),
            remarks=remarks,
        )


_LEADS = (
    f"You set no margin for these metrics. Treat them as hints ({EXPLORATORY_RATE:.0%} level, adjusted, not 5%), "
    "so an interval may include no change."
)
_LEADS_BY_CLASS = (
    f"Results by class are hints ({EXPLORATORY_RATE:.0%} level, adjusted, not 5%), so an interval may include no change. "
    "To confirm one, run a corpus of that class."
)


@dataclass(slots=True)
class Footnotes:
    """Numbers for footnotes in order of appearance. The same note has the same number."""

    numbers: dict[str, int] = field(default_factory=dict)

    def marks(self, notes: Sequence[str]) -> tuple[int, ...]:
        """Return the numbers of a cell's notes."""
        return tuple(self.numbers.setdefault(note, len(self.numbers) + 1) for note in notes)


def left(title: str, *, wraps: bool = False, below: bool = False) -> Column:
    """Return a column of text."""
    return Column(title=title, right=False, wraps=wraps, below=below)


_TAILS = (("total", "ratio_of_totals"), ("p50", "p50_ratio"), ("p90", "p90_ratio"), ("p95", "p95_ratio"))
_WITHHOLDS = "No verdict on a metric is given where its total or p95 contradicts it beyond the margin."
JUDGEMENT = ("p", "n", left("verdict"))


def estimate_cell(estimate: Estimate | None, scale: figures.Scale, *, notes: tuple[str, ...] = ()) -> Cell:
    """Return an estimate in its forms, with its warnings as footnotes; without an interval only its value."""
    if estimate is None:
        return Cell(forms=(figures.MISSING,))
    forms = figures.estimate_forms(estimate, scale)
    noted = tuple(dict.fromkeys((*notes, *estimate.warnings)))
    return Cell(forms=forms[-1:] if noted and figures.NO_INTERVAL in forms[0] else forms, notes=noted)


def outcomes(report: Report) -> Table:
    """Return how the trials of every arm ended."""
    rows: list[tuple[Entry, ...]] = []
    for arm in report.analysis.arms:
        share = f" ({figures.percentage(content.answered(arm) / arm.trials)})" if arm.trials else ""
        otherwise = ", ".join(f"{n} {name}" for name, n in arm.outcomes.items() if n and name != Outcome.ANSWERED)
        rows.append((arm.arm, str(arm.trials), f"{content.answered(arm)}{share}", otherwise or "-"))
    return Table.of("Outcomes", (left("arm"), "trials", "answered", left("not answered", wraps=True)), rows)


def looks(report: Report) -> Table | None:
    """Return what each interim look saw and decided, None for a run without any."""
    rows: list[tuple[Entry, ...]] = []
    several = len(content.contrasts(report.analysis)) > 1
    for look in report.analysis.looks:
        decision = f"drop {', '.join(look.dropped)}" if look.dropped else "stop" if look.stops else "go on"
        if not look.comparisons:  # a race has dropped an arm of every contrast
            rows.append((f"{look.look} of {look.of}", f"{look.trials:,}", *[figures.MISSING] * 5, decision))
        for at, found in enumerate(look.comparisons):
            metric = content.definition(report, found.metric)
            said = f"{found.candidate} {found.metric}" if several else found.metric
            head = ("", "") if at else (f"{look.look} of {look.of}", f"{look.trials:,}")
            p = found.p if found.p_adjusted is None else found.p_adjusted
            equivalent = figures.p_value(found.beside.get("tost_p_adjusted"))
            effect = Cell(forms=figures.effect_forms(found.effect, metric), tone=content.verdict_tone(found))
            verdict = Cell(forms=content.verdict_words(found))
            rows.append((*head, said, effect, figures.p_value(p), equivalent, verdict, "" if at else decision))
    limit = f"{1 - report.analysis.confidence:.2g}"
    columns = (
        left("look"),
        "trials",
        left("metric"),
        "vs base",
        "p",
        "p equivalent",
        left("verdict"),
        left("decision"),
    )
    remark = (
        f"Intervals and p allow for all planned looks. The boundary is p {limit}: below it, and with an effect beyond the "
        f"margin, an arm is better or worse. With p equivalent below it, the arms are equivalent."
    )
    if any(look.dropped for look in report.analysis.looks):
        remark += f" A race drops an arm that another one beats. Without keep, it drops the best one with a chance of {limit}."
    return _table("Interim looks", columns, rows, remark)


def query_effects(report: Report) -> Table | None:
    """Return the queries that changed, at most ``_MOST_QUERIES`` for a metric and contrast; None without any effects."""
    rows: list[tuple[Entry, ...]] = []
    remarks = []
    several = len(content.contrasts(report.analysis)) > 1
    for effects in report.analysis.query_effects:
        metric = content.definition(report, effects.metric)
        changed = [query for query in effects.queries if query.changed]
        name = f"{effects.candidate} {effects.metric}" if several else effects.metric
        remarks.append(f"{name}: {len(changed)} of {len(effects.queries)} queries changed.")
        for at, query in enumerate(changed[:_MOST_QUERIES]):
            made = Effect(kind=effects.kind, value=query.value, lo=query.lo, hi=query.hi, level=report.analysis.confidence)
            seen = figures.effect_forms(replace(made, value=query.raw, lo=None, hi=None), metric)[-1]
            rows.append(("" if at else name, query.query, Cell(forms=figures.effect_forms(made, metric)), seen))
    if not remarks:
        return None
    rate = report.analysis.query_effects[0].false_rate
    remarks.append(
        "Effects are shrunk towards the corpus, because the largest of many are large partly by chance. "
        f"Of the queries that are called changed, at most {rate:.0%} have not changed, on average."
    )
    columns = (left("metric"), left("query", wraps=True), "change", "as seen")
    return Table.of("Which queries changed", columns, rows, *remarks)


def planned(report: Report, pair: tuple[str, str]) -> Table | None:
    """Return one contrast over all queries on the planned metrics, None without any."""
    found = [c for c in _tested(report, pair) if c.family == "primary"]
    remark = f"p is adjusted for {len(found)} planned metrics ({report.analysis.correction})." if len(found) > 1 else ""
    title = f"{pair[1]} compared with {pair[0]}: planned metrics ({content.scope(report)})"
    return _contrast_table(report, pair, found, title, remark)


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
    return _table(title, columns, rows, _WITHHOLDS)


def _beside(comparison: Comparison, name: str) -> Effect:
    value, lo, hi = (comparison.beside.get(f"{name}{end}") for end in ("", "_lo", "_hi"))
    return Effect(kind="ratio", value=value, lo=lo, hi=hi, level=comparison.effect.level)


def _is_withheld(warning: str) -> bool:
    return warning.startswith(NOT_CALLED)


def exploratory(report: Report, pair: tuple[str, str]) -> Table | None:
    """Return one contrast over all queries on the other metrics, None without any."""
    found = [c for c in _tested(report, pair) if c.family != "primary"]
    title = f"{pair[1]} compared with {pair[0]}: other metrics ({content.scope(report)})"
    return _contrast_table(report, pair, found, title, _LEADS)


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
            judged = judgement(comparison, advised=label in decision.STRATA)
            rows.append(("" if at else label, comparison.metric, effect_cell(report, comparison), *judged))
    columns = (left("queries"), left("metric"), "vs base", *JUDGEMENT)
    clock = open_share(report, pair, tuple(shown_names))
    return _table(f"{pair[1]} compared with {pair[0]} by class of query", columns, rows, _LEADS_BY_CLASS, clock)


def shown_only(report: Report) -> tuple[Table, ...]:
    """Return metrics that are shown and have no winner.

    They are structural metrics, with the reason, and metrics that no contrast compares.
    """
    analysis = report.analysis
    compared = {c.metric for c in analysis.comparisons if c.stratum == OVERALL and not content.structural(c)}
    names = [m.name for m in report.metrics if m.name not in compared]
    tables = []
    for start in range(0, len(analysis.arms), _SHOWN_TOGETHER):
        arms = analysis.arms[start : start + _SHOWN_TOGETHER]
        rows: list[tuple[Entry, ...]] = []
        for name in names:
            summaries = [arm.metrics.get(name) for arm in arms]
            if any(s is not None and s.n for s in summaries):
                notes = (note for c in analysis.comparisons if c.metric == name for note in _why_shown(report, c))
                rows.append((Cell(forms=(name,), notes=tuple(dict.fromkeys(notes))), *_means(report, name, summaries)))
        columns = (left("metric"), *(Column(title=arm.arm, is_name=True, group="arms") for arm in arms))
        tables.append(_table("Metrics without a test (means)", columns, rows))
    return tuple(filter(None, tables))


def percentiles(report: Report) -> Table | None:
    """Return percentiles of the metrics that matter, one row per arm.

    Each row has the number of trials with a value, out of all trials.
    """
    planned = {c.metric for c in report.analysis.comparisons if c.family == "primary"} or set(_HEADLINE_METRICS)
    shown = [metric for metric in report.metrics if metric.name in planned and not figures.scale_of(metric).share]
    found = {m: [(arm.arm, arm.metrics[m.name]) for arm in report.analysis.arms if m.name in arm.metrics] for m in shown}
    ranks = sorted({rank for summaries in found.values() for _, summary in summaries for rank in summary.percentiles})
    rows: list[tuple[Entry, ...]] = []
    for metric, summaries in found.items():
        scale = figures.scale_of(metric, *(e.value for _, summary in summaries for e in summary.percentiles.values()))
        for at, (arm, summary) in enumerate(summaries):
            shown_ranks = (estimate_cell(summary.percentiles.get(rank), scale) for rank in ranks)
            rows.append(("" if at else metric.name, arm, f"{summary.n}/{summary.n + summary.missing}", *shown_ranks))
    columns: tuple[Heading, ...] = (left("metric"), left("arm"), "trials", *(f"p{rank}" for rank in ranks))
    clock = open_share(report, tuple(arm.arm for arm in report.analysis.arms), tuple(metric.name for metric in found))
    return _table("Percentiles", columns, rows, clock)


def learning(report: Report) -> Table | None:
    """Return what memory does on every arm: share of warm repeats, and warm compared with cold.

    None where no arm learns.
    """
    rows: list[tuple[Entry, ...]] = []
    for learned in report.analysis.learning:
        for at, comparison in enumerate(learned.effects):
            head = ("", "") if at else (learned.arm, estimate_cell(learned.warm, figures.SHARE))
            judged = judgement(comparison, advised=False)
            rows.append((*head, comparison.metric, effect_cell(report, comparison), *judged))
    columns = (left("arm"), "warm", left("metric"), "vs cold", *JUDGEMENT)
    remark = (
        "A warm trial comes after its cold one, so this is not the effect of memory. "
        "To measure that, compare arms with memory: off and frozen."
    )
    return _table("Warm repeats (a stored plan is reused) compared with cold ones", columns, rows, remark)


def costs(report: Report) -> Table | None:
    """Return what every arm spent and the cost of an answer, None where no trial has a cost."""
    metric = content.definition(report, "cost_usd")
    rows: list[tuple[Entry, ...]] = []
    for cost in report.costs:
        notes = []
        if cost.fallback:
            share = figures.percentage(cost.fallback)
            default = f"the server used its default price for {share} of {cost.arm}'s trials, so cost is not tested"
            notes.append(f"{default}. Set prices in the experiment and compare list_cost_usd")
        if cost.unpriced:
            notes.append(f"{cost.unpriced} trials of {cost.arm} have no cost and count as 0, so the total is too low")
        amounts = (cost.total_usd, cost.per_answer_usd, cost.per_right_answer_usd)
        shown = (figures.amount(value, figures.scale_of(metric, value)) for value in amounts)
        rows.append((Cell(forms=(cost.arm,), notes=tuple(notes)), *shown))
    columns = (left("arm"), "spent", "per answer", "per right answer")
    remark = "Costs include failed trials. A right answer passed every check; only queries with checks count for it."
    return _table("Cost", columns, rows, remark, _list_prices(report))


def _list_prices(report: Report) -> str | None:
    """Return which table priced which model in ``list_cost_usd``, None where no model is known."""
    words = {"experiment": "at the experiment's prices", "server": "at the server's own prices", None: "without a price"}
    of_table: dict[str, dict[str, None]] = {}
    for priced in report.prices:
        of_table.setdefault(words.get(priced.by, f"at {priced.by}"), {})[priced.model] = None
    said = "; ".join(f"{', '.join(models)} {where}" for where, models in of_table.items())
    return f"list_cost_usd: {said}." if said else None


def savings(report: Report) -> Table | None:
    """Return what to change, by the tokens it could save, None where no issue has an estimate."""
    metric = content.definition(report, "total_tokens")
    rows = [
        (
            saving.arm,
            saving.kind,
            figures.amount(float(saving.tokens), figures.scale_of(metric, float(saving.tokens))),
            figures.percentage(saving.share),
            str(saving.count),
            saving.recommendation,
            "; ".join((*(f"e.g. {trial}" for trial in saving.examples[:1]), f"most on {', '.join(saving.queries)}")),
        )
        for saving in report.savings
    ]
    sentences = (left("what to change", wraps=True, below=True), left("where", below=True))
    columns = (left("arm"), left("issue"), "tokens", "share", "trials", *sentences)
    remark = "These savings are estimates and overlap: use their order, do not add them."
    return _table("What to change, as estimated", columns, rows, remark)


def issues(report: Report) -> Table | None:
    """Return what the detectors found, in the order of the report, None where they found nothing."""
    rows = [
        (
            issue.kind,
            issue.severity,
            str(issue.count),
            figures.percentage(issue.share),
            issue.recommendation,
            _example(issue.seen, issue.trial),
        )
        for issue in report.issues
    ]
    sentences = (left("what to do", wraps=True, below=True), left("for example", below=True))
    columns = (left("issue"), left("severity"), "trials", "share", *sentences)
    look = f"To see one trial: uderia-bench inspect {content.typed(report.facts)} TRIAL"
    return _table("Issues", columns, rows, look if any(issue.trial for issue in report.issues) else None)


def _example(seen: str, trial: str | None) -> str:
    """Return what was seen, after the trial to look at. The text may be cut, the trial may not."""
    said = seen if len(seen) <= _LONGEST_EXAMPLE else f"{seen[: _LONGEST_EXAMPLE - 1]}…"
    return f"e.g. {trial}: {said}" if trial else said


def gates(report: Report) -> Table | None:
    """Return the gates with what was measured, None where the experiment has none."""
    rows = [
        (
            Cell(forms=("passed" if gate.passed else "MISSED",), tone=Tone.GOOD if gate.passed else Tone.BAD),
            gate.name,
            gate.detail,
        )
        for gate in report.gates
    ]
    return _table("Gates", (left("result"), left("gate"), left("found", wraps=True, below=True)), rows)


def _tested(report: Report, pair: tuple[str, str]) -> list[Comparison]:
    return [c for c in content.comparisons(report.analysis, pair) if not content.structural(c)]


def _contrast_table(report: Report, pair: tuple[str, str], found: list[Comparison], title: str, remark: str) -> Table | None:
    rows: list[tuple[Entry, ...]] = []
    for comparison in found:
        summaries = [content.metric_summary(report.analysis, arm, comparison.metric) for arm in pair]
        means = _means(report, comparison.metric, summaries)
        judged = judgement(comparison, advised=comparison.family == "primary")
        rows.append((comparison.metric, *means, effect_cell(report, comparison), *judged))
    heads = (Column(title=head, is_name=True, group="arms") for head in _heads(*pair))
    columns: tuple[Heading, ...] = (left("metric"), *heads, "vs base", *JUDGEMENT)
    names = tuple(c.metric for c in found)
    silent, clock = (say(report, pair, names) for say in (_silent, open_share))
    return _table(title, columns, rows, remark, silent, clock)


def _heads(baseline: str, candidate: str) -> tuple[str, str]:
    """Return the headings of the two columns.

    Two sides of one arm, such as ``OPTIM (run)``, have the side as heading, and the title has the
    arm.
    """
    first, second = (re.fullmatch(r"(.+) \((\w+)\)", arm) for arm in (baseline, candidate))
    return (first[2], second[2]) if first and second and first[1] == second[1] else (baseline, candidate)


def judgement(comparison: Comparison, *, advised: bool) -> tuple[str, str, Cell]:
    """Return p, n and verdict.

    ``advised``: an undecided verdict gets a footnote on what would decide it.
    """
    notes = comparison.warnings
    if advised and comparison.verdict is Verdict.INCONCLUSIVE and comparison.advice:
        notes = (*notes, comparison.advice)
    p = comparison.p if comparison.p_adjusted is None else comparison.p_adjusted
    n = comparison.n_queries if comparison.n_queries > 1 else comparison.n_pairs
    verdict = Cell(forms=content.verdict_words(comparison), notes=notes, tone=content.verdict_tone(comparison))
    return figures.p_value(p), str(n), verdict


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


def _why_shown(report: Report, comparison: Comparison) -> tuple[str, ...]:
    """Return why a metric is only shown, and its test where it had one."""
    if comparison.stratum != OVERALL or not content.structural(comparison):
        return ()
    metric = content.definition(report, comparison.metric)
    because = comparison.warnings or ((metric.across_reason,) if metric and metric.across_reason else ())
    if comparison.p is None:
        return because
    effect = figures.effect_forms(comparison.effect, metric)[0]
    tested = f"{comparison.candidate} compared with {comparison.baseline}: {effect}, p {figures.p_value(comparison.p)}"
    return (*because, tested)


def _means(report: Report, metric: str, summaries: list[MetricSummary | None]) -> tuple[Cell, ...]:
    values = (s.mean.value for s in summaries if s is not None)
    scale = figures.scale_of(content.definition(report, metric), *values)
    return tuple(estimate_cell(s.mean if s else None, scale, notes=s.warnings if s else ()) for s in summaries)


def effect_cell(report: Report, comparison: Comparison) -> Cell:
    """Return the effect of a comparison in its forms, in the tone of its verdict."""
    forms = figures.effect_forms(comparison.effect, content.definition(report, comparison.metric))
    return Cell(forms=forms, tone=content.verdict_tone(comparison))


def _table(title: str, columns: Iterable[Heading], rows: Iterable[Iterable[Entry]], *remarks: str | None) -> Table | None:
    """Make a table, None without rows. A footnote that every row has becomes a remark."""
    table = Table.of(title, columns, rows, *filter(None, remarks))
    if not table.rows:
        return None
    noted = [{note for cell in row for note in cell.notes} for row in table.rows]
    common = set.intersection(*noted) if len(noted) > 1 else set()
    shared = dict.fromkeys(note for cell in table.rows[0] for note in cell.notes if note in common)
    own = (tuple(replace(cell, notes=tuple(n for n in cell.notes if n not in common)) for cell in row) for row in table.rows)
    return replace(table, rows=tuple(own), remarks=(*shared, *table.remarks))

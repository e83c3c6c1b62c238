"""Tables of a whole run: outcomes, interim looks, percentiles, costs, savings, issues and gates."""

from __future__ import annotations

from dataclasses import replace

from uderia_bench.analysis.values import Comparison
from uderia_bench.printable import count_of
from uderia_bench.report import content, figures
from uderia_bench.report.cells import JUDGEMENT, effect_cell, estimate_cell, judgement, means
from uderia_bench.report.content import OVERALL, Report, Tone
from uderia_bench.report.measurement import open_share
from uderia_bench.report.table import Cell, Column, Entry, Heading, Table, left
from uderia_bench.stats.estimate import Effect
from uderia_bench.trial import Outcome

_SHOWN_TOGETHER = 4  # arms side by side in one table, as a terminal has room for
_MOST_QUERIES = 10  # of those that changed; report.json has all
_LONGEST_EXAMPLE = 240  # characters of an example; inspect shows all of it
_HEADLINE_METRICS = ("latency_s", "total_tokens", "cost_usd")  # percentiles to show where no metric has a margin


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
            said = f"{found.candidate} {found.metric}" if several else found.metric
            head = ("", "") if at else (f"{look.look} of {look.of}", f"{look.trials:,}")
            p = found.p if found.p_adjusted is None else found.p_adjusted
            equivalent = figures.p_value(found.beside.get("tost_p_adjusted"))
            effect = effect_cell(report, found)
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
    return Table.unless_empty("Interim looks", columns, rows, remark)


def query_effects(report: Report) -> Table | None:
    """Return the queries that changed, at most ``_MOST_QUERIES`` for a metric and contrast; None without any effects."""
    rows: list[tuple[Entry, ...]] = []
    remarks = []
    several = len(content.contrasts(report.analysis)) > 1
    for effects in report.analysis.query_effects:
        metric = content.definition(report, effects.metric)
        changed = [query for query in effects.queries if query.changed]
        name = f"{effects.candidate} {effects.metric}" if several else effects.metric
        remarks.append(f"{name}: {len(changed)} of {count_of(len(effects.queries), 'query')} changed.")
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


def shown_only(report: Report) -> tuple[Table, ...]:
    """Return metrics that are shown and have no winner.

    They are structural metrics, with the reason, and metrics that no contrast compares.
    """
    analysis = report.analysis
    compared = {c.metric for c in analysis.comparisons if c.stratum == OVERALL and not content.structural(c)}
    names = [m.name for m in report.metrics if m.name not in compared]
    why = {name: [n for c in analysis.comparisons if c.metric == name for n in _why_shown(report, c)] for name in names}
    noted = [set(notes) for notes in why.values() if notes]
    shared = set.intersection(*noted) if len(noted) > 1 else set[str]()
    remarks = [note for note in dict.fromkeys(note for notes in why.values() for note in notes) if note in shared]
    tables = []
    for start in range(0, len(analysis.arms), _SHOWN_TOGETHER):
        arms = analysis.arms[start : start + _SHOWN_TOGETHER]
        rows: list[tuple[Entry, ...]] = []
        for name in names:
            summaries = [arm.metrics.get(name) for arm in arms]
            if any(s is not None and s.n for s in summaries):
                notes = (note for note in dict.fromkeys(why[name]) if note not in shared)
                rows.append((Cell(forms=(name,), notes=tuple(notes)), *means(report, name, summaries)))
        columns = (left("metric"), *(Column(title=arm.arm, is_name=True, group="arms") for arm in arms))
        tables.append(Table.unless_empty("Metrics without a test (means)", columns, rows, *remarks))
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
    return Table.unless_empty("Percentiles", columns, rows, clock)


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
    return Table.unless_empty("Warm repeats (a stored plan is reused) compared with cold ones", columns, rows, remark)


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
            notes.append(f"{count_of(cost.unpriced, 'trial')} of {cost.arm}: no cost, counted as 0, so the total is too low")
        amounts = (cost.total_usd, cost.per_answer_usd, cost.per_right_answer_usd)
        shown = (figures.amount(value, figures.scale_of(metric, value)) for value in amounts)
        rows.append((Cell(forms=(cost.arm,), notes=tuple(notes)), *shown))
    columns = (left("arm"), "spent", "per answer", "per right answer")
    remark = (
        "Costs include failed trials, but neither warm-ups nor session naming, which the total of the run includes. "
        "A right answer passed every check; only queries with checks count for it."
    )
    return Table.unless_empty("Cost", columns, rows, remark, _list_prices(report))


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
    return Table.unless_empty("What to change, as estimated", columns, rows, remark)


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
    return Table.unless_empty("Issues", columns, rows, look if any(issue.trial for issue in report.issues) else None)


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
    return Table.unless_empty("Gates", (left("result"), left("gate"), left("found", wraps=True, below=True)), rows)


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

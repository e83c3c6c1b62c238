"""The page on what the server's memory of earlier plans is worth: effects, use, and how they change with repeats."""

from __future__ import annotations

from collections.abc import Iterator

from uderia_bench.analysis.memory import LEAST_USE, PLANNING, TOTAL
from uderia_bench.analysis.values import MemoryPart, MemoryScore
from uderia_bench.printable import count_of
from uderia_bench.report import content, figures
from uderia_bench.report.cells import JUDGEMENT, effect_cell, estimate_cell, judgement
from uderia_bench.report.content import Report
from uderia_bench.report.table import Cell, Table, left
from uderia_bench.runs.changes import ChangeState, Noted
from uderia_bench.stats.estimate import Estimate

_MEANING = {
    "frozen": "plans stored before the run",
    "placebo": "plans of other questions",
    "learning": "plans of the arm's earlier trials",
}


def tables(report: Report) -> Iterator[Table]:
    """Yield the tables of each arm with memory: its effects, and its parts by repeat and by paraphrase."""
    for score in report.analysis.memory:
        yield _effects(report, score)
        for title, parts in (("by repeat", score.curve), ("by wording", score.spread)):
            if parts:
                yield _parts(report, score, title, parts)


def left_changed(changes: tuple[Noted, ...], run_id: str) -> tuple[str, ...]:
    """Warn of changes that the run has not undone, and of a memory that was emptied between two sittings."""
    left_over = sum(noted.state is not ChangeState.RESTORED for noted in changes)
    filled = [noted.change.server for noted in changes if noted.change.kind == "collection cases"]
    found = []
    if left_over:
        changed = count_of(left_over, "change of the server is", "changes of the server are")
        found.append(f"{changed} not undone: run 'uderia-bench restore {run_id}'")
    if len(filled) > len(set(filled)):
        found.append(
            "the memory of the learning arm was emptied when the run was interrupted, so later repeats found fewer plans: "
            "repeat the run without an interruption for its curve"
        )
    return tuple(found)


def _effects(report: Report, score: MemoryScore) -> Table:
    rows = [(one.metric, effect_cell(report, one), *judgement(one, advised=False)) for one in score.comparisons]
    columns = (left("metric"), "effect", *JUDGEMENT)
    state = f"{score.state}: {_MEANING.get(score.state, score.state)}"
    title = f"Memory: {score.candidate} ({state}) compared with {score.baseline}"
    return Table.of(title, columns, rows, *_remarks(report, score))


def _remarks(report: Report, score: MemoryScore) -> Iterator[str]:
    use = score.use
    cases = "" if use.cases is None else f"; {count_of(use.cases, 'different plan was', 'different plans were')} used"
    yield (
        f"{_share(use.found)} of the trials found a plan: {_share(use.exact)} of the same question, "
        f"{_share(use.near)} of a similar one{cases}."
    )
    if score.per_use:
        effects = (f"{name} {_amount(report, name, estimate)}" for name, estimate in score.per_use.items())
        yield f"Change per trial that found a plan: {', '.join(effects)}."
    else:
        yield f"No effect per found plan: that needs {LEAST_USE:.0%} of the trials to find one, on at least 6 queries."
    yield _balance(report, score)
    yield (
        "The plan assigned the trials to the arms, so the order of asking is not in these effects. "
        "p is adjusted over all memory tables (Holm)."
    )


def _balance(report: Report, score: MemoryScore) -> str:
    repeats = count_of(max(len(score.curve), 1), "repeat")
    spent = f"Over {repeats}, the tokens per query change by {_amount(report, TOTAL, score.balance)}"
    if score.repaid is None:
        return f"{spent}, so the longer planning prompts are not repaid."
    return f"{spent}. The longer planning prompts are repaid from repeat {score.repaid} on."


def _parts(report: Report, score: MemoryScore, title: str, parts: tuple[MemoryPart, ...]) -> Table:
    rows = []
    for part in parts:
        effects = (
            Cell(forms=figures.effect_forms(part.effects[name], content.definition(report, name)))
            if name in part.effects
            else Cell(forms=(figures.MISSING,))
            for name in (TOTAL, PLANNING)
        )
        rows.append(
            (Cell(forms=(part.part,)), Cell(forms=(str(part.queries),)), estimate_cell(part.found, figures.SHARE), *effects)
        )
    head = "repeat" if parts is score.curve else "queries"
    columns = (left(head), "n", "found a plan", TOTAL, PLANNING)
    return Table.of(
        f"Memory: {score.candidate} compared with {score.baseline} {title}", columns, rows, "Intervals only: no part is tested."
    )


def _share(estimate: Estimate) -> str:
    if estimate.value is None:
        return figures.MISSING
    ends = "" if estimate.lo is None or estimate.hi is None else f" ({estimate.lo:.0%} to {estimate.hi:.0%})"
    return f"{estimate.value:.0%}{ends}"


def _amount(report: Report, name: str, estimate: Estimate) -> str:
    """Return a signed amount with its interval."""
    scale = figures.scale_of(content.definition(report, name), estimate.value, estimate.lo, estimate.hi)
    ends = (estimate.value, estimate.lo, estimate.hi)
    value, lo, hi = (None if end is None else _signed(figures.amount(abs(end), scale), end) for end in ends)
    if value is None:
        return figures.MISSING
    return value if lo is None or hi is None else f"{value} ({lo} to {hi})"


def _signed(text: str, value: float) -> str:
    return f"{'-' if value < 0 else '+'}{text}"
